"""How a run ended: written down first, then told to SciCat."""

from archiver.aws import step_functions
from archiver.errors import Code, DatasetRejected, Reason
from archiver.log import logger
from archiver.models.states import JobBegun, JobKind, Lease, Run, RunOutcome
from archiver.reporting import archived, failures, lifecycle, lost_edits
from archiver.reporting.lifecycle import Lifecycle, outcome_of, retrieve_report
from archiver.storage import leases
from archiver.storage.documents import OUTCOME
from archiver.storage.run_folder import RunFolder


def tell(pid: str, lifecycle: Lifecycle | None) -> None:
    """Write ``lifecycle``, if there is one, to the dataset. One that SciCat no longer knows has nobody left to tell."""
    if lifecycle is None:
        return
    try:
        archived.tell(pid, **lifecycle)
        lost_edits.warn(pid, lifecycle)
    except DatasetRejected as rejected:
        if rejected.reason.code is not Code.DATASET_UNKNOWN:
            raise
        logger.warning("SciCat no longer knows the dataset", extra={"pid": pid})


def report_retrieval(run: Run, execution_arn: str, reason: Reason) -> RunOutcome:
    """Write down why a retrieval failed, tell it, and write down that it was told."""
    outcome = outcome_of(run.pid, reason)
    # First for ourselves: the job's status does not depend on whether SciCat answers.
    RunFolder(run.run_id).save(OUTCOME, outcome.model_copy(update={"reported": False}))
    tell(run.pid, retrieve_report(reason, execution_arn))
    RunFolder(run.run_id).save(OUTCOME, outcome)
    return outcome


def leave_to_sweep(run: Run, execution_arn: str, reason: Reason) -> bool:
    """Write down why an archiving ended before it said anything, and give it a lease, by which the sweep settles it.

    False when another run works on the dataset: then there is nothing to tell of this one.
    """
    RunFolder(run.run_id).save(OUTCOME, outcome_of(run.pid, reason))
    lease = Lease(run_id=run.run_id, execution_arn=execution_arn)
    return leases.take_lease(run.pid, lease, ended=lambda _: False) is None


def outcome_of_run(begun: JobBegun, run: Run, why: Reason | None) -> RunOutcome:
    """What the run wrote down; else why the job, or the run's execution, ended before it could.

    A retrieval that could not tell SciCat how it failed has it told here.
    """
    arn = step_functions.execution_arn(step_functions.machine_of_run(begun.kind), run.run_id)
    written, status = _written(run), None
    if written is None:
        status = step_functions.status(arn)
        # It may have ended since: what ended has written all that it will.
        written = _written(run) if status != "RUNNING" else None
    if written is not None and written.reported:
        return written
    if written is not None:
        return report_retrieval(run, arn, failures.reason_written(written))
    reason = why or failures.reason_of_silence(status)
    if status == "RUNNING":
        return lifecycle.outcome_of(run.pid, reason)
    if begun.kind is JobKind.RETRIEVE:
        return report_retrieval(run, arn, reason)
    leave_to_sweep(run, arn, reason)
    return lifecycle.outcome_of(run.pid, reason)


def _written(run: Run) -> RunOutcome | None:
    return RunFolder(run.run_id).load(OUTCOME)
