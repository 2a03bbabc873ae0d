"""An operator stops an execution, at any of its states: the sweep ends what it was about, and nothing is left over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from archiver.keys import Keys
from archiver.lts.long_term_storage import long_term_storage
from archiver.scicat import catalogue
from archiver.storage import buckets, leases
from tests.support import dropping
from tests.support.account import LambdaContext, execution_arn
from tests.support.archive import ANY_PID, an_archived_dataset
from tests.support.catalogue import Scicat
from tests.support.dataset import ADataset
from tests.workflow.conftest import Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BEFORE_SCICAT_IS_TOLD = [
    "ClaimDataset", "SnapshotDataset", "PlanDatablocks", "PackageDatablock", "SealDatablock", "StoreDatablock",
    "VerifyDatablocks", "RegisterDatablocks",
]  # fmt: skip
RETRIEVING = ["ClaimRetrieval", "RecallDatablocks", "DeliverDatablocks"]
INGESTING = ["ReadDrop", "RegisterDataset", "MatchDrop", "RegisterFiles", "RequestArchive"]
WORKFLOW_OF_RUN = {"archive": "archive_dataset", "retrieve": "retrieve_dataset"}
CANCELLED = {"code": "cancelled", "message": "The work was cancelled."}

moments = pytest.mark.parametrize("after_the_work", [False, True], ids=["at its begin", "at its end"])


@dataclass(slots=True)
class Operator:
    """Stops an execution while a step of it is called; the call itself goes on, as Lambda's does.

    With a job Step Functions stops the executions of its datasets.
    """

    workflows: Workflows
    _over: Event = field(default_factory=Event)

    def stops(self, workflow: str, step: str, *, after_the_work: bool) -> None:
        """Stop the execution of ``workflow`` that calls ``step``, before or after its work."""
        handler = self.workflows.handler(step)

        def stop_and_do(event: Any, context: LambdaContext) -> Any:
            try:
                if not after_the_work:
                    self._stop(workflow, event)
                result = handler(event, context)
                if after_the_work:
                    self._stop(workflow, event)
                return result
            finally:
                self._over.set()

        self.workflows.replace(step, stop_and_do)

    def _stop(self, workflow: str, event: Mapping[str, Any]) -> None:
        if workflow in {"archive", "retrieve"}:
            stop(execution_arn(workflow, event["job_id"]))
        if "run_id" in event:
            stop(execution_arn(WORKFLOW_OF_RUN.get(workflow, workflow), event["run_id"]))

    def sweeps(self) -> None:
        """Let a sweep come by when the call is over."""
        assert self._over.wait(30)
        assert self.workflows.run("sweep", {}, name="any-sweep").status == "SUCCEEDED"


def stop(arn: str) -> None:
    """Stop an execution, as the console's button does."""
    boto3.client("stepfunctions").stop_execution(executionArn=arn)


@pytest.fixture
def operator(workflows: Workflows) -> Operator:
    return Operator(workflows)


def run_job(workflows: Workflows, scicat: Scicat, kind: str, pid: str) -> str:
    """Do a job over one dataset, to its end; returns its id."""
    job_id = scicat.add_job(kind, pid)
    workflows.run(kind, {"job_id": job_id, "kind": kind}, name=job_id)
    return job_id


def assert_the_job_is_cancelled(scicat: Scicat, job_id: str) -> None:
    job = scicat.job(job_id)
    assert job["statusCode"] == "finishedUnsuccessful"
    assert "cancelled: The work was cancelled." in job["statusMessage"]


def assert_the_archiving_is_cancelled(dataset: ADataset) -> None:
    lifecycle = dataset.lifecycle
    assert lifecycle["archiveStatusMessage"] == "scheduleArchiveJobFailed"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (True, False)
    assert CANCELLED.items() <= lifecycle["archiveReturnMessage"].items()
    assert {dataset.prefix + path for path in dataset.files} <= dataset.landing()


