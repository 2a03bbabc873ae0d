"""The step FinishJob."""

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from archiver import links
from archiver.models import JobBegun, JobKind, Run, RunOutcome, WantedDatablock
from archiver.settings import settings
from archiver.storage import RunFolder
from functions.finish_job.app import MAX_RESULT_BYTES, handler
from tests.account import ACCOUNT_ID, LambdaContext
from tests.catalogue import Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")

DONE = RunOutcome(pid="any/a", outcome="done", code="any", message="Any.")
REJECTED = RunOutcome(pid="any/a", outcome="rejected", code="missing_files", message="One file is missing.")


def a_job(scicat: Scicat, kind: JobKind, *outcomes: RunOutcome | None) -> str:
    """A job that was begun, and whose runs have left these outcomes."""
    pids = [f"any/{number}" for number in range(len(outcomes))]
    for pid in pids:
        scicat.add_archived_dataset(pid, [])
        scicat.set_lifecycle(pid, archivable=kind is JobKind.ARCHIVE)
    job_id = scicat.add_job(kind, *pids)
    runs = tuple(Run(job_id=job_id, run_id=f"{job_id}-{number}", pid=pid) for number, pid in enumerate(pids, 1))
    RunFolder(job_id).save("job.json", JobBegun(job_id=job_id, kind=kind, runs=runs))
    for run, outcome in zip(runs, outcomes, strict=True):
        if outcome is not None:
            RunFolder(run.run_id).save("outcome.json", outcome.model_copy(update={"pid": run.pid}))
    return job_id


def finish(job_id: str, kind: JobKind, failure: dict[str, str] | None = None) -> dict[str, Any]:
    reported = handler({"job_id": job_id, "kind": kind, "failure": failure}, LambdaContext())
    assert reported is not None
    return reported


def result_of(scicat: Scicat) -> dict[str, Any]:
    ((_, body),) = scicat.told
    result: dict[str, Any] = body["jobResultObject"]
    return result


def test_a_job_whose_datasets_all_came_through_is_successful(scicat: Scicat) -> None:
    job_id = a_job(scicat, JobKind.ARCHIVE, DONE, DONE)

    assert finish(job_id, JobKind.ARCHIVE)["status"] == "finishedSuccessful"
    assert scicat.told == [
        (f"PATCH /api/v4/jobs/{job_id}", {"statusCode": "finishedSuccessful", "statusMessage": "jobFinished"})
    ]


def test_one_bad_dataset_of_three_is_named_and_the_job_has_dataset_errors(scicat: Scicat) -> None:
    job_id = a_job(scicat, JobKind.ARCHIVE, DONE, REJECTED, DONE)

    assert finish(job_id, JobKind.ARCHIVE) == {
        "status": "finishedWithDatasetErrors",
        "message": "2 of 3 datasets archived. any/1: missing_files: One file is missing.",
    }
    assert scicat.job(job_id)["statusCode"] == "finishedWithDatasetErrors"


def test_a_job_that_could_not_be_begun_is_told_why(scicat: Scicat) -> None:
    scicat.add_dataset("any/a")
    job_id = scicat.add_job("archive", "any/a")
    cause = {"errorMessage": '{"code": "too_many_datasets", "message": "Too many."}', "errorType": "DatasetRejected"}

    finish(job_id, JobKind.ARCHIVE, {"Error": "DatasetRejected", "Cause": json.dumps(cause)})

    assert scicat.job(job_id)["statusCode"] == "finishedUnsuccessful"
    assert scicat.job(job_id)["statusMessage"] == "too_many_datasets: Too many."


def test_a_failure_between_the_runs_explains_those_that_have_not_reported(scicat: Scicat) -> None:
    job_id = a_job(scicat, JobKind.ARCHIVE, DONE, None)

    reported = finish(job_id, JobKind.ARCHIVE, {"Error": "States.Timeout", "Cause": ""})

    assert reported["status"] == "finishedWithDatasetErrors"
    assert "any/1: timeout: " in reported["message"]


def test_a_run_whose_execution_was_stopped_is_cancelled(scicat: Scicat) -> None:
    job_id = a_job(scicat, JobKind.RETRIEVE, None)
    client = boto3.client("stepfunctions")
    waits = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}}
    arn = client.create_state_machine(
        name="retrieve_dataset", definition=json.dumps(waits), roleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/any"
    )["stateMachineArn"]
    execution = client.start_execution(stateMachineArn=arn, name=f"{job_id}-1")["executionArn"]
    client.stop_execution(executionArn=execution)

    reported = finish(job_id, JobKind.RETRIEVE)

    assert reported["status"] == "finishedUnsuccessful"
    assert "any/0: cancelled: " in reported["message"]


def test_a_retrieve_job_is_given_a_link_for_each_datablock_that_was_retrieved(scicat: Scicat) -> None:
    job_id = a_job(scicat, JobKind.RETRIEVE, DONE, REJECTED)
    for number in (1, 2):
        RunFolder(f"{job_id}-{number}").save("datablocks.json", [WantedDatablock(0, f"any/{number}/a_0.tar", 10240)])

    finish(job_id, JobKind.RETRIEVE)

    (link,) = result_of(scicat)["result"]
    token = link.pop("url").removeprefix(f"{settings().public_api_url}/datablocks/")
    assert link == {"datasetId": "any/0", "name": "a_0.tar", "size": 10240, "archiveId": "any/1/a_0.tar"}
    stands_for = links.read(token)
    assert stands_for is not None
    assert stands_for.archive_id == "any/1/a_0.tar"


def test_two_thousand_datablocks_make_a_result_below_a_megabyte(scicat: Scicat, aws: "S3Client") -> None:
    job_id = a_job(scicat, JobKind.RETRIEVE, DONE)
    key = f"openem-network/datasets/20.500.11935/{job_id}/datablocks/{job_id}-1/20.500.11935-{job_id}"
    wanted = [WantedDatablock(number, f"{key}_{number}.tar", 10) for number in range(2000)]
    RunFolder(f"{job_id}-1").save("datablocks.json", wanted)

    finish(job_id, JobKind.RETRIEVE)

    result = result_of(scicat)
    assert len(json.dumps(result)) < MAX_RESULT_BYTES
    assert (result["datablocks"], result["size"]) == (2000, 20_000)
    stands_for = links.read(result["listing"].rpartition("/")[2])
    assert stands_for is not None
    listing = json.loads(aws.get_object(Bucket=settings().retrieval_bucket, Key=stands_for.archive_id)["Body"].read())
    assert len(listing["result"]) == 2000
