"""The step BeginJob."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from archiver.errors import Code, DatasetRejected
from archiver.models.states import JobKind, JobRequest
from archiver.scicat import Job, JobDataset
from archiver.settings import settings
from functions.begin_job.app import begin, handler
from tests.support.account import LambdaContext
from tests.support.catalogue import Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")


def run(job_id: str, kind: str = "archive") -> dict[str, Any]:
    begun = handler({"job_id": job_id, "kind": kind}, LambdaContext())
    assert begun is not None
    return begun


def read(s3: "S3Client", key: str) -> Any:
    return json.loads(s3.get_object(Bucket=settings().staging_bucket, Key=key)["Body"].read())


def test_every_dataset_of_a_job_gets_a_run_and_scicat_hears_that_it_goes_on(scicat: Scicat, aws: "S3Client") -> None:
    for pid in ("any/a", "any/b"):
        scicat.add_dataset(pid)
    job_id = scicat.add_job("archive", "any/b", "any/a", "any/b")

    begun = run(job_id)

    assert [(run["run_id"], run["pid"]) for run in begun["runs"]] == [
        (f"{job_id}-1", "any/b"),
        (f"{job_id}-2", "any/a"),
    ]
    assert read(aws, f"runs/{job_id}/job.json") == begun
    assert scicat.told == [
        (f"PATCH /api/v4/jobs/{job_id}", {"statusCode": "inProgress", "statusMessage": "jobStarted"})
    ]


def test_the_files_that_a_job_selects_are_kept_with_it(scicat: Scicat, aws: "S3Client") -> None:
    scicat.add_archived_dataset("any/a", [])
    job_id = scicat.add_job("retrieve", "any/a")

    run(job_id, "retrieve")

    assert read(aws, f"runs/{job_id}/request.json")["datasets"] == [{"pid": "any/a", "files": []}]


def test_a_job_that_is_begun_twice_has_the_same_runs(scicat: Scicat) -> None:
    scicat.add_dataset("any/a")
    job_id = scicat.add_job("archive", "any/a")

    assert run(job_id) == run(job_id)


@pytest.mark.parametrize("kind", ["retrieve", "archive"])
def test_a_job_that_scicat_does_not_know_as_such_is_refused(scicat: Scicat, kind: str) -> None:
    scicat.add_dataset("any/a")
    job_id = scicat.add_job("archive", "any/a") if kind == "retrieve" else "00000000-0000-4000-8000-000000000000"

    with pytest.raises(DatasetRejected) as refused:
        run(job_id, kind)

    assert refused.value.reason.code == Code.NO_DATASETS
    assert scicat.told == []


def a_job(*pids: str) -> Job:
    datasets = tuple(JobDataset(pid, ()) for pid in pids)
    return Job("any-job", "archive", "jobSubmitted", datasets, None, None, None, kind=JobKind.ARCHIVE)


@pytest.mark.parametrize(
    ("pids", "code"),
    [
        ([], Code.NO_DATASETS),
        ([f"any/{number}" for number in range(1001)], Code.TOO_MANY_DATASETS),
        ([f"{number:0300}" for number in range(900)], Code.TOO_MANY_DATASETS),
    ],
)
def test_b04_a_job_of_no_datasets_or_of_more_than_an_execution_holds_is_refused(pids: list[str], code: Code) -> None:
    with pytest.raises(DatasetRejected) as refused:
        begin(JobRequest(job_id="any-job", kind=JobKind.ARCHIVE), a_job(*pids))

    assert refused.value.reason.code == code


def test_a_job_of_a_thousand_datasets_is_begun() -> None:
    pids = [f"20.500.11935/5d73d87c-e2c4-47bc-9266-{number:012}" for number in range(1000)]

    assert len(begin(JobRequest(job_id="any-job", kind=JobKind.ARCHIVE), a_job(*pids)).runs) == 1000
