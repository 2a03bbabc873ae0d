"""The step FinishJob."""

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from archiver.aws import step_functions
from archiver.errors import Code
from archiver.keys import Keys
from archiver.models.datablocks import WantedDatablock
from archiver.models.documents import Document
from archiver.models.states import JobBegun, JobKind, Run, RunOutcome
from archiver.reporting.lifecycle import pending_outcome
from archiver.retrieve import job_result, links
from archiver.retrieve.delivery import Delivered
from archiver.settings import settings
from archiver.storage import buckets, leases
from archiver.storage.documents import JOB, OUTCOME, WANTED
from archiver.storage.run_folder import RunFolder
from functions.finish_job.app import handler
from tests.support.account import ACCOUNT_ID, CODES_PAGE, LambdaContext
from tests.support.catalogue import Scicat

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
    RunFolder(job_id).save(JOB, JobBegun(job_id=job_id, kind=kind, runs=runs))
    for run, outcome in zip(runs, outcomes, strict=True):
        if outcome is not None:
            RunFolder(run.run_id).save(OUTCOME, outcome.model_copy(update={"pid": run.pid}))
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
        "message": f"2 of 3 datasets archived. any/1: missing_files: One file is missing. See {CODES_PAGE}",
    }
    assert scicat.job(job_id)["statusCode"] == "finishedWithDatasetErrors"


def test_a_job_that_could_not_be_begun_is_told_why(scicat: Scicat) -> None:
    scicat.add_dataset("any/a")
    job_id = scicat.add_job("archive", "any/a")
    cause = {"errorMessage": '{"code": "too_many_datasets", "message": "Too many."}', "errorType": "DatasetRejected"}

    finish(job_id, JobKind.ARCHIVE, {"Error": "DatasetRejected", "Cause": json.dumps(cause)})

    assert scicat.job(job_id)["statusCode"] == "finishedUnsuccessful"
    assert scicat.job(job_id)["statusMessage"] == f"too_many_datasets: Too many. See {CODES_PAGE}#too_many_datasets"


def test_a_failure_between_the_runs_explains_those_that_have_not_reported(scicat: Scicat) -> None:
    job_id = a_job(scicat, JobKind.ARCHIVE, DONE, None)

    reported = finish(job_id, JobKind.ARCHIVE, {"Error": "States.Timeout", "Cause": ""})

    assert reported["status"] == "finishedWithDatasetErrors"
    assert "any/1: timeout: " in reported["message"]


def test_a_run_whose_execution_was_stopped_is_cancelled(scicat: Scicat, an_execution: Callable[..., str]) -> None:
    job_id = a_job(scicat, JobKind.RETRIEVE, None)
    an_execution("retrieve_dataset", f"{job_id}-1", "ABORTED")

    reported = finish(job_id, JobKind.RETRIEVE)

    assert reported["status"] == "finishedUnsuccessful"
    assert "any/0: cancelled: " in reported["message"]


def delivered(run_id: str, *archive_ids: str) -> None:
    """Let a run want these datablocks and have them all."""
    folder = RunFolder(run_id)
    wanted = [WantedDatablock(number, archive_id, 10_240, 7) for number, archive_id in enumerate(archive_ids)]
    folder.save(WANTED, wanted)
    for one in wanted:
        folder.save(
            Document(f"delivered/{one.number:06d}.json", Delivered),
            Delivered(one.archive_id, one.packed_size, "any-crc"),
        )


def stands_for(url: str) -> links.Link:
    link = links.read(url.removeprefix(f"{settings().public_api_url}/datablocks/"))
    assert link is not None
    return link


def test_a_retrieve_job_is_given_a_link_for_each_datablock_that_was_delivered(scicat: Scicat) -> None:
    job_id = a_job(scicat, JobKind.RETRIEVE, DONE)
    delivered(f"{job_id}-1", "any/a_0.tar", "any/a_1.tar")

    finish(job_id, JobKind.RETRIEVE)

    result = result_of(scicat)["result"]
    link = stands_for(result[1].pop("url"))
    assert (link.key, link.pid) == ("any/a_1.tar", "any/0")
    assert result[1] == {
        "datasetId": "any/0",
        "name": "a_1.tar",
        "size": 10_240,
        "unpackedSize": 7,
        "archiveId": "any/a_1.tar",
        "crc64nvme": "any-crc",
        "expires": link.expires.isoformat(),
    }
    assert link.expires - datetime.now(UTC) > timedelta(days=6.9)


def test_what_was_proven_of_a_dataset_that_failed_is_offered_too(scicat: Scicat) -> None:
    failed = RunOutcome(pid="any/a", outcome="failed", code="corrupt_datablock", message="any/b_1.tar is damaged.")
    job_id = a_job(scicat, JobKind.RETRIEVE, failed, REJECTED)
    delivered(f"{job_id}-1", "any/b_0.tar", "any/b_1.tar")
    buckets.staging().delete([Keys.run(f"{job_id}-1", "delivered/000001.json")])

    reported = finish(job_id, JobKind.RETRIEVE)

    assert reported["status"] == "finishedUnsuccessful"
    (offered,) = result_of(scicat)["result"]
    assert offered["archiveId"] == "any/b_0.tar"
    script = base64.b64decode(result_of(scicat)["downloadScript"]).decode()
    assert "- any/0: corrupt_datablock: any/b_1.tar is damaged.\n- any/1: missing_files:" in script


