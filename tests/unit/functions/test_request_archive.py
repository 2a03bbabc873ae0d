"""The step RequestArchive."""

from typing import TYPE_CHECKING

import pytest

from archiver.ingest import DropRegistered, DropStatus, FileCount
from archiver.ingest.documents import DROP_OUTCOME, MATCHED
from archiver.scicat import JobStatus, catalogue
from functions.request_archive.app import handler
from tests.support import dropping
from tests.support.account import LambdaContext
from tests.support.catalogue import Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@pytest.fixture
def drop(aws: "S3Client", scicat: Scicat) -> DropRegistered:
    """A drop whose files are registered."""
    dropping.drop(aws, {"a": b"1"})
    drop = dropping.a_registered_drop()
    dropping.run_folder().save(MATCHED, FileCount(files=1, size=1))
    scicat.set_lifecycle(drop.pid, archivable=True)
    return drop


def request(drop: DropRegistered) -> DropStatus:
    handler(drop.model_dump(), LambdaContext())
    return dropping.run_folder().need(DROP_OUTCOME)


def jobs(scicat: Scicat) -> int:
    return sum(path.endswith("/jobs") for path, _ in scicat.told)


def test_the_job_belongs_to_the_group_that_owns_the_dataset(scicat: Scicat, drop: DropRegistered) -> None:
    outcome = request(drop)

    assert (outcome.status, outcome.pid) == ("requested", drop.pid)
    assert outcome.job is not None
    job = scicat.job(outcome.job)
    assert (job["type"], job["ownerGroup"], job["contactEmail"]) == ("archive", "group1", "owner@example.org")


def test_a_repetition_finds_the_job_of_the_first_attempt(scicat: Scicat, drop: DropRegistered) -> None:
    assert request(drop) == request(drop)
    assert jobs(scicat) == 1


def test_a_repetition_finds_the_job_even_when_it_is_finished_by_then(scicat: Scicat, drop: DropRegistered) -> None:
    first = request(drop)
    catalogue().update_job(str(first.job), JobStatus.FINISHED, "jobFinished")

    assert request(drop) == first
    assert jobs(scicat) == 1


def test_a_job_that_somebody_else_created_is_joined(scicat: Scicat, drop: DropRegistered) -> None:
    job = scicat.add_job("archive", drop.pid)
    assert request(drop).job == job
    assert jobs(scicat) == 0


def test_a_job_that_failed_before_is_no_reason_not_to_ask_again(scicat: Scicat, drop: DropRegistered) -> None:
    job = scicat.add_job("archive", drop.pid)
    catalogue().update_job(job, JobStatus.FAILED, "any")

    assert request(drop).job not in (None, job)
    assert jobs(scicat) == 1
