"""The workflows ``retrieve`` and ``retrieve_dataset``: recall, prove, hand over, and what SciCat is told."""

from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest

from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.models.states import JobKind
from functions.deliver_datablocks.app import handler
from tests.support.account import CODES_PAGE, LambdaContext
from tests.support.archive import (
    ANY_FILES,
    ANY_PID,
    an_archived_dataset,
    archive_id,
    flipped,
    let_recalls_take,
    put_on_tape,
)
from tests.support.catalogue import Scicat
from tests.workflow.conftest import CRASHED, TIMED_OUT, Execution, Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@pytest.fixture(autouse=True)
def slow_tape(aws: "S3Client") -> None:
    assert aws
    let_recalls_take(looks=3)


def retrieve(workflows: Workflows, scicat: Scicat, *pids: str) -> tuple[str, Execution]:
    """Run a retrieve job over these datasets; returns its id and its end."""
    job_id = scicat.add_job("retrieve", *pids)
    return job_id, workflows.run("retrieve", {"job_id": job_id, "kind": JobKind.RETRIEVE}, name=job_id)


def lifecycle_of(pid: str) -> str:
    return f"PATCH /api/v3/datasets/{pid.replace('/', '%2F')}/datasetlifecycle"


def update_of(job_id: str) -> str:
    return f"PATCH /api/v4/jobs/{job_id}"


def retrieved(s3: "S3Client") -> dict[str, bytes]:
    """What lies in the retrieval bucket."""
    found = s3.list_objects_v2(Bucket="retrieval").get("Contents", [])
    return {one["Key"]: s3.get_object(Bucket="retrieval", Key=one["Key"])["Body"].read() for one in found}


def test_a_dataset_is_recalled_proven_and_handed_over(workflows: Workflows, scicat: Scicat, aws: "S3Client") -> None:
    tars = an_archived_dataset(aws, scicat)

    job_id, end = retrieve(workflows, scicat, ANY_PID)

    assert end.status == "SUCCEEDED"
    assert retrieved(aws) == tars
    result = [
        {
            "datasetId": ANY_PID,
            "name": key.rpartition("/")[2],
            "size": len(tar),
            "unpackedSize": sum(map(len, files.values())),
            "archiveId": key,
            "url": ANY,
            "crc64nvme": crc64nvme_to_base64(crc64nvme(tar)),
            "expires": ANY,
        }
        for (key, tar), files in zip(tars.items(), ANY_FILES, strict=True)
    ]
    assert scicat.told == [
        (update_of(job_id), {"statusCode": "inProgress", "statusMessage": "jobStarted"}),
        (lifecycle_of(ANY_PID), {"retrieveStatusMessage": "started"}),
        (lifecycle_of(ANY_PID), {"retrieveStatusMessage": "datasetRetrieved", "retrieveIntegrityCheck": True}),
        (
            update_of(job_id),
            {
                "statusCode": "finishedSuccessful",
                "statusMessage": "jobFinished",
                "jobResultObject": {"result": result, "downloadScript": ANY},
            },
        ),
    ]
    lifecycle = scicat.lifecycle(ANY_PID)
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, True)


def test_the_steps_of_a_retrieval_read_as_its_story(workflows: Workflows, scicat: Scicat, aws: "S3Client") -> None:
    an_archived_dataset(aws, scicat)

    retrieve(workflows, scicat, ANY_PID)

    (arn,) = workflows.executions("retrieve_dataset")
    states = workflows.states(arn)
    in_order = [name for name in dict.fromkeys(states) if not name.startswith("Is")]
    assert in_order == [
        "RetrieveProven",
        "ClaimRetrieval",
        "RecallDatablocks",
        "WaitForTape",
        "ShareDatablocks",
        "DeliverDatablocks",
        "DeliverDatablocksEnded",
        "CompleteRetrieval",
        "DatasetRetrieved",
    ]
    assert states.count("RecallDatablocks") == states.count("WaitForTape") + 1


def test_g06_a_corrupt_datablock_is_named_and_never_called_retrieved(
    workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    tars = an_archived_dataset(aws, scicat)
    corrupt = archive_id(1)
    put_on_tape(aws, corrupt, flipped(tars[corrupt]), recorded=tars[corrupt])

    job_id, end = retrieve(workflows, scicat, ANY_PID)

    assert (end.status, end.error) == ("FAILED", "finishedUnsuccessful")
    assert corrupt not in retrieved(aws)
    _, started, failed, finished = scicat.told
    assert started == (lifecycle_of(ANY_PID), {"retrieveStatusMessage": "started"})
    message = failed[1]["retrieveReturnMessage"]["message"]
    assert corrupt in message
    assert failed == (
        lifecycle_of(ANY_PID),
        {
            "retrieveStatusMessage": "scheduleRetrieveJobFailed",
            "retrieveReturnMessage": {
                "code": "corrupt_datablock",
                "message": message,
                "help": f"{CODES_PAGE}#corrupt_datablock",
                "files": ["c.mrc"],
                "count": 1,
                "executionArn": workflows.executions("retrieve_dataset")[0],
            },
        },
    )
    assert finished[0] == update_of(job_id)
    assert finished[1]["statusCode"] == "finishedUnsuccessful"
    offered = [one["archiveId"] for one in finished[1]["jobResultObject"]["result"]]
    assert offered == [key for key in tars if key != corrupt] == list(retrieved(aws))
    lifecycle = scicat.lifecycle(ANY_PID)
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, True)
    assert lifecycle["retrieveIntegrityCheck"] is False


