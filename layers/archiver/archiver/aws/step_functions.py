"""Step Functions: start a workflow once, ask whether it still runs, end its wait."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from archiver.aws import clients
from archiver.errors import Code, ServiceUnavailable
from archiver.models.states import JobKind
from archiver.settings import settings

# A few workers at once write some events for each step they do; the newest step is among these.
_LATEST_EVENTS = 200
# A good answer without what it must have is none.
_ERRORS = (*clients.SDK_ERRORS, KeyError)


def start(state_machine_arn: str, name: str, state: Mapping[str, Any]) -> str:
    """Start an execution called ``name`` and return its ARN; a name that was started before starts nothing."""
    arn = execution_arn(state_machine_arn, name)
    client = clients.stepfunctions()
    try:
        client.start_execution(stateMachineArn=state_machine_arn, name=name, input=json.dumps(state))
    except client.exceptions.ExecutionAlreadyExists:
        return arn
    except _ERRORS as error:
        raise _unavailable(error) from None
    return arn


def execution_arn(state_machine_arn: str, name: str) -> str:
    """The ARN of the execution called ``name``; an execution's name is its run's or its job's id."""
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def is_execution_of(arn: str, state_machine_arn: str) -> bool:
    """Whether an execution is one of this workflow's."""
    return arn.startswith(execution_arn(state_machine_arn, ""))


def status(arn: str) -> str | None:
    """``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``ABORTED``; None when there is no such execution."""
    client = clients.stepfunctions()
    try:
        return client.describe_execution(executionArn=arn)["status"]
    except client.exceptions.ExecutionDoesNotExist:
        return None
    except _ERRORS as error:
        raise _unavailable(error) from None


def has_ended(arn: str) -> bool:
    """Whether an execution is over; one that does not exist is."""
    return status(arn) != "RUNNING"


def ended_at(arn: str) -> datetime | None:
    """When an execution ended; None while it runs, and when there is no such execution."""
    client = clients.stepfunctions()
    try:
        return client.describe_execution(executionArn=arn).get("stopDate")
    except client.exceptions.ExecutionDoesNotExist:
        return None
    except _ERRORS as error:
        raise _unavailable(error) from None


def stop(arn: str) -> None:
    """Stop an execution; one that has ended is fine."""
    client = clients.stepfunctions()
    try:
        client.stop_execution(executionArn=arn)
    except client.exceptions.ExecutionDoesNotExist:
        return
    except _ERRORS as error:
        raise _unavailable(error) from None


def end_wait(token: str) -> bool:
    """Let the state that waits with this task token go on. False when it does not wait any more."""
    client = clients.stepfunctions()
    try:
        client.send_task_success(taskToken=token, output="{}")
    except (client.exceptions.TaskTimedOut, client.exceptions.TaskDoesNotExist, client.exceptions.InvalidToken):
        return False
    except _ERRORS as error:
        raise _unavailable(error) from None
    return True


def latest_step(arn: str) -> str | None:
    """The step that an execution began last, or None when it began none (or does not exist)."""
    client = clients.stepfunctions()
    try:
        history = client.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=_LATEST_EVENTS)
    except client.exceptions.ExecutionDoesNotExist:
        return None
    except _ERRORS as error:
        raise _unavailable(error) from None
    steps = (event for event in history["events"] if event["type"] == "TaskStateEntered")
    return next((event["stateEnteredEventDetails"]["name"] for event in steps), None)


def _unavailable(error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(Code.INTERNAL, f"Step Functions did not answer: {type(error).__name__}.")


def machine_of_job(kind: JobKind) -> str:
    """The workflow that does jobs of this kind; an execution's name is the job's id."""
    return {
        JobKind.ARCHIVE: settings().archive_state_machine_arn,
        JobKind.RETRIEVE: settings().retrieve_state_machine_arn,
    }[kind]


def machine_of_run(kind: JobKind) -> str:
    """The workflow that does one dataset of such a job; an execution's name is the run's id."""
    return {
        JobKind.ARCHIVE: settings().archive_dataset_state_machine_arn,
        JobKind.RETRIEVE: settings().retrieve_dataset_state_machine_arn,
    }[kind]
