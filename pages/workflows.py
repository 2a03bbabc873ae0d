"""docs/workflows.md: a diagram of each workflow and what each of its states is for, from the state machines."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

type State = Mapping[str, Any]
type Machine = Mapping[str, Any]

STATE_MACHINES = Path(__file__).parents[1] / "statemachine"
_BEGINNING = """\
# Workflows

One diagram for each state machine in `statemachine`. A dotted line is taken when something failed; a frame is work that
is caught together, or done for each of many. [The whole](index.md#the-whole) shows how they start each other.

This page is written by `make docs`, from the state machines.
"""
_SHAPES = {"Choice": ("{", "}"), "Succeed": ("([", "])"), "Fail": ("([", "])"), "Wait": ("[/", "/]")}
_OPERATORS = {
    "StringEquals": "is",
    "StringMatches": "is like",
    "NumericGreaterThan": ">",
    "NumericLessThan": "<",
    "NumericGreaterThanEquals": "≥",
}


def page() -> str:
    """The page."""
    return "\n".join([_BEGINNING, *(line for path in workflows() for line in _chapter(path))])


def workflows() -> list[Path]:
    """The files of all state machines."""
    return sorted(STATE_MACHINES.glob("*.asl.json"))


def states_of(machine: Machine) -> Iterator[tuple[str, State]]:
    """Every state of a workflow, also those within a Map or a Parallel."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in _inside(state):
            yield from states_of(inner)


def diagram(machine: Machine) -> str:
    """A workflow as a flowchart in Mermaid's language."""
    return "\n".join(
        [
            "```mermaid",
            "flowchart TD",
            f"  start(( )) --> {machine['StartAt']}",
            *_drawn(machine, "  "),
            *_arrows(machine),
            "```",
        ]
    )


def _chapter(path: Path) -> Iterator[str]:
    machine = json.loads(path.read_text())
    yield f"## {path.name.removesuffix('.asl.json')}\n"
    yield f"{machine['Comment']}\n"
    yield f"{diagram(machine)}\n"
    yield "| State | |\n| --- | --- |"
    yield from (f"| `{name}` | {state['Comment'].replace('|', '/')} |" for name, state in states_of(machine))
    yield ""


def _inside(state: State) -> list[Machine]:
    return [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]


def _drawn(machine: Machine, indent: str) -> Iterator[str]:
    for name, state in machine["States"].items():
        if inner := _inside(state):
            many = "for each: " if state["Type"] == "Map" else ""
            yield f'{indent}subgraph {name}["{many}{name}"]'
            for part in inner:
                yield from _drawn(part, f"{indent}  ")
            yield f"{indent}end"
        else:
            begin, end = _SHAPES.get(state["Type"], ("[", "]"))
            yield f'{indent}{name}{begin}"{name}"{end}'


def _arrows(machine: Machine) -> Iterator[str]:
    for name, state in machine["States"].items():
        for choice in state.get("Choices", []):
            yield f'  {name} -- "{_condition(choice)}" --> {choice["Next"]}'
        if "Default" in state:
            yield f'  {name} -- "else" --> {state["Default"]}'
        if "Next" in state:
            yield f"  {name} --> {state['Next']}"
        yield from (f"  {name} -.-> {rule['Next']}" for rule in state.get("Catch", []))
        for inner in _inside(state):
            yield from _arrows(inner)


def _condition(choice: State) -> str:
    for word, joined in (("And", " and "), ("Or", " or ")):
        if word in choice:
            return joined.join(map(_condition, choice[word]))
    if "Not" in choice:
        return f"not {_condition(choice['Not'])}"
    (operator,) = choice.keys() - {"Variable", "Next", "Comment"}
    name, value = choice["Variable"].removeprefix("$.").replace("_", " "), choice[operator]
    if operator == "BooleanEquals":
        return name if value else f"not {name}"
    if operator == "IsPresent":
        return f"there is {name}" if value else f"there is no {name}"
    return f"{name} {_OPERATORS[operator]} {str(value).replace(chr(34), '')}"
