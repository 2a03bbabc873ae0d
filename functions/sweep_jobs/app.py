"""Find the jobs that SciCat waits for in vain: start those that nobody started, name those that are to be finished.

A job whose execution ended is finished when all its runs are settled. Runs that its end left running are stopped, and
those that it left unbegun are given their outcome and a lease, by which SweepRuns settles them like any other.
"""

import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from archiver.aws import step_functions
from archiver.deadline import deadline
from archiver.errors import Reason
from archiver.log import logger
from archiver.models.states import JobEnded, JobKind, JobRequest, JobsSwept, Run
from archiver.reporting import failures, outcomes
from archiver.scicat import Job, JobStatus, catalogue
from archiver.step import step
from archiver.storage import leases
from archiver.storage.documents import JOB, OUTCOME, UNTOLD
from archiver.storage.run_folder import RunFolder
from archiver.sweep.sweeping import Sweeping, tell_failure

# SciCat calls the archiver when it has stored a job; a call that arrives takes seconds.
PATIENCE = timedelta(minutes=5)
# Many sweeps tried to finish a job that ended so long ago.
OVERDUE = timedelta(hours=1)
# So many are finished at once.
MAX_JOBS = 20


class _Run(StrEnum):
    """Whether a run of a job that ended is over."""

    SETTLED = "settled"
    # This very sweep will settle it.
    FOUND = "found"
    # Another sweep will, or it is about to end by itself.
    LATER = "later"


@step
def handler(sweep: JobsSwept) -> JobsSwept:
    sweeping = Sweeping(sweep)
    jobs = sorted(catalogue().unfinished_jobs(), key=lambda job: job.id)
    cursor, runs_found, ended = sweep.cursor, sweep.runs_found, list[JobEnded]()
    done = True
    for job in jobs:
        if job.id <= sweep.cursor:
            continue
        if len(ended) == MAX_JOBS or time.monotonic() >= deadline():
            done = False
            break
        with sweeping.alone(job.id):
            end, ends = _look_at(job, sweeping)
            ended += [end] if end is not None else []
            runs_found |= _Run.FOUND in ends
        cursor = job.id
    sweeping.did("jobs to be finished", times=len(ended))
    return sweeping.reached(JobsSwept, cursor, done=done, jobs=tuple(ended), runs_found=runs_found)


def _look_at(job: Job, sweeping: Sweeping) -> tuple[JobEnded | None, set[_Run]]:
    """How the job is to be finished, if it is; and how its runs are, if its execution ended."""
    if job.kind is None:  # The list is of jobs for this service.
        return None, set()
    request = JobRequest(job_id=job.id, kind=job.kind, owner_group=job.owner_group or "")
    machine = step_functions.machine_of_job(request.kind)
    arn = step_functions.execution_arn(machine, job.id)
    status = step_functions.status(arn)
    if status == "RUNNING":
        return None, set()
    if status is None and job.status == JobStatus.SUBMITTED:
        if job.created is not None and datetime.now(UTC) - job.created >= PATIENCE:
            logger.warning("a job that nobody started is started", extra={"job": job.id})
            step_functions.start(machine, job.id, request.model_dump(mode="json"))
            sweeping.did("jobs started")
        return None, set()
    end, ends = _look_at_end(request, status)
    if end is not None and datetime.now(UTC) - (step_functions.ended_at(arn) or datetime.now(UTC)) > OVERDUE:
        tell_failure("jobs", job.id)
    return end, ends


def _look_at_end(request: JobRequest, status: str | None) -> tuple[JobEnded | None, set[_Run]]:
    begun = RunFolder(request.job_id).load(JOB)
    # Of an execution that failed, its runs know more.
    why = None if begun is not None and status in {"SUCCEEDED", "FAILED"} else failures.reason_of_silence(status)
    ends = {_settle(run, request.kind, why) for run in begun.runs} if begun is not None else set[_Run]()
    if ends - {_Run.SETTLED}:
        return None, ends
    if RunFolder(request.job_id).load(UNTOLD) is not None:
        return None, set()
    logger.warning("a job that SciCat waits for is finished", extra={"job": request.job_id})
    failure = None if why is None else failures.failure_of(why)
    return JobEnded(**request.model_dump(), failure=failure), ends


def _settle(run: Run, kind: JobKind, why: Reason | None) -> _Run:
    """See to it that a run of a job that ended (because of ``why``, or by itself) is over."""
    arn = step_functions.execution_arn(step_functions.machine_of_run(kind), run.run_id)
    if step_functions.status(arn) == "RUNNING":
        if why is None:
            return _Run.LATER
        step_functions.stop(arn)
        # A call that goes on may hold its end up; the end of an execution begins a sweep of its own.
        return _Run.FOUND if step_functions.has_ended(arn) else _Run.LATER
    if kind is JobKind.RETRIEVE:
        return _Run.SETTLED  # FinishJob tells what a retrieval left untold
    written = RunFolder(run.run_id).load(OUTCOME)
    lease = leases.read_lease(run.pid)
    if lease is not None and lease.run_id == run.run_id:
        # What waits for SciCat, or could not be settled in this sweep, is for another one.
        pending = written is not None and written.outcome == "pending"
        return _Run.LATER if lease.swept_by or pending else _Run.FOUND
    if written is not None:
        return _Run.SETTLED
    found = outcomes.leave_to_sweep(run, arn, why or failures.reason_of_silence(step_functions.status(arn)))
    return _Run.FOUND if found else _Run.SETTLED
