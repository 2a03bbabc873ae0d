"""The step RegisterFiles."""

from typing import TYPE_CHECKING, Any

import pytest

from archiver.errors import Code, DatasetRejected, Reason
from archiver.ingest import DropRegistered, matching
from archiver.models.catalogue import CatalogueFile
from archiver.scicat import catalogue
from functions.register_files.app import handler
from tests.support import dropping
from tests.support.account import LambdaContext
from tests.support.catalogue import ANY_TIME, Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def a_matched_drop() -> DropRegistered:
    drop = dropping.a_registered_drop()
    dropping.a_matched_drop(drop)
    return drop


def register(drop: DropRegistered) -> None:
    handler(drop.model_dump(), LambdaContext())


def blocks(scicat: Scicat) -> list[Any]:
    return [body for path, body in scicat.told if path.endswith("/origdatablocks")]


def test_the_files_are_listed_with_their_checksums_and_the_dataset_may_be_archived(
    aws: "S3Client", scicat: Scicat
) -> None:
    files = dropping.some_files()
    dropping.drop(aws, files, dropping.a_document(files=dropping.listed(files)))
    drop = a_matched_drop()

    register(drop)

    [block] = blocks(scicat)
    assert (block["chkAlg"], block["size"]) == ("sha256", 3)
    assert {file["path"]: file["chk"] for file in block["dataFileList"]} == {
        path: dropping.sha256(body) for path, body in files.items()
    }
    lifecycle = scicat.lifecycle(drop.pid)
    assert (lifecycle["archiveStatusMessage"], lifecycle["archivable"]) == ("datasetCreated", True)


def test_files_without_checksums_name_no_algorithm(aws: "S3Client", scicat: Scicat) -> None:
    dropping.drop(aws, {"a": b"1"})
    register(a_matched_drop())
    [block] = blocks(scicat)
    assert "chkAlg" not in block
    assert "chk" not in block["dataFileList"][0]


def test_many_files_become_several_origdatablocks_and_a_repetition_adds_none(
    aws: "S3Client", scicat: Scicat, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(matching, "FILES_PER_ORIGDATABLOCK", 2)
    dropping.drop(aws, dropping.some_files(5))
    drop = a_matched_drop()

    register(drop)
    register(drop)

    assert [len(block["dataFileList"]) for block in blocks(scicat)] == [2, 2, 1]


def test_f16_files_that_an_interrupted_attempt_registered_are_completed(aws: "S3Client", scicat: Scicat) -> None:
    dropping.drop(aws, {"a": b"1", "b": b"2", "c": b"3"})
    drop = a_matched_drop()
    catalogue().add_origdatablock(drop.pid, [CatalogueFile("b", 1, ANY_TIME)], None)

    register(drop)

    assert catalogue().files_of(drop.pid, lambda files: sorted(file.path for file in files)) == ["a", "b", "c"]
    assert scicat.lifecycle(drop.pid)["archivable"] is True


def test_a_dataset_that_lists_other_files_is_refused_and_gets_none(aws: "S3Client", scicat: Scicat) -> None:
    dropping.drop(aws, {"a": b"1"})
    drop = a_matched_drop()
    catalogue().add_origdatablock(drop.pid, [CatalogueFile("other", 1, ANY_TIME)], None)

    with pytest.raises(DatasetRejected) as error:
        register(drop)

    reason = Reason.from_json(str(error.value))
    assert (reason.code, reason.files) == (Code.CATALOGUE_CHANGED, ("other",))
    assert len(blocks(scicat)) == 1
    assert scicat.lifecycle(drop.pid)["archivable"] is False
