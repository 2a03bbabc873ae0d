"""What a failure means to the catalogue: each code stands in one row, and each row says what is written.

Pure, but for the address of the page that explains the codes. The rows are those of "What SciCat is told" in
docs/architecture.md: a run's failure becomes lifecycle fields of its dataset and an outcome, and a job's outcomes
become the job's status.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from archiver.errors import Code, Reason, Row
from archiver.models import Failure, JobKind, RunOutcome
from archiver.settings import settings
from archiver.wording import counted

type Lifecycle = dict[str, object]
type JobStatusName = Literal["finishedSuccessful", "finishedWithDatasetErrors", "finishedUnsuccessful"]

# A job's message names this many datasets that failed; the datasets themselves carry all of it.
_NAMED_DATASETS = 5


_CANCELLED = Reason(Code.CANCELLED, "The work was cancelled.")
_LOST = Reason(Code.EXECUTION_LOST, "The execution that did the work is gone.")
_TIMEOUT = Reason(Code.TIMEOUT, "A step took longer than it may.")
_OUT_OF_MEMORY = Reason(Code.OUT_OF_MEMORY, "A step ran out of memory.")

# What Lambda and Step Functions call an end that no exception of ours explains.
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
_PLATFORM_ERRORS = {
    "Sandbox.Timedout": _TIMEOUT,
    "States.Timeout": _TIMEOUT,
    "States.HeartbeatTimeout": _TIMEOUT,
    "Runtime.ExitError": _OUT_OF_MEMORY,
    "Runtime.OutOfMemory": _OUT_OF_MEMORY,
    "MemoryError": _OUT_OF_MEMORY,
    "ExecutionAborted": _CANCELLED,
    "States.ExecutionAborted": _CANCELLED,
}
# The status of a nested execution that ended without an error of its own.
_NESTED_ENDS = {"ABORTED": _CANCELLED, "TIMED_OUT": _TIMEOUT}
_ERROR_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,99}")


def reason_of(failure: Failure) -> Reason:
    """Read back why a step or a nested execution failed, from what a Catch was handed.

    Our own exceptions carry their reason. Of anything else only the error's name is told: its text
    may hold addresses or secrets, and stays in the log.
    """
    if failure.error in Code:
        # A workflow of ours that ended in its Fail state.
        return Reason(Code(failure.error), failure.cause)
    cause = _json_object(failure.cause)
    if "Status" in cause:
        return _reason_of_nested(cause)
    told = _reason_told(cause.get("errorMessage", failure.cause))
    return told or _PLATFORM_ERRORS.get(failure.error) or _internal(failure.error)


def reason_of_silence(status: str | None) -> Reason:
    """Why a run left no outcome, from the status of its execution (None when there is no such execution)."""
    if status is None:
        return _LOST
    return _NESTED_ENDS.get(status) or Reason(Code.INTERNAL, "The run ended without a report.")


def archive_report(reason: Reason, execution_arn: str) -> Lifecycle | None:
    """The lifecycle fields that tell a failed archiving; None leaves the dataset untouched."""
    match reason.code.row:
        case Row.USER:
            return {
                "archiveStatusMessage": "missingFilesError",
                "archivable": False,
                "retrievable": False,
                "archiveReturnMessage": _return_message(reason) | {"files": list(reason.files)},
            }
        case Row.SYSTEM:
            return {
                "archiveStatusMessage": "scheduleArchiveJobFailed",
                "archivable": True,
                "retrievable": False,
                "archiveReturnMessage": _return_message(reason) | {"executionArn": execution_arn},
            }
        case Row.UNTOUCHED:
            return None


def retrieve_report(reason: Reason, execution_arn: str) -> Lifecycle | None:
    """The lifecycle fields that tell a failed retrieval (the flags stay); None leaves the dataset untouched."""
    row = reason.code.row
    if row is Row.UNTOUCHED:
        return None
    message = _return_message(reason)
    if row is Row.SYSTEM:
        message["executionArn"] = execution_arn
    return {"retrieveStatusMessage": "scheduleRetrieveJobFailed", "retrieveReturnMessage": message}


def outcome(pid: str, reason: Reason) -> RunOutcome:
    """How a failed run ended, for the status of its job."""
    ended: Literal["rejected", "failed"] = "rejected" if reason.code.row is Row.USER else "failed"
    return RunOutcome(
        pid=pid, outcome=ended, code=reason.code, message=reason.message, files=reason.files, count=reason.count
    )


def pending(pid: str, code: Code) -> RunOutcome:
    """How a run ended whose archive is verified while SciCat cannot be told (``code``): the sweep will tell it."""
    when = "when it takes the archiver's password" if code is Code.SCICAT_LOGIN else "as soon as it answers"
    message = f"The archive is complete and verified; SciCat will be told {when}."
    return RunOutcome(pid=pid, outcome="pending", code=code, message=message)


def reason_written(written: RunOutcome) -> Reason:
    """Read back why a run failed, from what it wrote down."""
    return Reason(Code(written.code), written.message, written.files, written.count)


def failure_of(reason: Reason) -> Failure:
    """``reason`` as a Catch would hand it over; ``reason_of`` reads it back."""
    return Failure(error="ReasonWritten", cause=json.dumps({"errorMessage": reason.to_json()}))


def job_report(kind: JobKind, outcomes: Sequence[RunOutcome]) -> tuple[JobStatusName, str]:
    """The status and the message of a job, from the outcomes of all its datasets (at least one)."""
    count = Counter(one.outcome for one in outcomes)
    if count["done"] == len(outcomes):
        return "finishedSuccessful", "jobFinished"
    message = _job_message(kind, count["done"], outcomes)
    if count["failed"] and not count["done"]:
        return "finishedUnsuccessful", message
    return "finishedWithDatasetErrors", message


def job_refused(reason: Reason) -> tuple[JobStatusName, str]:
    """The status and the message of a job that was not even begun."""
    return "finishedUnsuccessful", f"{reason.code}: {reason.message} See {settings().page_about(reason.code)}"


def _job_message(kind: JobKind, done: int, outcomes: Sequence[RunOutcome]) -> str:
    unhappy = [one for one in outcomes if one.outcome != "done"]
    named = "; ".join(f"{one.pid}: {one.code}: {one.message}" for one in unhappy[:_NAMED_DATASETS])
    more = f"; and {len(unhappy) - _NAMED_DATASETS} more." if len(unhappy) > _NAMED_DATASETS else ""
    return f"{done} of {counted(len(outcomes), 'dataset')} {kind}d. {named}{more} See {settings().error_codes_url}"


def _return_message(reason: Reason) -> dict[str, object]:
    help_page = settings().page_about(reason.code)
    message: dict[str, object] = {"code": str(reason.code), "message": reason.message, "help": help_page}
    if reason.files:
        message |= {"files": list(reason.files), "count": reason.count}
    return message


def _reason_of_nested(execution: Mapping[str, Any]) -> Reason:
    """The reason of a nested execution, described as ``startExecution.sync:2`` does in the cause."""
    ended = _NESTED_ENDS.get(execution["Status"])
    if ended is not None:
        return ended
    return reason_of(Failure(error=execution.get("Error") or "", cause=execution.get("Cause") or ""))


def _reason_told(text: object) -> Reason | None:
    try:
        return Reason.from_json(str(text))
    except (ValueError, LookupError, TypeError):
        return None


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _internal(error: str) -> Reason:
    name = error if _ERROR_NAME.fullmatch(error) else "unnamed"
    return Reason(Code.INTERNAL, f"An error inside the service ({name}); its log holds the details.")
