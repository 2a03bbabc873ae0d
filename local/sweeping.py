"""What a sweep says that it did, in lines for a person."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# What a sweep ends with of which a part failed; then its cause is what it told.
PARTS_NOT_SWEPT = "PartsNotSwept"


def told_by(output: str | None) -> str:
    """What a sweep told that ended well, of all its parts."""
    return str(json.loads(output or "{}").get("told", {}).get("parts", "[]"))


def lines(told: str) -> Iterator[str]:
    """What was done, a line for each kind of it; that there was nothing to do, or that another sweep is at it."""
    parts = json.loads(told)[:1] or [[]]
    if isinstance(parts[0], dict):
        yield "Another sweep runs, and does the work."
        return
    done = [line for part in parts[0] for line in _lines_of(part)]
    yield from done or ["There was nothing to put right."]


def _lines_of(part: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{what}: {times}" for what, times in part["did"].items())
    if part["failed"]:
        yield f"{part['part']} that could not be put right: {part['failed']} (the log says which, and why)"
    if "failure" in part:
        yield f"{part['part']} were not swept to the end: {part['failure']}"


def failures(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why functions failed, each sentence once, from the history of an execution."""
    told = (
        event["lambdaFunctionFailedEventDetails"] for event in events if "lambdaFunctionFailedEventDetails" in event
    )
    return list(dict.fromkeys(_sentence(failed) for failed in told))


def _sentence(failed: Mapping[str, Any]) -> str:
    try:
        return str(json.loads(json.loads(failed["cause"])["errorMessage"])["message"])
    except (KeyError, TypeError, ValueError):
        return f"{failed.get('error', 'An unknown error')}."
