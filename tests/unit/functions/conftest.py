"""What the tests of steps share."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tests.support.account import ACCOUNT_ID, state_machine_arn
from tests.support.catalogue import Scicat
from tests.support.dataset import ADataset
from tests.support.state_machines import await_first_state

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@pytest.fixture
def a_dataset(aws: "S3Client", scicat: Scicat) -> Callable[..., ADataset]:
    """Build ``a_dataset(files={path: bytes})``; two small files by default."""

    def build(**fields: Any) -> ADataset:
        return ADataset(aws, scicat, **fields)

    return build


@pytest.fixture
def an_execution(aws: "S3Client") -> Callable[..., str]:
    """Make ``an_execution("archive_dataset", "any-run", "ABORTED")``; returns its ARN."""
    assert aws
    client = boto3.client("stepfunctions")

    def make(workflow: str, name: str, status: str) -> str:
        wait = {"Type": "Wait", "Seconds": 600, "Next": "End"}
        ends = {"FAILED": {"Type": "Fail"}, "SUCCEEDED": {"Type": "Succeed"}}
        definition = {
            "StartAt": "End" if status in ends else "Wait",
            "States": {"Wait": wait, "End": ends.get(status, {"Type": "Succeed"})},
        }
        arn = state_machine_arn(workflow)
        known = {one["stateMachineArn"] for one in client.list_state_machines()["stateMachines"]}
        if arn in known:
            client.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))
        else:
            role = f"arn:aws:iam::{ACCOUNT_ID}:role/any"
            client.create_state_machine(name=workflow, definition=json.dumps(definition), roleArn=role)
        execution: str = client.start_execution(stateMachineArn=arn, name=name)["executionArn"]
        if status == "ABORTED":
            await_first_state(client, execution)
            client.stop_execution(executionArn=execution)
        while client.describe_execution(executionArn=execution)["status"] != status:
            time.sleep(0.01)
        return execution

    return make
