"""The step ReportDrop."""

from typing import TYPE_CHECKING, Any

import pytest

from archiver.errors import Code, DatasetRejected, ServiceUnavailable
from archiver.ingest import DropStatus
from archiver.ingest.documents import DROP_OUTCOME
from archiver.storage import leases
from functions.report_drop.app import handler
from tests.support import dropping
from tests.support.account import CODES_PAGE, LambdaContext
from tests.support.catalogue import Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def report(error: Exception | None = None) -> dict[str, Any]:
    state: dict[str, Any] = dropping.a_drop().model_dump()
    if error is not None:
        state["failure"] = {"Error": type(error).__name__, "Cause": str(error)}
    reported = handler(state, LambdaContext())
    assert reported is not None
    return reported


def test_a_requested_archive_is_told_beside_the_drop_for_people_to_read(aws: "S3Client", scicat: Scicat) -> None:
    dropping.drop(aws, {"a": b"1"})
    pid = dropping.a_registered_drop().pid
    dropping.run_folder().save(DROP_OUTCOME, DropStatus(status="requested", message="any", pid=pid, job="any-job"))
    told = len(scicat.told)

    assert report() == {"accepted": True, "code": "requested", "message": "any"}

    status = dropping.the_status(aws)
    assert list(status) == ["status", "message", "code", "pid", "job", "files", "count", "execution", "time"]
    assert (status["pid"], status["job"], status["execution"]) == (pid, "any-job", dropping.EXECUTION_ARN)
    assert status["time"].endswith("+00:00")
    assert len(scicat.told) == told


def test_what_the_user_must_mend_is_told_to_the_catalogue_too(aws: "S3Client", scicat: Scicat) -> None:
    dropping.drop(aws, {"a": b"1"})
    pid = dropping.a_registered_drop().pid
    names = [f"file {number}" for number in range(250)]

    reported = report(DatasetRejected(Code.MISSING_FILES, "250 listed files are not in the folder.", names))

    assert reported["accepted"] is False
    status = dropping.the_status(aws)
    assert (status["status"], status["count"], len(status["files"])) == ("rejected", 250, 100)
    assert status["help"] == f"{CODES_PAGE}#missing_files"
    lifecycle = scicat.lifecycle(pid)
    assert lifecycle["archiveReturnMessage"]["files"] == names[:100]
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, False)


def test_a_failed_system_leaves_the_dataset_as_it_is(aws: "S3Client", scicat: Scicat) -> None:
    dropping.drop(aws, {"a": b"1"})
    dropping.a_registered_drop()
    told = len(scicat.told)

    report(ServiceUnavailable(Code.SCICAT_UNAVAILABLE, "SciCat did not answer."))

    status = dropping.the_status(aws)
    assert (status["status"], status["code"]) == ("failed", "scicat_unavailable")
    assert len(scicat.told) == told


def test_a_drop_that_could_not_be_read_has_no_pid(aws: "S3Client") -> None:
    report(DatasetRejected(Code.BAD_DROP, "dataset.json: 'owner' is missing."))
    status = dropping.the_status(aws)
    assert (status["status"], status["pid"]) == ("rejected", None)
    assert "'owner' is missing" in status["message"]


def test_the_status_of_a_busy_folder_is_left_to_whoever_holds_it(aws: "S3Client") -> None:
    report(ServiceUnavailable(Code.BUSY, "any"))
    assert dropping.landing_keys(aws) == set()


@pytest.mark.usefixtures("scicat")
def test_files_dropped_for_an_archived_dataset_are_kept_and_named(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1"})
    dropping.a_registered_drop()
    dropping.run_folder().save(DROP_OUTCOME, DropStatus(status="already_archived", message="Archived."))

    report()

    assert (dropping.the_status(aws)["files"], dropping.the_status(aws)["count"]) == (["a"], 1)
    assert f"{dropping.PREFIX}a" in dropping.landing_keys(aws)


@pytest.mark.usefixtures("scicat")
def test_the_folder_is_free_for_the_next_drop(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1"})
    dropping.a_registered_drop()
    assert leases.read_lease(dropping.PREFIX) is not None

    report(DatasetRejected(Code.NO_FILES, "any"))

    assert leases.read_lease(dropping.PREFIX) is None
