"""Tell SciCat why a dataset was not archived, and give the lease back."""

from archiver import reports, storage
from archiver.models import RunFailed, RunReported
from archiver.scicat import catalogue
from archiver.step import step


@step
def handler(run: RunFailed) -> RunReported:
    reason = reports.reason_of(run.failure)
    # First for ourselves: the job's status does not depend on whether SciCat answers.
    storage.RunFolder(run.run_id).save("outcome.json", reports.outcome(run.pid, reason))
    lifecycle = reports.archive_report(reason, run.execution_arn)
    if lifecycle is not None:
        catalogue().update_lifecycle(run.pid, **lifecycle)
    storage.release_lease(run.pid, run.run_id)
    return RunReported(code=reason.code, message=reason.message)
