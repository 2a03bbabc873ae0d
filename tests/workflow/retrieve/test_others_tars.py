"""A user who records what is not the dataset's in SciCat is given none of it, and harms nobody's archive."""

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from archiver.keys import Keys
from archiver.models.states import JobKind
from archiver.scicat import catalogue
from tests.support.archive import ANY_PID, a_tar, an_archived_dataset, archive_id, our_tar, put_on_tape
from tests.support.catalogue import ANY_TIME, Scicat
from tests.support.dataset import a_datablock
from tests.workflow.conftest import Execution, Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MINE, OTHERS = "any/mine", "any/others"
FILES = {"secret.mrc": b"of another group", "more.mrc": b"more of it"}


def retrieve(workflows: Workflows, scicat: Scicat, pid: str = MINE, *files: str) -> tuple[Execution, dict[str, Any]]:
    """Run a retrieve job; returns its end and what the job was given."""
    if files:
        scicat.add_files(pid, *({"path": path, "size": 1} for path in files))
    job_id = scicat.add_job("retrieve", pid, files=files)
    end = workflows.run("retrieve", {"job_id": job_id, "kind": JobKind.RETRIEVE}, name=job_id)
    return end, scicat.job(job_id).get("jobResultObject") or {}


def retrieved(s3: "S3Client") -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket="retrieval").get("Contents", [])]


def a_record(key: str, tar: bytes, files: dict[str, bytes], *, known: bool = True) -> dict[str, Any]:
    """A record of a tar by somebody who knows what is in it, or only its size and one file's name."""
    entries = [
        {"path": path, "size": len(body), "time": ANY_TIME}
        | ({"chk": hashlib.sha256(body).hexdigest()} if known else {})
        for path, body in files.items()
    ]
    return {
        "archiveId": key,
        "size": 1,
        "packedSize": len(tar),
        "version": "2",
        "chkAlg": "sha256",
        "dataFileList": entries,
    }


@pytest.mark.parametrize("files", [(), ("secret.mrc",)], ids=["all of it", "one file"])
def test_h02_another_groups_tar_is_not_given_to_whoever_records_its_name(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", files: tuple[str, ...]
) -> None:
    # Recorded no more: SciCat takes a name once.
    key, tar = archive_id(1, OTHERS), our_tar(FILES, 1)
    put_on_tape(aws, key, tar)
    aws.put_object(Bucket="retrieval", Key=key, Body=tar, ChecksumAlgorithm="CRC64NVME")
    scicat.add_archived_dataset(MINE, [a_record(key, tar, FILES)])

    end, given = retrieve(workflows, scicat, MINE, *files)

    assert (end.error, given) == ("finishedWithDatasetErrors", {})
    told = scicat.lifecycle(MINE)["retrieveReturnMessage"]
    assert told["code"] == "no_datablocks"
    assert "FormerArchivePrefixes" in told["message"]
    assert OTHERS not in str(told)


@pytest.mark.parametrize("known", [{}, {"secret.mrc": FILES["secret.mrc"]}], ids=["nothing", "one file"])
@pytest.mark.parametrize("files", [(), ("secret.mrc",)], ids=["all of it", "one file"])
def test_a_tar_is_not_given_by_a_record_that_does_not_list_what_its_own_list_does(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", files: tuple[str, ...], known: dict[str, bytes]
) -> None:
    # A dataset that was deleted, and registered anew by others.
    key, tar = archive_id(1, MINE), our_tar(FILES, 1)
    put_on_tape(aws, key, tar)
    scicat.add_archived_dataset(MINE, [a_record(key, tar, known or {"secret.mrc": b"guessed, not known"})])

    end, given = retrieve(workflows, scicat, MINE, *files)

    assert (end.error, given, retrieved(aws)) == ("finishedUnsuccessful", {}, [])
    assert scicat.lifecycle(MINE)["retrieveReturnMessage"]["code"] == "corrupt_datablock"


def test_an_archive_is_given_without_what_others_recorded_for_it_and_that_is_said(
    workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    tars = an_archived_dataset(aws, scicat)
    put_on_tape(aws, archive_id(1, OTHERS), b"any")
    catalogue().add_datablock(ANY_PID, a_datablock(archive_id(1, OTHERS)))

    end, given = retrieve(workflows, scicat, ANY_PID)

    assert end.status == "SUCCEEDED"
    assert [one["archiveId"] for one in given["result"]] == list(tars) == retrieved(aws)
    told = scicat.lifecycle(ANY_PID)["retrieveReturnMessage"]
    assert told["message"] == "3 datablocks are ready for download. 1 record of other datablocks counts for nothing."


def test_a_copy_of_another_archivers_tar_is_each_datasets_own(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("FORMER_ARCHIVE_PREFIXES", "elsewhere/")
    key, tar = "elsewhere/any.tar", a_tar(FILES)
    put_on_tape(aws, key, tar)
    scicat.add_archived_dataset(OTHERS, [a_record(key, tar, FILES) | {"version": "any"}])
    end, _ = retrieve(workflows, scicat, OTHERS)
    assert (end.status, retrieved(aws)) == ("SUCCEEDED", [Keys.copy(OTHERS, key)])

    # SciCat forgets the record, and somebody else who knows the name records it.
    (record,) = catalogue().need_recorded_dataset(OTHERS).datablocks
    catalogue().delete_datablock(OTHERS, record.id)
    guessed = {"secret.mrc": b"guessed, not known"}
    scicat.add_archived_dataset(MINE, [a_record(key, tar, guessed) | {"version": "any"}])
    end, given = retrieve(workflows, scicat)

    assert (end.error, given) == ("finishedUnsuccessful", {})
    assert retrieved(aws) == [Keys.copy(OTHERS, key)]
