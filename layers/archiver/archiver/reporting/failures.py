"""Why a step, an execution or a run failed, read back from what it left."""

import json
import re
from collections.abc import Mapping
from typing import Any

from archiver.errors import Code, Reason
from archiver.models.states import Failure, RunOutcome

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


def reason_written(written: RunOutcome) -> Reason:
    """Read back why a run failed, from what it wrote down."""
    return Reason(Code(written.code), written.message, written.files, written.count)


def failure_of(reason: Reason) -> Failure:
    """``reason`` as a Catch would hand it over; ``reason_of`` reads it back."""
    return Failure(error="ReasonWritten", cause=json.dumps({"errorMessage": reason.to_json()}))


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
