"""How a run is to end whose execution ended without giving its lease back."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from archiver import alarms
from archiver.alarms import Alarm
from archiver.aws import step_functions
from archiver.errors import Code, Reason
from archiver.ingest import DropStatus
from archiver.ingest.documents import DROP_OUTCOME
from archiver.keys import Keys
from archiver.log import logger
from archiver.models.states import Failure, Lease, RunToSettle, SweepProgress
from archiver.reporting import failures
from archiver.settings import MIB, settings
from archiver.storage import buckets, leases
from archiver.storage.documents import OUTCOME
from archiver.storage.run_folder import RunFolder

# A stop does not reach the function that was called last. Those that write to SciCat end within this time, or look at
# their lease before each change.
LAST_CALL = timedelta(minutes=2)
# What could not be settled for so long needs a person.
OVERDUE = timedelta(hours=1)


def left_behind(key: str, sweep: SweepProgress) -> list[RunToSettle]:
    """How the run that holds this lease is to end, if nobody works on its subject any more."""
    lease = leases.lease_at(key)
    run = _settled(key, lease, sweep) if lease is not None and leases.is_abandoned(lease) else None
    return [] if run is None else [run]


def _settled(key: str, lease: Lease, sweep: SweepProgress) -> RunToSettle | None:
    """How the run is to end; None when its lease was given back or taken over meanwhile."""
    ended = step_functions.ended_at(lease.execution_arn)
    over_for = LAST_CALL if ended is None else datetime.now(UTC) - ended
    if over_for > OVERDUE:
        alarms.sound(Alarm.OVERDUE_RUNS, "a run cannot be settled", run=lease.run_id, subject=lease.subject)
    is_drop = step_functions.is_execution_of(lease.execution_arn, settings().ingest_state_machine_arn)
    if not is_drop and _outcome(lease) == "pending":
        return _run(lease, "register")
    if not leases.sweep_lease(key, lease, sweep.execution_arn):
        return None
    if is_drop:
        return _run(lease, "drop", _failure_of_drop(lease))
    # Once more: now the run cannot change it.
    if _outcome(lease) == "done":
        return _run(lease, "clean_up")
    wait = max(timedelta(), LAST_CALL - over_for)
    return _run(lease, "roll_back", failures.failure_of(_reason(lease)), round(wait.total_seconds()))


def _run(
    lease: Lease,
    ending: Literal["register", "clean_up", "roll_back", "drop"],
    failure: Failure | None = None,
    wait_seconds: int = 0,
) -> RunToSettle:
    job_id, _, _ = lease.run_id.rpartition("-")
    logger.warning("a run that left its lease is settled", extra={"run": lease.run_id, "ending": ending})
    return RunToSettle(
        ending=ending,
        job_id=job_id,
        run_id=lease.run_id,
        pid=lease.subject,
        prefix=lease.subject,
        execution_arn=lease.execution_arn,
        failure=failure,
        wait_seconds=wait_seconds,
    )


def _outcome(lease: Lease) -> str | None:
    written = RunFolder(lease.run_id).load(OUTCOME)
    return None if written is None else written.outcome


def _reason(lease: Lease) -> Reason:
    """Why the run failed: as it wrote down, or as its execution ended."""
    written = RunFolder(lease.run_id).load(OUTCOME)
    if written is not None:
        return failures.reason_written(written)
    return failures.reason_of_silence(step_functions.status(lease.execution_arn))


def _failure_of_drop(lease: Lease) -> Failure | None:
    """Why the ingest failed: as dataset.status.json says, or as its execution ended; None when it came through."""
    body = buckets.landing().read(lease.subject + Keys.DROP_STATUS, MIB)
    written = None if body is None else DropStatus.model_validate_json(body)
    if written is not None and written.execution == lease.execution_arn and written.code is not None:
        return failures.failure_of(Reason(Code(written.code), written.message, written.files, written.count))
    if RunFolder(lease.run_id).load(DROP_OUTCOME) is not None:
        return None
    return failures.failure_of(failures.reason_of_silence(step_functions.status(lease.execution_arn)))
