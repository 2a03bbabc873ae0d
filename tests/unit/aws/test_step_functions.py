"""An execution is started once by its name, and found again by it."""

import json
import time
from collections.abc import Callable

import boto3
import pytest

from archiver.aws import step_functions
from archiver.errors import ServiceUnavailable
from tests.support.account import ACCOUNT_ID, state_machine_arn
from tests.support.state_machines import await_first_state

ARN = state_machine_arn("any")
PASS = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}


@pytest.fixture
def any_machine(aws: object) -> str:
    assert aws
    role = f"arn:aws:iam::{ACCOUNT_ID}:role/any"
    boto3.client("stepfunctions").create_state_machine(name="any", definition=json.dumps(PASS), roleArn=role)
    return ARN


def test_the_same_name_starts_one_execution(any_machine: str) -> None:
    first = step_functions.start(any_machine, "job-1", {"job_id": "job-1"})
    assert step_functions.start(any_machine, "job-1", {"job_id": "job-1"}) == first
    assert first == step_functions.execution_arn(any_machine, "job-1")
    assert len(boto3.client("stepfunctions").list_executions(stateMachineArn=any_machine)["executions"]) == 1


def test_an_execution_that_was_never_started_has_no_status(any_machine: str) -> None:
    assert step_functions.status(step_functions.execution_arn(any_machine, "nobody")) is None


def test_a_state_machine_that_is_not_there_is_unavailable(any_machine: str) -> None:
    with pytest.raises(ServiceUnavailable):
        step_functions.start(any_machine + "-other", "job-1", {})


def test_an_execution_is_known_by_its_workflow(any_machine: str) -> None:
    arn = step_functions.execution_arn(any_machine, "job-1")
    assert step_functions.is_execution_of(arn, any_machine)
    assert not step_functions.is_execution_of(arn, any_machine[:-1])
    assert not step_functions.is_execution_of(arn, "")


def test_an_execution_is_stopped_once_and_one_that_does_not_exist_is_fine(any_machine: str) -> None:
    arn = step_functions.start(any_machine, "job-1", {})
    await_first_state(boto3.client("stepfunctions"), arn)
    for stopped in (arn, arn, step_functions.execution_arn(any_machine, "nobody")):
        step_functions.stop(stopped)
    while not step_functions.has_ended(arn):
        time.sleep(0.01)
    assert step_functions.ended_at(arn) is not None
    assert step_functions.ended_at(step_functions.execution_arn(any_machine, "nobody")) is None


@pytest.mark.parametrize(
    "ask",
    [
        step_functions.status,
        step_functions.ended_at,
        step_functions.stop,
        step_functions.end_wait,
        step_functions.latest_step,
    ],
)
def test_a_step_functions_that_does_not_answer_is_unavailable(
    aws: object, environment: pytest.MonkeyPatch, ask: Callable[[str], object]
) -> None:
    assert aws
    environment.setenv("AWS_ENDPOINT_URL_SFN", "http://127.0.0.1:9")
    environment.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ServiceUnavailable):
        ask(step_functions.execution_arn(ARN, "any"))
