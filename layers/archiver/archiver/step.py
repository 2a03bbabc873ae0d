"""The one decorator of every Lambda step: typed in, typed out, logged and timed."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, get_type_hints

from pydantic import BaseModel, TypeAdapter

from archiver.aws import metering
from archiver.deadline import until
from archiver.log import logger
from archiver.settings import settings

# Kept free at the end of an invocation to write down where it stopped.
_MARGIN_SECONDS = 30.0


class Context(Protocol):
    """What a step needs of Lambda's context."""

    function_name: str
    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops this invocation."""
        ...


def step[In: BaseModel, Out: BaseModel | None](
    function: Callable[[In], Out],
) -> Callable[[dict[str, Any], Context], dict[str, Any] | None]:
    """Make a Lambda handler of ``function``.

    Parses the event as the annotated model, binds run, job, dataset and step to the log, times the
    step and dumps the result. It catches nothing: what is raised is for the state machine.
    """
    hints = get_type_hints(function)
    parameter = next(name for name in hints if name != "return")
    adapter = TypeAdapter[In](hints[parameter])

    @wraps(function)
    def handler(event: dict[str, Any], context: Context) -> dict[str, Any] | None:
        work = adapter.validate_python(event)
        bound = {name: getattr(work, name, None) for name in ("run_id", "job_id", "pid")}
        logger.append_keys(step=context.function_name, request_id=context.aws_request_id, **bound)
        started, moved, asked = time.monotonic(), metering.moved(), metering.asked()
        left = context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS
        with until(started + min(max(left, 1.0), settings().slice_seconds)):
            result = function(work)
        seconds = round(time.monotonic() - started, 3)
        share = {"bytes": dict(metering.moved() - moved), "requests": dict(metering.asked() - asked)}
        logger.info("step finished", extra={"seconds": seconds, **share})
        return None if result is None else result.model_dump(mode="json")

    return handler