def test_the_script_of_a_job_has_its_links(scicat: Scicat) -> None:
    job_id = a_job(scicat, JobKind.RETRIEVE, DONE)
    delivered(f"{job_id}-1", "any/a_0.tar")

    finish(job_id, JobKind.RETRIEVE)

    result = result_of(scicat)
    script = base64.b64decode(result["downloadScript"]).decode()
    assert script.startswith("#!/bin/sh\n")
    assert f"10240\tany-0\ta_0.tar\t{result['result'][0]['url']}\n" in script


def test_a_retrieve_job_of_which_nothing_came_through_has_no_result(scicat: Scicat) -> None:
    finish(a_job(scicat, JobKind.RETRIEVE, REJECTED), JobKind.RETRIEVE)

    assert "jobResultObject" not in scicat.told[0][1]


def test_a_second_attempt_to_finish_offers_the_same(scicat: Scicat) -> None:
    job_id = a_job(scicat, JobKind.RETRIEVE, DONE)
    delivered(f"{job_id}-1", "any/a_0.tar")

    assert finish(job_id, JobKind.RETRIEVE) == finish(job_id, JobKind.RETRIEVE)
    first, second = (body["jobResultObject"]["result"][0]["archiveId"] for _, body in scicat.told)
    assert first == second


def test_h06_a_long_result_is_written_beside_the_datablocks(
    scicat: Scicat, aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(job_result, "MAX_RESULT_BYTES", 9_000)
    job_id = a_job(scicat, JobKind.RETRIEVE, DONE)
    delivered(f"{job_id}-1", *(f"any/a_{number}.tar" for number in range(20)))

    finish(job_id, JobKind.RETRIEVE)

    result = result_of(scicat)
    assert (result["result"], result["datablocks"]) == ([], 20)
    retrieval = settings().retrieval_bucket
    listing = aws.get_object(Bucket=retrieval, Key=stands_for(result["listing"]).key)["Body"].read()
    assert len(json.loads(listing)["result"]) == 20
    script = base64.b64decode(result["downloadScript"]).decode()
    (link,) = re.findall(r"    fetch (http\S+)", script)
    rows = aws.get_object(Bucket=retrieval, Key=stands_for(link).key)["Body"].read().decode()
    assert rows.count("\n") == 20


def test_f23_a_job_with_an_archive_that_waits_for_scicat_is_not_told_yet(scicat: Scicat) -> None:
    job_id = a_job(scicat, JobKind.ARCHIVE, DONE, pending_outcome("any/1", Code.SCICAT_UNAVAILABLE))

    assert finish(job_id, JobKind.ARCHIVE)["status"] == "pending"
    assert scicat.told == []


def test_a_retrieval_that_could_not_tell_how_it_failed_has_it_told_with_its_job(scicat: Scicat) -> None:
    untold = RunOutcome(pid="any/0", outcome="failed", code="recall_failed", message="Any.", reported=False)
    job_id = a_job(scicat, JobKind.RETRIEVE, untold)

    assert finish(job_id, JobKind.RETRIEVE)["status"] == "finishedUnsuccessful"

    lifecycle = scicat.lifecycle("any/0")
    assert lifecycle["retrieveStatusMessage"] == "scheduleRetrieveJobFailed"
    assert lifecycle["retrieveReturnMessage"]["code"] == "recall_failed"
    assert lifecycle["retrievable"] is True
    assert RunFolder(f"{job_id}-1").need(OUTCOME).reported


def test_an_archiving_that_ended_before_it_said_anything_is_left_to_the_sweep(scicat: Scicat) -> None:
    job_id = a_job(scicat, JobKind.ARCHIVE, None)
    client = boto3.client("stepfunctions")
    nothing = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    role = f"arn:aws:iam::{ACCOUNT_ID}:role/any"
    client.create_state_machine(name="archive_dataset", definition=json.dumps(nothing), roleArn=role)

    assert "any/0: execution_lost: " in finish(job_id, JobKind.ARCHIVE)["message"]

    (key,) = leases.lease_keys()
    lease = leases.lease_at(key)
    assert lease is not None
    assert (lease.run_id, lease.subject) == (f"{job_id}-1", "any/0")
    assert RunFolder(lease.run_id).need(OUTCOME).code == "execution_lost"


def test_a_run_that_ends_while_the_job_is_finished_keeps_what_it_said_and_gets_no_lease(
    scicat: Scicat, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = a_job(scicat, JobKind.ARCHIVE, None)

    def end_just_now(arn: str) -> str:
        done = RunOutcome(pid="any/0", outcome="done", code="archived", message="Any.")
        RunFolder(arn.rpartition(":")[2]).save(OUTCOME, done)
        return "SUCCEEDED"

    monkeypatch.setattr(step_functions, "status", end_just_now)

    assert finish(job_id, JobKind.ARCHIVE)["status"] == "finishedSuccessful"
    assert list(leases.lease_keys()) == []
