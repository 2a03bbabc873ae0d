"""Which jobs SciCat waits for in vain, and what becomes of their runs."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from archiver.aws import step_functions
from archiver.errors import Reason
from archiver.log import logger
from archiver.models.states import JobEnded, JobKind, JobRequest, Run
from archiver.reporting import failures, outcomes
from archiver.scicat import Job, JobStatus
from archiver.storage import leases
from archiver.storage.documents import JOB, OUTCOME, UNTOLD
from archiver.storage.run_folder import RunFolder
from archiver.sweep.sweeping import Sweeping, tell_failure

# SciCat calls the archiver when it has stored a job; a call that arrives takes seconds.
GRACE_PERIOD = timedelta(minutes=5)
# Many sweeps tried to finish a job that ended so long ago.
OVERDUE = timedelta(hours=1)


class RunEnd(StrEnum):
    """Whether a run of a job that ended is over."""

    SETTLED = "settled"
    # This very sweep will settle it.
    FOUND = "found"
    # Another sweep will, or it is about to end by itself.
    LATER = "later"


def look_at(job: Job, sweeping: Sweeping) -> tuple[JobEnded | None, set[RunEnd]]:
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
        if job.created is not None and datetime.now(UTC) - job.created >= GRACE_PERIOD:
            logger.warning("a job that nobody started is started", extra={"job": job.id})
            step_functions.start(machine, job.id, request.model_dump(mode="json"))
            sweeping.did("jobs started")
        return None, set()
    end, ends = _look_at_end(request, status)
    if end is not None and datetime.now(UTC) - (step_functions.ended_at(arn) or datetime.now(UTC)) > OVERDUE:
        tell_failure("jobs", job.id)
    return end, ends


def _look_at_end(request: JobRequest, status: str | None) -> tuple[JobEnded | None, set[RunEnd]]:
    begun = RunFolder(request.job_id).load(JOB)
    # Of an execution that failed, its runs know more.
    why = None if begun is not None and status in {"SUCCEEDED", "FAILED"} else failures.reason_of_silence(status)
    ends = {_settle(run, request.kind, why) for run in begun.runs} if begun is not None else set[RunEnd]()
    if ends - {RunEnd.SETTLED}:
        return None, ends
    if RunFolder(request.job_id).load(UNTOLD) is not None:
        return None, set()
    logger.warning("a job that SciCat waits for is finished", extra={"job": request.job_id})
    failure = None if why is None else failures.failure_of(why)
    return JobEnded(**request.model_dump(), failure=failure), ends


def _settle(run: Run, kind: JobKind, why: Reason | None) -> RunEnd:
    """See to it that a run of a job that ended (because of ``why``, or by itself) is over."""
    arn = step_functions.execution_arn(step_functions.machine_of_run(kind), run.run_id)
    if step_functions.status(arn) == "RUNNING":
        if why is None:
            return RunEnd.LATER
        step_functions.stop(arn)
        # A call that goes on may hold its end up; the end of an execution begins a sweep of its own.
        return RunEnd.FOUND if step_functions.has_ended(arn) else RunEnd.LATER
    if kind is JobKind.RETRIEVE:
        return RunEnd.SETTLED  # FinishJob tells what a retrieval left untold
    written = RunFolder(run.run_id).load(OUTCOME)
    lease = leases.read_lease(run.pid)
    if lease is not None and lease.run_id == run.run_id:
        # What waits for SciCat, or could not be settled in this sweep, is for another one.
        pending = written is not None and written.outcome == "pending"
        return RunEnd.LATER if lease.swept_by or pending else RunEnd.FOUND
    if written is not None:
        return RunEnd.SETTLED
    found = outcomes.leave_to_sweep(run, arn, why or failures.reason_of_silence(step_functions.status(arn)))
    return RunEnd.FOUND if found else RunEnd.SETTLED