def assert_nothing_is_left(pid: str) -> None:
    """No upload is open, no tar is staged, nobody holds the dataset, and what SciCat records is archived."""
    assert list(buckets.staging().uploads("")) == []
    assert list(long_term_storage().bucket.uploads("")) == []
    assert list(buckets.staging().list(Keys.UPLOADS)) == []
    assert list(leases.lease_keys()) == []
    dataset = catalogue().need_recorded_dataset(pid)
    assert bool(dataset.datablocks) is dataset.lifecycle["retrievable"]


@moments
@pytest.mark.parametrize(
    ("workflow", "step"),
    [
        *(("archive_dataset", step) for step in BEFORE_SCICAT_IS_TOLD),
        *(("archive", step) for step in ("BeginJob", "ClaimDataset", "PackageDatablock")),
    ],
)
def test_an_archiving_that_is_stopped_at_any_state_ends_cancelled_also_with_its_whole_job(
    workflows: Workflows,
    aws: "S3Client",
    scicat: Scicat,
    operator: Operator,
    *,
    workflow: str,
    step: str,
    after_the_work: bool,
) -> None:
    dataset = ADataset(aws, scicat)
    scicat.set_lifecycle(dataset.pid, archivable=True)
    operator.stops(workflow, step, after_the_work=after_the_work)
    job_id = run_job(workflows, scicat, "archive", dataset.pid)

    operator.sweeps()

    assert_the_job_is_cancelled(scicat, job_id)
    assert_the_archiving_is_cancelled(dataset)
    assert_nothing_is_left(dataset.pid)


@moments
@pytest.mark.parametrize("step", ["CompleteDataset", "CleanUpDataset"])
def test_an_archiving_that_is_stopped_when_scicat_is_told_is_completed(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, operator: Operator, step: str, *, after_the_work: bool
) -> None:
    dataset = ADataset(aws, scicat)
    scicat.set_lifecycle(dataset.pid, archivable=True)
    operator.stops("archive_dataset", step, after_the_work=after_the_work)
    run_job(workflows, scicat, "archive", dataset.pid)

    operator.sweeps()

    assert dataset.lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert dataset.landing() == {dataset.prefix + "dataset.json"}
    assert_nothing_is_left(dataset.pid)


@moments
@pytest.mark.parametrize("workflow", ["retrieve", "retrieve_dataset"])
@pytest.mark.parametrize("step", RETRIEVING)
def test_b13_a_retrieval_that_is_stopped_at_any_state_ends_cancelled_and_the_archive_stays(
    workflows: Workflows,
    aws: "S3Client",
    scicat: Scicat,
    operator: Operator,
    *,
    workflow: str,
    step: str,
    after_the_work: bool,
) -> None:
    an_archived_dataset(aws, scicat)
    before = {name: scicat.lifecycle(ANY_PID)[name] for name in ("archivable", "retrievable", "archiveStatusMessage")}
    operator.stops(workflow, step, after_the_work=after_the_work)
    job_id = run_job(workflows, scicat, "retrieve", ANY_PID)

    operator.sweeps()

    assert_the_job_is_cancelled(scicat, job_id)
    lifecycle = scicat.lifecycle(ANY_PID)
    assert lifecycle["retrieveStatusMessage"] == "scheduleRetrieveJobFailed"
    assert CANCELLED.items() <= lifecycle["retrieveReturnMessage"].items()
    assert before.items() <= lifecycle.items()
    assert_nothing_is_left(ANY_PID)


@moments
@pytest.mark.parametrize("step", INGESTING)
def test_an_ingest_that_is_stopped_at_any_state_says_so_beside_the_drop_and_can_be_repeated(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, operator: Operator, step: str, *, after_the_work: bool
) -> None:
    assert scicat
    dropping.drop(aws, dropping.some_files())
    drop = dropping.a_drop().model_dump()
    operator.stops("ingest", step, after_the_work=after_the_work)
    workflows.run("ingest", drop, name=drop["run_id"])

    operator.sweeps()

    status = dropping.the_status(aws)
    # What was asked for before the stop is not taken back.
    requested = (step, after_the_work) == ("RequestArchive", True) or status["job"]
    assert status["status"] == ("requested" if requested else "failed")
    assert status["code"] == (None if requested else "cancelled")
    assert list(leases.lease_keys()) == []
