"""What the executions' histories say: seconds of each step, transitions, events, and the largest state."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

_DETAILS = ("stateEnteredEventDetails", "stateExitedEventDetails")


@dataclass(frozen=True, slots=True)
class History:
    """One execution. ``steps`` are seconds from the first time a state was entered to the last time it was left.

    ``transitions`` are what AWS bills: states entered, and retries.
    """

    steps: Mapping[str, float]
    begun: Mapping[str, datetime]
    ended: Mapping[str, datetime]
    events: int
    transitions: int
    largest_state: int

    def between(self, first: str, last: str) -> float:
        """Seconds from entering one state to leaving another."""
        return (self.ended[last] - self.begun[first]).total_seconds()


def history_of(client: "SFNClient", execution_arn: str) -> History:
    """The history of an ended execution."""
    return summary(_events(client, execution_arn))


def summary(events: Iterable[Mapping[str, Any]]) -> History:
    """What a list of events comes to."""
    begun: dict[str, datetime] = {}
    ended: dict[str, datetime] = {}
    count = transitions = largest = 0
    for event in events:
        count += 1
        for name in _DETAILS:
            if (details := event.get(name)) is not None:
                moment = event["timestamp"]
                if name == _DETAILS[0]:
                    begun.setdefault(details["name"], moment)
                else:
                    ended[details["name"]] = moment
                largest = max(largest, len(details.get("input") or ""), len(details.get("output") or ""))
        transitions += event["type"].endswith("StateEntered")
    steps = {name: (ended[name] - begun[name]).total_seconds() for name in begun if name in ended}
    return History(steps, begun, ended, count, transitions, largest)


def _events(client: "SFNClient", execution_arn: str) -> Iterator[Any]:
    pages = client.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    for page in pages:
        yield from page["events"]
