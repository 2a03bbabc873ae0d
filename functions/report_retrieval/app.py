"""Tell SciCat why a dataset was not retrieved. Its flags stay as they are: it is still archived."""

from archiver import reports
from archiver.models import RunFailed, RunReported
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage import RunFolder


@step
def handler(run: RunFailed) -> RunReported:
    reason = reports.reason_of(run.failure)
    # First for ourselves: the job's status does not depend on whether SciCat answers.
    RunFolder(run.run_id).save("outcome.json", reports.outcome(run.pid, reason))
    lifecycle = reports.retrieve_report(reason, run.execution_arn)
    if lifecycle is not None:
        catalogue().update_lifecycle(run.pid, **lifecycle)
    return RunReported(code=reason.code, message=reason.message)
