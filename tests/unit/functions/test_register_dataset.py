"""The step RegisterDataset."""

import json
from typing import TYPE_CHECKING

import pytest

from archiver.errors import Code, DatasetRejected, Reason, ServiceRefused
from archiver.ingest.documents import DROP, DROP_OUTCOME
from archiver.models.files import Upload
from archiver.scicat import JobStatus, catalogue
from archiver.storage import sources
from functions.register_dataset.app import handler
from functions.report_drop.app import handler as report_drop
from tests.support import dropping
from tests.support.account import LambdaContext
from tests.support.catalogue import Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def test_a_new_dataset_is_registered_with_what_the_drop_says(aws: "S3Client", scicat: Scicat) -> None:
    document = dropping.a_document(accessGroups=["group2"], keywords=["any"], scientificMetadata={"kV": 300})
    dropping.drop(aws, {}, document)

    drop = dropping.a_registered_drop()

    assert not drop.settled
    [(_, body)] = scicat.told
    assert {name: body[name] for name in document if name != "creationTime"} == {
        name: value for name, value in document.items() if name != "creationTime"
    }
    assert (body["pid"], body["type"], body["datasetName"]) == (drop.pid, "raw", "any-drop")
    lifecycle = scicat.lifecycle(drop.pid)
    assert (lifecycle["archiveStatusMessage"], lifecycle["archivable"]) == ("filesNotYetAvailable", False)


def test_the_service_remembers_which_drop_the_dataset_came_from(aws: "S3Client", scicat: Scicat) -> None:
    assert scicat
    dropping.drop(aws, {"SHA256SUMS": b""})
    drop = dropping.a_registered_drop()
    documents = ("dataset.json", "dataset.status.json", "SHA256SUMS")
    assert sources.upload_of(drop.pid) == Upload(prefix=dropping.PREFIX, documents=documents)


def test_a_dataset_that_was_registered_before_is_registered_once(aws: "S3Client", scicat: Scicat) -> None:
    assert scicat
    dropping.drop(aws, {})
    read = dropping.a_read_drop().model_dump()
    assert handler(read, LambdaContext()) == handler(read, LambdaContext())


@pytest.mark.parametrize("status", [JobStatus.SUBMITTED, JobStatus.IN_PROGRESS])
def test_a_dataset_whose_archive_job_is_not_finished_is_settled(
    aws: "S3Client", scicat: Scicat, status: JobStatus
) -> None:
    dropping.drop(aws, {})
    pid = dropping.a_registered_drop().pid
    scicat.set_lifecycle(pid, archivable=True)
    job = scicat.add_job("archive", pid)
    catalogue().update_job(job, status, "any")

    assert dropping.a_registered_drop().settled
    outcome = dropping.run_folder().need(DROP_OUTCOME)
    assert (outcome.status, outcome.job) == ("already_requested", job)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.DATASET_ERRORS])
def test_a_dataset_whose_archive_job_failed_is_taken_in_again(
    aws: "S3Client", scicat: Scicat, status: JobStatus
) -> None:
    dropping.drop(aws, {})
    pid = dropping.a_registered_drop().pid
    scicat.set_lifecycle(pid, archivable=True)
    catalogue().update_job(scicat.add_job("archive", pid), status, "any")

    assert not dropping.a_registered_drop().settled


def test_f20_a_refusal_of_the_catalogue_is_told_in_its_words(aws: "S3Client", scicat: Scicat) -> None:
    assert scicat
    dropping.drop(aws, {}, dropping.a_document(contactEmail="a@b.c;d@e.f"))
    read = dropping.a_read_drop()
    folder = dropping.run_folder()
    folder.save(DROP, folder.need(DROP).model_copy(update={"metadata": {"type": "raw"}}))

    with pytest.raises(ServiceRefused) as error:
        handler(read.model_dump(), LambdaContext())
    reason = Reason.from_json(str(error.value))
    assert reason.code is Code.SCICAT_REJECTED
    assert "ownerGroup" in reason.message


def test_a_dataset_of_another_group_is_not_taken_over_by_a_drop(aws: "S3Client", scicat: Scicat) -> None:
    dropping.drop(aws, {}, dropping.a_document(ownerGroup="group2"))
    read = dropping.a_read_drop()
    scicat.add_dataset(read.pid)
    before = scicat.lifecycle(read.pid)

    with pytest.raises(DatasetRejected) as rejected:
        handler(read.model_dump(), LambdaContext())

    assert rejected.value.reason.code is Code.BAD_DROP
    assert sources.upload_of(read.pid).prefix != dropping.PREFIX
    failure = {"Error": "DatasetRejected", "Cause": json.dumps({"errorMessage": str(rejected.value)})}
    report_drop(read.model_dump() | {"failure": failure}, LambdaContext())
    assert dropping.the_status(aws)["status"] == "rejected"
    assert scicat.lifecycle(read.pid) == before
