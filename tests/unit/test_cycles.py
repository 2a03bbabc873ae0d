"""No workflow can go round and round: each cycle of its states waits, or counts how often it went round."""

import importlib
import json
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

from archiver.models.states import LaneWork, SweepProgress
from archiver.sweep.sweeping import Sweeping
from tests.faults.stepper import comparisons_of
from tests.support.state_machines import definitions, snake

MACHINES = {name: json.loads(definition) for name, definition in definitions().items()}
# What a state is compared by that counts how often functions were called, and how often is enough: the events of all of
# them must fit into the 25,000 of an execution.
COUNTER, MOST_CALLS = "$.calls", 300

type Scope = dict[str, Any]
type Edge = tuple[str, str]


def scopes_of(machine: Any) -> Iterator[Scope]:
    """The states that can lead to one another: a workflow's own, those of a Map, those of a branch."""
    yield machine["States"]
    for state in machine["States"].values():
        for inner in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
            yield from scopes_of(inner)


SCOPES = [(name, scope) for name, machine in MACHINES.items() for scope in scopes_of(machine)]


def is_counted(rule: Any) -> bool:
    """Whether a rule of a Choice holds only so often."""
    return any(
        one.get("Variable") == COUNTER and one.get("NumericLessThan", MOST_CALLS + 1) <= MOST_CALLS
        for one in comparisons_of(rule)
    )


def edges_of(scope: Scope) -> Iterator[tuple[Edge, bool]]:
    """Which state leads to which, and whether that is counted."""
    for name, state in scope.items():
        rules = [*state.get("Choices", []), *state.get("Catch", [])]
        yield from (((name, rule["Next"]), is_counted(rule)) for rule in rules)
        yield from (((name, state[way]), False) for way in ("Next", "Default") if way in state)


def waits(state: Any) -> bool:
    """Whether nothing follows at once: a wait, or one that an event may end."""
    return state["Type"] == "Wait" or str(state.get("Resource", "")).endswith(".waitForTaskToken")


def reached_from(start: str, edges: set[Edge]) -> set[str]:
    """The states that one leads to, however far."""
    found: set[str] = set()
    ahead = {start}
    while ahead:
        ahead = {after for before, after in edges if before in ahead} - found
        found |= ahead
    return found


def on_cycles(edges: set[Edge]) -> set[str]:
    """The states that lead to themselves."""
    return {before for before, _ in edges if before in reached_from(before, edges)}


@pytest.mark.parametrize(("workflow", "scope"), SCOPES, ids=[f"{name}: {next(iter(scope))}" for name, scope in SCOPES])
def test_every_cycle_of_states_waits_or_counts(workflow: str, scope: Scope) -> None:
    uncounted = {edge for edge, counted in edges_of(scope) if not counted}
    at_once = {edge for edge in uncounted if not any(waits(scope[name]) for name in edge)}
    assert on_cycles(at_once) == set(), workflow


def functions_on(scope: Scope) -> set[str]:
    """The functions that are called on the cycles that count."""
    counted = {edge for edge, is_bounded in edges_of(scope) if is_bounded}
    edges = {edge for edge, _ in edges_of(scope)}
    cycles = [reached_from(after, edges) & on_cycles(edges) | {after} for _, after in counted]
    names = {name for cycle in cycles for name in cycle}
    return {name for name in names if scope[name]["Type"] == "Task"}


COUNTING = sorted({name for _, scope in SCOPES for name in functions_on(scope)})


@pytest.mark.parametrize("function", COUNTING)
def test_every_function_on_a_cycle_that_counts_hands_the_count_on(function: str) -> None:
    hints = get_type_hints(importlib.import_module(f"functions.{snake(function)}.app").handler)
    given, told = hints.pop("return"), next(iter(hints.values()))
    assert COUNTER.removeprefix("$.") in given.model_fields.keys() & told.model_fields.keys()


def test_there_are_cycles_that_count() -> None:
    assert {"PackageDatablock", "DeliverDatablocks", "SweepRuns", "SweepJobs"} <= set(COUNTING)


def test_each_call_is_counted() -> None:
    assert LaneWork(job_id="any", run_id="any-1", pid="any", lane=0, lanes=1, calls=5).reached(done=False).calls == 6
    begun = SweepProgress(run_id="any", execution_arn="any", part="runs", calls=5)
    assert Sweeping(begun).reached(SweepProgress, "any", done=False).calls == 6
