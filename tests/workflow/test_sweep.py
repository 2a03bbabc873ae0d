"""The workflow ``sweep``: what was stopped, lost or never begun is put right, and nothing else is touched."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from archiver.aws import clients
from archiver.errors import Code, ServiceRefused
from archiver.keys import Keys
from archiver.models.states import JobBegun, JobKind, Lease, Run
from archiver.reporting.failures import reason_of_silence
from archiver.reporting.lifecycle import outcome_of
from archiver.scicat import JobStatus, catalogue
from archiver.storage import buckets, leases
from archiver.storage.documents import JOB, OUTCOME
from archiver.storage.run_folder import RunFolder
from functions.start_ingest.app import handler as start_ingest
from tests.support import dropping
from tests.support.account import LambdaContext, execution_arn
from tests.support.archive import ANY_PID, an_archived_dataset
from tests.support.catalogue import Scicat
from tests.support.dataset import ADataset
from tests.workflow.conftest import CRASHED, Execution, Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("no_pauses")

# Requests to S3 and Step Functions when there is nothing to do; SciCat is asked once more.
MOST_REQUESTS = 15
PARTS = ("drops", "landing", "staging", "runs", "jobs", "datasets")
NO_ANSWER = {"match": "/api/", "status": 503}

_NAMES = itertools.count()


def sweep(workflows: Workflows) -> Execution:
    """Let a sweep come by."""
    return workflows.run("sweep", {}, name=f"sweep-{next(_NAMES)}")


def parts_of(end: Execution) -> dict[str, Any]:
    """What a sweep said of each of its parts."""
    (parts,) = json.loads(end.output["told"]["parts"])
    return {part["part"]: part for part in parts}


def failed_parts(end: Execution) -> set[str]:
    """The parts of a sweep that failed."""
    assert end.error == "PartsNotSwept"
    (parts,) = json.loads(end.cause)
    return {part["part"] for part in parts if "failure" in part}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that the test moves; meanwhile it goes on."""
    with time_machine.travel(datetime.now(UTC)) as traveller:
        yield traveller


@pytest.fixture
def dataset(aws: "S3Client", scicat: Scicat) -> ADataset:
    """A dataset that may be archived."""
    made = ADataset(aws, scicat)
    scicat.set_lifecycle(made.pid, archivable=True)
    return made


class HeldUp:
    """A step that has ``begun`` and waits until it may ``go_on``."""

    def __init__(self, workflows: Workflows, step: str) -> None:
        self.begun, self.go_on = Event(), Event()
        self._handler = workflows.handler(step)
        workflows.replace(step, self)

    def __call__(self, event: Any, context: LambdaContext) -> Any:
        self.begun.set()
        self.go_on.wait(30)
        return self._handler(event, context)


def run_job(workflows: Workflows, scicat: Scicat, kind: str, pid: str) -> str:
    """Do a job over one dataset, to its end; returns its id."""
    job_id = scicat.add_job(kind, pid)
    workflows.run(kind, {"job_id": job_id, "kind": kind}, name=job_id)
    return job_id


def scicat_is_silent_after(workflows: Workflows, scicat: Scicat, step: str) -> None:
    """From the end of this step on SciCat answers nothing, for as long as nobody mends it."""
    handler = workflows.handler(step)
    well = [True]

    def do_and_lose(event: Any, context: LambdaContext) -> Any:
        result = handler(event, context)
        if well:
            well.clear()
            scicat.faults(NO_ANSWER)
        return result

    workflows.replace(step, do_and_lose)


def test_a_sweep_with_nothing_to_do_ends_well_and_asks_little(workflows: Workflows, scicat: Scicat) -> None:
    assert scicat
    sweep(workflows)
    asked: Counter[str] = Counter()
    for client in (clients.s3(), clients.stepfunctions()):
        client.meta.events.register("provide-client-params", lambda model, **_: asked.update([model.name]))

    end = sweep(workflows)

    assert (end.status, end.states[-3:]) == ("SUCCEEDED", ["PartSwept", "IsAllSwept", "SweepEnded"])
    assert 0 < asked.total() <= MOST_REQUESTS, asked


def test_j10_of_two_sweeps_the_second_ends_well_and_leaves_the_work_to_the_first(
    workflows: Workflows, scicat: Scicat
) -> None:
    assert scicat
    held = HeldUp(workflows, "SweepDrops")
    first = workflows.start("sweep", {}, name="sweep-first")
    assert held.begun.wait(30)

    second = sweep(workflows)
    held.go_on.set()

    assert second.status == "SUCCEEDED"
    assert second.states == ["Sweep", "ClaimSweep", "IsAlone", "AnotherSweeps", "IsAllSwept", "SweepEnded"]
    assert workflows.wait(first).status == "SUCCEEDED"
    assert workflows.calls["SweepDrops"] == 1