def test_b10_a_dataset_that_was_never_archived_is_refused_and_its_flags_stay(
    workflows: Workflows, scicat: Scicat
) -> None:
    # SciCat itself refuses such a job, unless somebody set the flag.
    scicat.add_dataset(ANY_PID, archivable=False, retrievable=True)
    job_id, end = retrieve(workflows, scicat, ANY_PID)

    reason = "The dataset has no datablocks: it was never archived."
    message = f"0 of 1 dataset retrieved. {ANY_PID}: no_datablocks: {reason} See {CODES_PAGE}"
    assert (end.status, end.error, end.cause) == ("FAILED", "finishedWithDatasetErrors", message)
    assert scicat.told == [
        (update_of(job_id), {"statusCode": "inProgress", "statusMessage": "jobStarted"}),
        (
            lifecycle_of(ANY_PID),
            {
                "retrieveStatusMessage": "scheduleRetrieveJobFailed",
                "retrieveReturnMessage": {
                    "code": "no_datablocks",
                    "message": reason,
                    "help": f"{CODES_PAGE}#no_datablocks",
                },
            },
        ),
        (update_of(job_id), {"statusCode": "finishedWithDatasetErrors", "statusMessage": message}),
    ]


def test_of_three_datasets_with_a_bad_one_the_other_two_are_handed_over(
    workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    fine = ["any/fine", "any/fine-too"]
    for pid in fine:
        an_archived_dataset(aws, scicat, pid)
    an_archived_dataset(aws, scicat, "any/bad")
    aws.delete_object(Bucket="lts", Key=archive_id(2, "any/bad"))

    job_id, end = retrieve(workflows, scicat, fine[0], "any/bad", fine[1])

    assert end.error == "finishedWithDatasetErrors"
    assert "2 of 3 datasets retrieved. any/bad: corrupt_datablock: " in end.cause
    told = {pid: [body for path, body in scicat.told if path == lifecycle_of(pid)] for pid in [*fine, "any/bad"]}
    for pid in fine:
        assert [body["retrieveStatusMessage"] for body in told[pid]] == ["started", "datasetRetrieved"]
    assert [body["retrieveStatusMessage"] for body in told["any/bad"]] == ["started", "scheduleRetrieveJobFailed"]
    result: list[dict[str, Any]] = scicat.job(job_id)["jobResultObject"]["result"]
    # Of the bad one, what could be proven.
    assert [one["archiveId"] for one in result if one["datasetId"] == "any/bad"] == [
        archive_id(0, "any/bad"),
        archive_id(1, "any/bad"),
    ]
    assert sorted(one["datasetId"] for one in result if one["datasetId"] != "any/bad") == sorted(fine * 3)


def test_a_retrieval_survives_workers_that_are_lost(workflows: Workflows, scicat: Scicat, aws: "S3Client") -> None:
    tars = an_archived_dataset(aws, scicat)
    for step in ("ClaimRetrieval", "RecallDatablocks", "DeliverDatablocks"):
        workflows.fail(step, CRASHED, after_the_work=True)
    workflows.fail("CompleteRetrieval", TIMED_OUT, after_the_work=True)

    _, end = retrieve(workflows, scicat, ANY_PID)

    assert end.status == "SUCCEEDED"
    assert retrieved(aws) == tars
    assert scicat.lifecycle(ANY_PID)["retrieveStatusMessage"] == "datasetRetrieved"


def test_a_worker_without_time_is_called_until_its_share_is_done(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LANES", "1")
    tars = an_archived_dataset(aws, scicat)
    answers = iter([False, False])

    def deliver(work: Any, context: LambdaContext) -> Any:
        return handler(work, context) if next(answers, True) else work | {"done": False, "calls": 1}

    workflows.replace("DeliverDatablocks", deliver)

    _, end = retrieve(workflows, scicat, ANY_PID)

    assert end.status == "SUCCEEDED"
    assert workflows.calls["DeliverDatablocks"] == 3
    assert retrieved(aws) == tars


def test_a_second_retrieval_of_what_is_still_there_recalls_nothing(
    workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    tars = an_archived_dataset(aws, scicat)
    retrieve(workflows, scicat, ANY_PID)
    for key, tar in tars.items():
        put_on_tape(aws, key, tar)

    job_id, end = retrieve(workflows, scicat, ANY_PID)

    assert end.status == "SUCCEEDED"
    (again,) = (arn for arn in workflows.executions("retrieve_dataset") if arn.endswith(f":{job_id}-1"))
    assert "WaitForTape" not in workflows.states(again)
    assert all("Restore" not in aws.head_object(Bucket="lts", Key=key) for key in tars)
