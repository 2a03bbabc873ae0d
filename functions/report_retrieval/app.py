"""Tell SciCat why a dataset was not retrieved. Its flags stay as they are: it is still archived."""

from archiver.models.states import RunFailed, RunReported
from archiver.reporting import failures, outcomes
from archiver.step import step


@step
def handler(run: RunFailed) -> RunReported:
    reason = failures.reason_of(run.failure)
    outcomes.report_retrieval(run, run.execution_arn, reason)
    return RunReported(code=reason.code, message=reason.message)