def test_a06_j08_a_drop_whose_event_was_lost_is_taken_in_later_and_only_once(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, clock: time_machine.Traveller
) -> None:
    assert scicat
    dropping.drop(aws, dropping.some_files())
    event = dropping.an_event(aws)
    sweep(workflows)
    assert workflows.executions("ingest") == []

    clock.shift(timedelta(minutes=11))
    sweep(workflows)

    (arn,) = workflows.executions("ingest")
    assert workflows.wait(arn).status == "SUCCEEDED"
    assert dropping.the_status(aws)["status"] == "requested"
    # And now the event arrives after all.
    late = start_ingest(event, LambdaContext())
    sweep(workflows)
    assert late is not None
    assert late["execution_arn"] == arn
    assert workflows.executions("ingest") == [arn]


def test_b41_a_job_that_nobody_started_is_started_later_and_only_once(
    workflows: Workflows, scicat: Scicat, dataset: ADataset, clock: time_machine.Traveller
) -> None:
    job_id = scicat.add_job("archive", dataset.pid)
    sweep(workflows)
    assert workflows.executions("archive") == []

    clock.shift(timedelta(minutes=6))
    sweep(workflows)
    sweep(workflows)

    (arn,) = workflows.executions("archive")
    assert workflows.wait(arn).status == "SUCCEEDED"
    assert scicat.job(job_id)["statusCode"] == "finishedSuccessful"


@pytest.mark.parametrize("step", ["VerifyDatablocks", "RegisterDatablocks"])
def test_f23_scicat_that_is_silent_after_the_archive_was_verified_is_told_when_it_answers(
    workflows: Workflows, scicat: Scicat, dataset: ADataset, step: str
) -> None:
    before = dataset.landing()
    scicat_is_silent_after(workflows, scicat, step)
    job_id = run_job(workflows, scicat, "archive", dataset.pid)
    (run,) = workflows.executions("archive_dataset")
    assert workflows.states(run)[-3:] == ["RollBackDataset", "IsArchivedAfterAll", "ArchivePending"]

    # Nothing is lost, and nothing is told, while it stays silent.
    assert failed_parts(sweep(workflows)) == {"jobs", "datasets"}
    assert dataset.landing() == before
    scicat.faults()
    assert dataset.lifecycle["archiveStatusMessage"] == "started"
    assert scicat.job(job_id)["statusCode"] == "inProgress"
    # Another job meets the dataset held.
    catalogue().update_lifecycle(dataset.pid, archivable=True)
    other = run_job(workflows, scicat, "archive", dataset.pid)
    assert "busy: " in scicat.job(other)["statusMessage"]

    assert sweep(workflows).status == "SUCCEEDED"

    assert scicat.job(job_id)["statusCode"] == "finishedSuccessful"
    lifecycle = dataset.lifecycle
    assert lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, True)
    assert len(catalogue().need_recorded_dataset(dataset.pid).datablocks) == 1
    assert dataset.landing() == {dataset.prefix + "dataset.json"}
    assert list(leases.lease_keys()) == []


def test_an_archive_that_scicat_refuses_when_it_answers_again_is_taken_back(
    workflows: Workflows, scicat: Scicat, dataset: ADataset
) -> None:
    before = dataset.landing()
    scicat_is_silent_after(workflows, scicat, "VerifyDatablocks")
    job_id = run_job(workflows, scicat, "archive", dataset.pid)
    scicat.faults()

    def refuse(_event: Any, _context: LambdaContext) -> Any:
        raise ServiceRefused(Code.SCICAT_REJECTED, "SciCat takes no such datablock.")

    workflows.replace("RegisterDatablocks", refuse)
    sweep(workflows)

    assert scicat.job(job_id)["statusCode"] == "finishedUnsuccessful"
    assert dataset.lifecycle["archiveReturnMessage"]["code"] == "scicat_rejected"
    assert dataset.lifecycle["archivable"] is True
    assert dataset.landing() == before
    assert list(leases.lease_keys()) == []


