"""Tell SciCat why a dataset was not archived, and give the lease back."""

from archiver import outcomes, reports
from archiver.models.states import RunFailed, RunReported
from archiver.step import step
from archiver.storage import leases, run_folder


@step
def handler(run: RunFailed) -> RunReported:
    reason = reports.reason_of(run.failure)
    # First for ourselves: the job's status does not depend on whether SciCat answers.
    run_folder.RunFolder(run.run_id).save("outcome.json", reports.outcome(run.pid, reason))
    outcomes.tell(run.pid, reports.archive_report(reason, run.execution_arn))
    leases.release_lease(run.pid, run.run_id)
    return RunReported(code=reason.code, message=reason.message)
