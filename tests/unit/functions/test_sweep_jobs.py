"""Jobs that SciCat waits for in vain are started, or named to be finished."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from archiver.aws import step_functions
from archiver.models.states import Failure, JobBegun, JobKind, Lease, Run, RunOutcome
from archiver.reporting import failures
from archiver.scicat import JobStatus, catalogue
from archiver.storage import leases
from archiver.storage.documents import JOB, OUTCOME
from archiver.storage.run_folder import RunFolder
from functions.finish_job.app import handler as finish_job
from functions.sweep_jobs.app import MAX_JOBS, handler
from tests.support.account import LambdaContext, state_machine_arn
from tests.support.catalogue import Scicat

SWEEP = {"run_id": "any-sweep", "execution_arn": "arn:any:sweep"}
ANY_PID = "any/dataset"
DONE = RunOutcome(pid=ANY_PID, outcome="done", code="archived", message="Any.")


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime.now(UTC)) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def machines(an_execution: Callable[..., str]) -> None:
    for workflow in ("archive", "archive_dataset", "retrieve", "retrieve_dataset"):
        an_execution(workflow, "any-other", "SUCCEEDED")


def a_job(scicat: Scicat, kind: JobKind = JobKind.ARCHIVE) -> str:
    if kind is JobKind.ARCHIVE:
        scicat.add_dataset(ANY_PID, archivable=True)
    else:
        scicat.add_archived_dataset(ANY_PID, [])
    return scicat.add_job(kind, ANY_PID)


def begun(job_id: str, kind: JobKind = JobKind.ARCHIVE) -> Run:
    """Let SciCat know that the job is being worked on; returns its run."""
    run = Run(job_id=job_id, run_id=f"{job_id}-1", pid=ANY_PID)
    RunFolder(job_id).save(JOB, JobBegun(job_id=job_id, kind=kind, runs=(run,)))
    catalogue().update_job(job_id, JobStatus.IN_PROGRESS, "jobStarted")
    return run


def swept(**state: Any) -> dict[str, Any]:
    told = handler(SWEEP | state, LambdaContext())
    assert told is not None
    return told


def code(job: dict[str, Any]) -> str:
    return str(failures.reason_of(Failure.model_validate(job["failure"])).code)


def status(workflow: str, name: str) -> str | None:
    return step_functions.status(step_functions.execution_arn(state_machine_arn(workflow), name))


@pytest.mark.parametrize("kind", JobKind)
def test_b41_a_job_that_nobody_started_is_started_after_five_minutes(
    scicat: Scicat, clock: time_machine.Traveller, kind: JobKind
) -> None:
    job_id = a_job(scicat, kind)
    swept()
    assert status(kind, job_id) is None

    clock.shift(timedelta(minutes=6))
    assert swept()["jobs"] == []
    assert status(kind, job_id) is not None


def test_a_job_that_is_being_worked_on_is_left_alone(scicat: Scicat, an_execution: Callable[..., str]) -> None:
    job_id = a_job(scicat)
    begun(job_id)
    an_execution("archive", job_id, "RUNNING")
    assert swept()["jobs"] == []


def test_a_job_that_was_stopped_before_it_knew_its_datasets_is_finished(
    scicat: Scicat, an_execution: Callable[..., str]
) -> None:
    job_id = a_job(scicat)
    an_execution("archive", job_id, "ABORTED")
    (job,) = swept()["jobs"]
    assert (job["job_id"], job["kind"], code(job)) == (job_id, "archive", "cancelled")


def test_a_job_whose_runs_all_ended_is_finished_as_they_did(scicat: Scicat, an_execution: Callable[..., str]) -> None:
    job_id = a_job(scicat)
    RunFolder(begun(job_id).run_id).save(OUTCOME, DONE)
    an_execution("archive", job_id, "FAILED")
    (job,) = swept()["jobs"]
    assert (job["job_id"], job["failure"]) == (job_id, None)


def test_a_job_that_can_never_be_told_is_not_finished_once_more(
    scicat: Scicat, an_execution: Callable[..., str], lambda_context: LambdaContext
) -> None:
    job_id = a_job(scicat)
    RunFolder(begun(job_id).run_id).save(OUTCOME, DONE)
    an_execution("archive", job_id, "FAILED")
    (job,) = swept()["jobs"]
    scicat.delete_dataset(ANY_PID)
    assert finish_job(job, lambda_context) == {"status": "finishedSuccessful", "message": "jobFinished"}
    assert swept()["jobs"] == []


def test_a_run_that_a_stopped_job_never_began_is_found_and_the_job_waits_for_it(
    scicat: Scicat, an_execution: Callable[..., str]
) -> None:
    job_id = a_job(scicat)
    run = begun(job_id)
    an_execution("archive", job_id, "ABORTED")

    told = swept()

    assert (told["jobs"], told["runs_found"]) == ([], True)
    assert leases.holds_lease(ANY_PID, run.run_id)
    assert RunFolder(run.run_id).need(OUTCOME).code == "cancelled"


def test_a_dataset_that_another_run_works_on_is_not_taken_from_it(
    scicat: Scicat, an_execution: Callable[..., str]
) -> None:
    job_id = a_job(scicat)
    begun(job_id)
    an_execution("archive", job_id, "ABORTED")
    other = Lease(run_id="other-job-1", execution_arn="arn:any:other")
    leases.take_lease(ANY_PID, other, ended=lambda _: False)

    told = swept()

    assert ([job["job_id"] for job in told["jobs"]], told["runs_found"]) == ([job_id], False)
    assert leases.holds_lease(ANY_PID, "other-job-1")


@pytest.mark.parametrize("at_once", [True, False], ids=["and settled", "and left to the sweep that their end begins"])
def test_runs_that_go_on_after_their_job_was_stopped_are_stopped(
    scicat: Scicat, an_execution: Callable[..., str], monkeypatch: pytest.MonkeyPatch, *, at_once: bool
) -> None:
    job_id = a_job(scicat)
    run = begun(job_id)
    going_on = an_execution("archive_dataset", run.run_id, "RUNNING")
    an_execution("archive", job_id, "ABORTED")
    stopped: list[str] = []
    monkeypatch.setattr(step_functions, "stop", stopped.append)
    monkeypatch.setattr(step_functions, "has_ended", lambda arn: at_once and arn in stopped)
    assert swept()["runs_found"] is at_once
    assert stopped == [going_on]


@pytest.mark.parametrize(("written", "swept_by"), [("pending", ""), ("failed", "arn:any:sweep")])
def test_a_job_waits_for_a_run_that_cannot_be_settled_now(
    scicat: Scicat, an_execution: Callable[..., str], written: str, swept_by: str
) -> None:
    job_id = a_job(scicat)
    run = begun(job_id)
    an_execution("archive", job_id, "FAILED")
    RunFolder(run.run_id).save(OUTCOME, DONE.model_copy(update={"outcome": written}))
    lease = Lease(run_id=run.run_id, execution_arn="arn:any:run", swept_by=swept_by)
    leases.take_lease(ANY_PID, lease, ended=lambda _: False)
    told = swept()
    assert (told["jobs"], told["runs_found"]) == ([], False)


def test_many_jobs_are_finished_some_at_a_time(scicat: Scicat, an_execution: Callable[..., str]) -> None:
    scicat.add_archived_dataset(ANY_PID, [])
    job_ids = sorted(scicat.add_job("retrieve", ANY_PID) for _ in range(MAX_JOBS + 1))
    for job_id in job_ids:
        an_execution("retrieve", job_id, "FAILED")
    first = swept()
    assert (first["done"], first["cursor"]) == (False, job_ids[-2])
    last = swept(cursor=first["cursor"])
    assert last["done"] is True
    assert [job["job_id"] for job in [*first["jobs"], *last["jobs"]]] == job_ids
