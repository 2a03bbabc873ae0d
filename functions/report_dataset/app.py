"""Tell SciCat why a dataset was not archived, and give the lease back."""

from archiver.models.states import RunFailed, RunReported
from archiver.reporting import failures, lifecycle, outcomes
from archiver.step import step
from archiver.storage import leases
from archiver.storage.documents import OUTCOME
from archiver.storage.run_folder import RunFolder


@step
def handler(run: RunFailed) -> RunReported:
    reason = failures.reason_of(run.failure)
    # First for ourselves: the job's status does not depend on whether SciCat answers.
    RunFolder(run.run_id).save(OUTCOME, lifecycle.outcome_of(run.pid, reason))
    outcomes.tell(run.pid, lifecycle.archive_report(reason, run.execution_arn))
    leases.release_lease(run.pid, run.run_id)
    return RunReported(code=reason.code, message=reason.message)
