"""Jobs over bad datasets, asked for twice, or after a failure: each dataset ends once, with its own reason."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from archiver.models.catalogue import CatalogueFile
from archiver.scicat import catalogue
from tests.support.account import CODES_PAGE
from tests.support.archiver_api import Api
from tests.support.catalogue import ANY_TIME, Scicat
from tests.support.dataset import ADataset
from tests.workflow.conftest import CRASHED, Workflows
from tests.workflow.story import ARCHIVED, JOB_DONE, JOB_STARTED, STARTED, archive, before, keys, records, story

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("no_pauses")


def test_a08_a_dataset_that_scicat_does_not_know_fails_the_job_and_nothing_is_deleted(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    landed = dataset.landing()
    before(workflows, "ClaimDataset", lambda: scicat.delete_dataset(dataset.pid))
    archive(workflows, scicat, dataset)
    message = f"{dataset.pid}: dataset_unknown: SciCat does not know the dataset {dataset.pid}."
    assert story(scicat) == [
        JOB_STARTED,
        ("finishedUnsuccessful", f"0 of 1 dataset archived. {message} See {CODES_PAGE}"),
    ]
    assert dataset.landing() == landed


def test_b01_a_job_that_is_posted_twice_is_done_once(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, api: Api
) -> None:
    dataset = ADataset(aws, scicat)
    scicat.set_lifecycle(dataset.pid, archivable=True)
    job_id = scicat.add_job("archive", dataset.pid)
    scicat.told.clear()

    answers = [api.post("/archiver/jobs", {"id": job_id, "type": "archive"}) for _ in range(2)]
    (execution,) = workflows.executions("archive")
    workflows.wait(execution)
    answers.append(api.post("/archiver/jobs", {"id": job_id, "type": "archive"}))

    assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
    assert workflows.executions("archive") == [execution]
    assert story(scicat) == [JOB_STARTED, STARTED, *keys(dataset, job_id), ARCHIVED, JOB_DONE]


@pytest.mark.parametrize(
    "body", [{"id": "any", "type": "archive"}, {"id": "00000000-0000-4000-8000-000000000000", "type": "any"}, {}]
)
def test_b02_what_is_not_a_job_starts_nothing(
    workflows: Workflows, scicat: Scicat, api: Api, body: Mapping[str, Any]
) -> None:
    answer = api.post("/archiver/jobs", body)
    assert answer.status == 422
    assert {one["loc"][0] for one in answer.json["detail"]} == {"body"}
    assert workflows.executions("archive") == []
    assert scicat.told == []


def test_b04_a_job_without_datasets_ends_at_once(workflows: Workflows, aws: "S3Client", scicat: Scicat) -> None:
    job_id = scicat.add_job("archive", ADataset(aws, scicat).pid)
    scicat.told.clear()
    # SciCat takes no such job; it may lose its datasets later.
    empty = json.dumps(scicat.job(job_id) | {"jobParams": {"datasetList": []}})
    scicat.faults({"match": "^GET .*/jobs/", "status": 200, "body": empty})
    workflows.run("archive", {"job_id": job_id, "kind": "archive"}, job_id)
    assert story(scicat) == [
        ("finishedUnsuccessful", f"no_datasets: The job names no datasets. See {CODES_PAGE}#no_datasets")
    ]
    assert workflows.executions("archive_dataset") == []


def test_b06_what_a_job_is_about_is_read_from_scicat_whatever_is_posted(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, api: Api
) -> None:
    dataset, other = ADataset(aws, scicat), ADataset(aws, scicat, pid="any/other", prefix="incoming/other/")
    scicat.set_lifecycle(dataset.pid, archivable=True)
    job_id = scicat.add_job("archive", dataset.pid)
    scicat.told.clear()
    elsewhere = {"datasetList": [{"pid": other.pid, "files": []}], "jobParams": {"username": "user1"}}

    assert api.post("/archiver/jobs", {"id": job_id, "type": "archive"} | elsewhere).status == 201
    workflows.wait(workflows.executions("archive")[0])

    assert story(scicat) == [JOB_STARTED, STARTED, *keys(dataset, job_id), ARCHIVED, JOB_DONE]
    assert other.lifecycle["archiveStatusMessage"] == "datasetCreated"


def test_b19_other_fields_of_what_is_posted_reach_nobody(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, api: Api
) -> None:
    dataset = ADataset(aws, scicat)
    scicat.set_lifecycle(dataset.pid, archivable=True)
    job_id = scicat.add_job("archive", dataset.pid)

    body = {"id": job_id, "type": "archive", "ownerGroup": "admin", "status": "ok"}
    assert api.post("/archiver/jobs", body).status == 201

    (execution,) = workflows.executions("archive")
    started = json.loads(workflows.client.describe_execution(executionArn=execution)["input"])
    assert started == {"job_id": job_id, "kind": "archive", "owner_group": "group1"}
    assert (scicat.job(job_id)["ownerGroup"], workflows.wait(execution).status) == ("group1", "SUCCEEDED")


def test_b11_a_second_job_while_one_runs_is_busy_and_leaves_the_first_alone(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    second: list[str] = []

    def start_another() -> None:
        scicat.set_lifecycle(dataset.pid, archivable=True)
        second.append(scicat.add_job("archive", dataset.pid))
        workflows.run("archive", {"job_id": second[0], "kind": "archive"}, second[0])

    before(workflows, "SnapshotDataset", start_another)
    first = archive(workflows, scicat, dataset)
    message = f"{dataset.pid}: busy: The dataset is being worked on by the run {first}-1."
    busy = ("finishedUnsuccessful", f"0 of 1 dataset archived. {message} See {CODES_PAGE}")
    assert story(scicat) == [
        JOB_STARTED, STARTED, JOB_STARTED, busy, *keys(dataset, first), ARCHIVED, JOB_DONE,
    ]  # fmt: skip


STEPS = [
    "ClaimDataset", "SnapshotDataset", "PlanDatablocks", "PackageDatablock", "SealDatablock", "StoreDatablock",
    "VerifyDatablocks", "RegisterDatablocks", "CompleteDataset",
]  # fmt: skip


@pytest.mark.parametrize("after_the_work", [False, True])
@pytest.mark.parametrize("function", STEPS)
def test_b14_a_job_that_failed_at_any_step_is_asked_for_again_and_archives_the_dataset_once(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, function: str, after_the_work: bool
) -> None:
    dataset = ADataset(aws, scicat)
    workflows.fail(function, CRASHED, times=7, after_the_work=after_the_work)
    first = archive(workflows, scicat, dataset)
    if function == "CompleteDataset" and after_the_work:
        # It came through after all.
        assert story(scicat)[-2:] == [ARCHIVED, JOB_DONE]
        assert records(dataset) == keys(dataset, first)
        return
    assert scicat.job(first)["statusCode"] == "finishedUnsuccessful"
    assert (dataset.lifecycle["archivable"], dataset.lifecycle["retrievable"]) == (True, False)

    again = archive(workflows, scicat, dataset)

    assert story(scicat) == [JOB_STARTED, STARTED, *keys(dataset, again), ARCHIVED, JOB_DONE]
    assert records(dataset) == keys(dataset, again)
    assert dataset.landing() == {dataset.prefix + "dataset.json"}


def test_seventeen_of_twenty_datasets_are_archived_and_three_have_their_reasons(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    one_file = {"a.mrc": b"first"}
    missing, short, *good = (
        ADataset(aws, scicat, files=one_file, pid=f"any/{number}", prefix=f"incoming/{number}/") for number in range(19)
    )
    wrong = ADataset(aws, scicat, files={}, pid="any/wrong", prefix="incoming/wrong/")
    aws.delete_object(Bucket="landing", Key=missing.prefix + "a.mrc")
    aws.put_object(Bucket="landing", Key=wrong.prefix + "a.mrc", Body=b"first")
    catalogue().add_origdatablock(wrong.pid, [CatalogueFile("a.mrc", 5, ANY_TIME, chk="0" * 32)], "md5")
    aws.put_object(Bucket="landing", Key=short.prefix + "a.mrc", Body=b"fir")

    job_id = archive(workflows, scicat, missing, wrong, short, *good)

    job = scicat.job(job_id)
    assert job["statusCode"] == "finishedWithDatasetErrors"
    assert job["statusMessage"] == (
        "17 of 20 datasets archived. any/0: missing_files: 1 of the catalogue's files is not in the bucket.; "
        "any/wrong: checksum_mismatch: a.mrc does not have the given md5: "
        "expected 00000000000000000000000000000000, actual 8b04d5e3775d298e78455efc5ca404d5.; "
        f"any/1: size_mismatch: 1 file does not have the size that the catalogue says. See {CODES_PAGE}"
    )
    assert {dataset.lifecycle["archiveStatusMessage"] for dataset in good} == {"datasetOnArchiveDisk"}
    assert all(len(records(dataset)) == 1 for dataset in good)
    refused = ((missing, "missing_files"), (wrong, "checksum_mismatch"), (short, "size_mismatch"))
    for dataset, code in refused:
        assert dataset.lifecycle["archiveStatusMessage"] == "missingFilesError"
        assert dataset.lifecycle["archiveReturnMessage"]["code"] == code
        assert records(dataset) == []
    dropped, told = (missing, wrong, short, *good), ("dataset.json", "dataset.status.json")
    documents = {dataset.prefix + name for dataset in dropped for name in told}
    assert wrong.landing() - documents == {wrong.prefix + "a.mrc", short.prefix + "a.mrc"}