@pytest.mark.parametrize("silence", [NO_ANSWER, {"match": "/api/", "status": 403, "body": '{"message": "Forbidden"}'}])
def test_f02_the_reason_that_scicat_could_not_be_told_is_told_when_it_answers(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, dataset: ADataset, silence: dict[str, Any]
) -> None:
    aws.delete_object(Bucket="landing", Key=dataset.prefix + "deep/b.mrc")
    snapshot = workflows.handler("SnapshotDataset")

    def reject_and_lose(event: Any, context: LambdaContext) -> Any:
        try:
            return snapshot(event, context)
        finally:
            scicat.faults(silence)

    workflows.replace("SnapshotDataset", reject_and_lose)
    job_id = run_job(workflows, scicat, "archive", dataset.pid)
    sweep(workflows)
    scicat.faults()
    assert dataset.lifecycle["archiveStatusMessage"] == "started"

    sweep(workflows)

    assert scicat.job(job_id)["statusCode"] == "finishedWithDatasetErrors"
    assert dataset.lifecycle["archiveStatusMessage"] == "missingFilesError"
    assert dataset.lifecycle["archiveReturnMessage"]["files"] == ["deep/b.mrc"]
    assert list(leases.lease_keys()) == []


def test_a_retrieval_whose_report_is_lost_is_reported_with_its_job(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    an_archived_dataset(aws, scicat)
    scicat_is_silent_after(workflows, scicat, "RecallDatablocks")
    workflows.fail("DeliverDatablocks", CRASHED, times=100)
    job_id = run_job(workflows, scicat, "retrieve", ANY_PID)
    scicat.faults()
    assert scicat.lifecycle(ANY_PID)["retrieveStatusMessage"] == "started"

    sweep(workflows)

    assert scicat.job(job_id)["statusCode"] == "finishedUnsuccessful"
    assert scicat.lifecycle(ANY_PID)["retrieveStatusMessage"] == "scheduleRetrieveJobFailed"
    assert scicat.lifecycle(ANY_PID)["retrieveReturnMessage"]["code"] == "out_of_memory"


def test_j09_a_run_and_a_job_whose_executions_are_unknown_fail(
    workflows: Workflows, scicat: Scicat, dataset: ADataset
) -> None:
    job_id = scicat.add_job("archive", dataset.pid)
    run = Run(job_id=job_id, run_id=f"{job_id}-1", pid=dataset.pid)
    RunFolder(job_id).save(JOB, JobBegun(job_id=job_id, kind=JobKind.ARCHIVE, runs=(run,)))
    catalogue().update_job(job_id, JobStatus.IN_PROGRESS, "jobStarted")
    arn = execution_arn("archive_dataset", run.run_id)
    leases.take_lease(dataset.pid, Lease(run_id=run.run_id, execution_arn=arn), ended=lambda _: False)

    sweep(workflows)

    assert scicat.job(job_id)["statusCode"] == "finishedUnsuccessful"
    assert dataset.lifecycle["archiveStatusMessage"] == "scheduleArchiveJobFailed"
    assert dataset.lifecycle["archiveReturnMessage"]["code"] == "execution_lost"
    assert list(leases.lease_keys()) == []


def test_j12_a_run_that_s3_failed_can_be_repeated_and_what_it_left_is_removed(
    workflows: Workflows, scicat: Scicat, dataset: ADataset, clock: time_machine.Traveller
) -> None:
    workflows.fail("SealDatablock", CRASHED, times=100)
    workflows.fail("RollBackDataset", CRASHED, times=100)
    run_job(workflows, scicat, "archive", dataset.pid)
    workflows.fail("SealDatablock", CRASHED, times=0)
    scicat.set_lifecycle(dataset.pid, archivable=True)

    job_id = run_job(workflows, scicat, "archive", dataset.pid)

    assert scicat.job(job_id)["statusCode"] == "finishedSuccessful"
    assert [key for key, _ in buckets.staging().uploads("")] != []
    clock.shift(timedelta(minutes=21))
    sweep(workflows)
    assert list(buckets.staging().uploads("")) == []
    assert dataset.lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"


def test_what_is_being_worked_on_is_left_alone(workflows: Workflows, scicat: Scicat, dataset: ADataset) -> None:
    held = HeldUp(workflows, "SealDatablock")
    job_id = scicat.add_job("archive", dataset.pid)
    arn = workflows.start("archive", {"job_id": job_id, "kind": "archive"}, name=job_id)
    assert held.begun.wait(30)

    sweep(workflows)
    held.go_on.set()
    workflows.wait(arn)

    assert scicat.job(job_id)["statusCode"] == "finishedSuccessful"


def test_datasets_that_go_on_after_their_job_was_stopped_are_stopped(
    workflows: Workflows, scicat: Scicat, dataset: ADataset
) -> None:
    held = HeldUp(workflows, "SealDatablock")
    job_id = scicat.add_job("archive", dataset.pid)
    arn = workflows.start("archive", {"job_id": job_id, "kind": "archive"}, name=job_id)
    assert held.begun.wait(30)
    workflows.client.stop_execution(executionArn=arn)
    workflows.wait(arn)
    (run,) = workflows.executions("archive_dataset")

    sweep(workflows)
    held.go_on.set()
    assert workflows.wait(run).status == "ABORTED"
    sweep(workflows)

    assert scicat.job(job_id)["statusCode"] == "finishedUnsuccessful"
    assert dataset.lifecycle["archiveReturnMessage"]["code"] == "cancelled"
    assert list(leases.lease_keys()) == []


def test_a_run_that_cannot_be_settled_keeps_its_lease_and_the_others_are_settled(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    bad, good = (ADataset(aws, scicat, pid=f"any/{name}", prefix=f"incoming/{name}/") for name in ("bad", "good"))
    reason = reason_of_silence("ABORTED")
    for number, dataset in enumerate((bad, good)):
        arn = execution_arn("archive_dataset", f"gone-{number}")
        leases.take_lease(dataset.pid, Lease(run_id=f"gone-{number}", execution_arn=arn), ended=lambda _: False)
        RunFolder(f"gone-{number}").save(OUTCOME, outcome_of(dataset.pid, reason))
    report = workflows.handler("ReportDataset")

    def refuse_one(event: Any, context: LambdaContext) -> Any:
        if event["pid"] == bad.pid:
            raise ServiceRefused(Code.SCICAT_FORBIDDEN, "Not this one.")
        return report(event, context)

    workflows.replace("ReportDataset", refuse_one)
    end = sweep(workflows)

    assert end.status == "SUCCEEDED"
    assert good.lifecycle["archiveReturnMessage"]["code"] == "cancelled"
    assert list(leases.lease_keys()) == [Keys.lease(bad.pid)]
    workflows.replace("ReportDataset", report)
    sweep(workflows)
    assert bad.lifecycle["archiveReturnMessage"]["code"] == "cancelled"
    assert list(leases.lease_keys()) == []


def test_a_part_that_fails_does_not_hold_up_the_others(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, dataset: ADataset, clock: time_machine.Traveller
) -> None:
    dropping.drop(aws, dropping.some_files())
    job_id = scicat.add_job("archive", dataset.pid)
    clock.shift(timedelta(minutes=11))
    workflows.fail("SweepStaging", CRASHED, times=100)

    assert failed_parts(sweep(workflows)) == {"staging"}

    assert len(workflows.executions("ingest")) == 2
    assert job_id in workflows.executions("archive")[0]
    workflows.fail("SweepStaging", CRASHED, times=0)
    assert sweep(workflows).status == "SUCCEEDED"


def test_c03_a_folder_whose_name_xml_cannot_hold_does_not_hold_up_a_sweep(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, clock: time_machine.Traveller
) -> None:
    assert scicat
    for name in ("ctl\x01", "x\uffff"):
        aws.put_object(Bucket="landing", Key=f"incoming/{name}/any.mrc", Body=b"any")
    dropping.drop(aws, dropping.some_files(), prefix="incoming/a\x02/")
    dropping.drop(aws, dropping.some_files())
    clock.shift(timedelta(minutes=11))

    end = sweep(workflows)

    assert (end.status, parts_of(end)["drops"]["did"]) == ("SUCCEEDED", {"drops taken in": 2})
    for arn in workflows.executions("ingest"):
        workflows.wait(arn)
    assert dropping.the_status(aws)["status"] == "requested"
    assert dropping.the_status(aws, "incoming/a\x02/")["code"] == "bad_path"


def test_a_sweep_says_what_it_did_and_that_it_did_nothing(
    workflows: Workflows, scicat: Scicat, dataset: ADataset, clock: time_machine.Traveller
) -> None:
    scicat.add_job("archive", dataset.pid)
    clock.shift(timedelta(minutes=11))
    assert parts_of(sweep(workflows))["jobs"] == {"part": "jobs", "did": {"jobs started": 1}, "failed": 0}
    for arn in workflows.executions("archive"):
        workflows.wait(arn)
    assert {part: one["did"] for part, one in parts_of(sweep(workflows)).items()} == {part: {} for part in PARTS}
