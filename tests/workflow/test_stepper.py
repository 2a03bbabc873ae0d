"""The stepper of the random state machine does what a full interpreter of the states language does."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.stepper import Execution, StateFailed, Stepper
from tests.support.account import state_machine_arn
from tests.support.catalogue import Scicat
from tests.support.dataset import ADataset
from tests.support.state_machines import definitions
from tests.workflow.conftest import CRASHED, THROTTLED, LambdaFailure, Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

JOBS = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")


def a_stepper(workflows: Workflows, s3: "S3Client") -> Stepper:
    """Over the same functions and the same buckets."""
    machines = {state_machine_arn(name): json.loads(text) for name, text in definitions().items()}

    def invoke(arn: str, payload: str) -> tuple[str, bool]:
        return workflows.invoke(arn.rpartition(":")[2], payload)

    def put(bucket: str, key: str, body: bytes) -> None:
        s3.put_object(Bucket=bucket, Key=key, Body=body)

    return Stepper(machines, invoke, put)


def run(stepper: Stepper, workflow: str, state: dict[str, Any], name: str) -> Execution:
    """Start an execution and take its steps, and those of the executions that it starts, in order."""
    execution = stepper.start(state_machine_arn(workflow), name, json.dumps(state))
    while ready := stepper.ready():
        stepper.take(ready[0])
    return execution


@pytest.mark.parametrize(
    "fault",
    [
        ("", CRASHED, 0),
        ("SealDatablock", CRASHED, 2),
        ("StoreDatablock", THROTTLED, 3),
        ("VerifyDatablocks", CRASHED, 99),
        ("CleanUpDataset", CRASHED, 99),
    ],
)
def test_the_stepper_enters_the_states_that_the_interpreter_enters(
    aws: "S3Client", scicat: Scicat, workflows: Workflows, fault: tuple[str, LambdaFailure, int]
) -> None:
    broken, failure, times = fault
    told = []
    for number, interpreted in enumerate((True, False)):
        dataset = ADataset(aws, scicat, pid=f"20.500.11935/{number}", prefix=f"incoming/{number}/")
        state = {"job_id": JOBS[number], "run_id": f"{JOBS[number]}-1", "pid": dataset.pid}
        if broken:
            workflows.fail(broken, failure, times=times)
        workflows.calls.clear()
        ended: Any = (
            workflows.run("archive_dataset", state, state["run_id"])
            if interpreted
            else run(a_stepper(workflows, aws), "archive_dataset", state, state["run_id"])
        )
        lifecycle = {name: dataset.lifecycle[name] for name in ("archiveStatusMessage", "archivable", "retrievable")}
        cause = json.loads(ended.cause) if broken == "CleanUpDataset" else ended.cause
        told.append((ended.states, ended.status, ended.error, cause, dict(workflows.calls), lifecycle))
    assert told[0] == told[1]


@pytest.mark.parametrize("files", [{"a.mrc": b"first"}, {}], ids=["archived", "refused"])
def test_the_stepper_waits_for_nested_executions_as_the_interpreter_does(
    aws: "S3Client", scicat: Scicat, workflows: Workflows, files: dict[str, bytes]
) -> None:
    told = []
    for number, interpreted in enumerate((True, False)):
        dataset = ADataset(aws, scicat, files, pid=f"20.500.11935/{number}", prefix=f"incoming/{number}/")
        scicat.set_lifecycle(dataset.pid, archivable=True, retrievable=False)
        job_id = scicat.add_job("archive", dataset.pid)
        state = {"job_id": job_id, "kind": "archive"}
        ended: Any = (
            workflows.run("archive", state, job_id)
            if interpreted
            else run(a_stepper(workflows, aws), "archive", state, job_id)
        )
        cause = ended.cause.replace(dataset.pid, "any")
        told.append((ended.states, ended.status, ended.error, cause, scicat.job(job_id)["statusCode"]))
    assert told[0] == told[1]


def a_machine(state: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": "Any", "States": {"Any": state}}


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Task", "Resource": "arn:any", "InputPath": "$.part", "End": True},
        {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True},
        {"Type": "Task", "Resource": "arn:any", "Parameters": {"a.$": "$.list[0]"}, "End": True},
        {"Type": "Task", "Resource": "arn:any", "Parameters": {"a.$": "States.UUID()"}, "End": True},
        {"Type": "Choice", "Choices": [{"Variable": "$.a", "StringLessThan": "b", "Next": "Any"}], "Default": "Any"},
        {"Type": "Map", "ItemReader": {}, "ItemProcessor": a_machine({"Type": "Succeed"}), "End": True},
        {"Type": "Unheard", "End": True},
    ],
)
def test_what_the_stepper_does_not_know_it_refuses(state: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError, match="Any"):
        Stepper({"any": a_machine(state)}, lambda *_: ("", False), lambda *_: None)


def test_a_failure_is_told_by_its_names() -> None:
    assert str(StateFailed("Any", "why")) == "Any: why"
