"""``make format`` writes the Retry of every task from statemachine/retry.json, where each stands once.

``functions`` is for every call of a function, ``sweep`` for those of the sweep, which comes again, ``executions``
for tasks that start an execution. In a state machine a Retry is the last key of its task, on a line of its own.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from pages.workflows import STATE_MACHINES, states_of, workflows

_LINE = re.compile(r'^(\s*"Retry": )\[.*\](?=\}*,?$)', re.MULTILINE)


def retries() -> Mapping[str, list[Any]]:
    """The three lists of rules, by what they are for."""
    written = json.loads((STATE_MACHINES / "retry.json").read_text())
    return {name: entry["Retry"] for name, entry in written.items()}


def of_task(workflow: str, state: Mapping[str, Any]) -> list[Any]:
    """The rules that a task of ``workflow`` (its file's stem) has."""
    if state["Resource"].startswith("arn:"):
        return retries()["executions"]
    return retries()["sweep" if workflow == "sweep" else "functions"]


def written(workflow: str, text: str) -> str:
    """The text of a state machine with the Retry of each of its tasks as it should be."""
    tasks = [state for _, state in states_of(json.loads(text)) if "Retry" in state]
    rules = iter([json.dumps(of_task(workflow, state)) for state in tasks])
    return _LINE.sub(lambda line: line[1] + next(rules), text)


if __name__ == "__main__":
    for path in workflows():
        path.write_text(written(path.name.partition(".")[0], path.read_text()))
