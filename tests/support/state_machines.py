"""The project's state machines as the template deploys them, every name resolved; and waiting for moto's."""

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.account import ACCOUNT_ID, REGION, ROOT, state_machine_arn

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def definitions() -> dict[str, str]:
    """Each workflow's definition, by its file's stem."""
    paths = sorted((ROOT / "statemachine").glob("*.asl.json"))
    return {workflow_of(path): _definition(path) for path in paths}


def workflow_of(path: Path) -> str:
    """The name of the workflow in a file."""
    return path.name.partition(".")[0]


def snake(name: str) -> str:
    """``ClaimDataset`` as its folder is called."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def await_first_state(client: "SFNClient", arn: str) -> None:
    """Until an execution has entered a state: moto cannot stop it before."""
    while len(client.get_execution_history(executionArn=arn)["events"]) < 2:
        time.sleep(0.01)


def _definition(path: Path) -> str:
    """The file with its ``${...Arn}`` resolved as the template's DefinitionSubstitutions would.

    ``${<Workflow>StateMachineArn}`` is a state machine, ``${<Name>Bucket}`` a bucket, any other
    ``${<Step>Arn}`` a function.
    """
    machines = {workflow_of(other) for other in path.parent.glob("*.asl.json")}

    def resolved(match: re.Match[str]) -> str:
        if match[1].endswith("Bucket"):
            return snake(match[1].removesuffix("Bucket"))
        name = match[1].removesuffix("Arn").removesuffix("StateMachine").removesuffix("Workflow")
        if snake(name) in machines:
            return state_machine_arn(snake(name))
        return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}"

    return _PLACEHOLDER.sub(resolved, path.read_text())
