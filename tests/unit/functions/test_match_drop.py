"""The step MatchDrop."""

from typing import TYPE_CHECKING

import pytest

from archiver.drops import DropMatched, DropStatus, FileCount
from archiver.errors import Code, DatasetRejected, Reason
from functions.match_drop.app import handler
from tests import dropping
from tests.account import LambdaContext

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


A_REPORT = DropStatus(status="rejected", message="any", execution="arn:any").model_dump_json().encode()


def match(*, incomplete: bool = True) -> bool:
    """Take the step, by default after the wait for late files; returns whether it asks for that wait."""
    drop = DropMatched(**dropping.a_read_drop().model_dump(), settled=False, incomplete=incomplete)
    result = handler(drop.model_dump(), LambdaContext())
    assert result is not None
    return bool(result["incomplete"])


def the_refusal() -> Reason:
    with pytest.raises(DatasetRejected) as error:
        match()
    return Reason.from_json(str(error.value))


def test_the_files_are_written_down_as_they_lie_in_the_bucket(aws: "S3Client") -> None:
    files = dropping.some_files(4)
    dropping.drop(aws, files, dropping.a_document(files=dropping.listed(files)))

    match()

    folder = dropping.run_folder()
    assert {file.path: (file.size, file.chk, file.chk_alg) for file in folder.files()} == {
        path: (len(body), dropping.sha256(body), "sha256") for path, body in files.items()
    }
    assert folder.load("matched.json", FileCount) == FileCount(files=4, size=6)


def test_c15_files_without_bytes_are_files(aws: "S3Client") -> None:
    dropping.drop(aws, {"empty": b""})
    match()
    assert dropping.run_folder().load("matched.json", FileCount) == FileCount(files=1, size=0)


def test_a10_directory_markers_and_the_drops_documents_are_no_files(aws: "S3Client") -> None:
    dropping.drop(aws, {"folder/": b"", "dataset.status.json": A_REPORT, "folder/a": b"1", "folder/dataset.json": b"2"})
    match()
    assert [file.path for file in dropping.run_folder().files()] == ["folder/a", "folder/dataset.json"]


def test_c19_a_folder_without_files_is_refused(aws: "S3Client") -> None:
    dropping.drop(aws, {"folder/": b""})
    assert the_refusal().code is Code.NO_FILES


def test_d01_d02_what_is_missing_is_told_before_what_is_extra(aws: "S3Client") -> None:
    dropping.drop(aws, {"extra": b"1"}, dropping.a_document(files=[{"path": "missing"}]))
    assert (the_refusal().code, the_refusal().files) == (Code.MISSING_FILES, ("missing",))


def test_a05_listed_files_that_are_missing_are_looked_for_once_more(aws: "S3Client") -> None:
    dropping.drop(aws, {"early": b"1"}, dropping.a_document(files=[{"path": "early"}, {"path": "late"}]))
    assert match(incomplete=False) is True
    assert the_refusal().files == ("late",)
    dropping.drop(aws, {"late": b"2"}, dropping.a_document(files=[{"path": "early"}, {"path": "late"}]))
    assert match() is False


def test_data_under_the_name_of_the_services_report_is_refused(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1", "dataset.status.json": b'{"mine": true}'})
    assert (the_refusal().code, the_refusal().files) == (Code.BAD_PATH, ("dataset.status.json",))


def test_a_drop_never_counts_the_files_of_its_neighbour(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1"})
    dropping.drop(aws, {"b": b"1"}, prefix="incoming/any-drop-2/")
    match()
    assert [file.path for file in dropping.run_folder().files()] == ["a"]
