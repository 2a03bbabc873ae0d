"""Run the real state machines with the real handlers in one process, in seconds.

``workflows`` deploys every file of ``statemachine/`` to moto's Step Functions. A Lambda that a state
names is the ``handler`` of ``functions/<step>/app.py``, called in a thread of its own; its
result and its errors pass through JSON exactly as Lambda passes them. Waits and pauses between retries
take no time.
"""

import importlib
import json
import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from threading import Condition
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import boto3
import pytest
from antlr4 import ParserRuleContext  # type: ignore[import-untyped]
from botocore.client import BaseClient
from jsonpath_ng.ext.parser import parse as parse_path
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import TimeoutSecondsPath
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_callback,
    state_task_service_sfn,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import (
    StateTaskServiceSfn,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from tests.support.account import ACCOUNT_ID, REGION, LambdaContext, state_machine_arn
from tests.support.permissions import as_function
from tests.support.s3_faults import WorkerKilled
from tests.support.state_machines import definitions, snake

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_stepfunctions import SFNClient

# Shorter than a whole test may take (pytest's timeout), and long enough for an execution on a busy machine.
_PATIENCE_SECONDS = 240.0

type Handler = Callable[[Any, LambdaContext], Any]


@dataclass(frozen=True, slots=True)
class LambdaFailure:
    """An end that no handler gives itself: Lambda's own error name, and its text."""

    error: str
    message: str = ""


# The three ways in which Lambda ends a worker.
TIMED_OUT = LambdaFailure("Sandbox.Timedout", "Task timed out after 900.00 seconds")
CRASHED = LambdaFailure("Runtime.ExitError", "RequestId: any Error: Runtime exited with error: signal: killed")
THROTTLED = LambdaFailure("Lambda.TooManyRequestsException", "Rate Exceeded.")


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution that ended. ``states`` are the names of the states it entered, in that order."""

    arn: str
    status: str
    states: list[str]
    output: Any = None
    error: str = ""
    cause: str = ""


@dataclass(slots=True)
class _Fault:
    failure: LambdaFailure
    times: int
    after_the_work: bool


@dataclass(slots=True)
class Workflows:
    """The deployed state machines: start them, await them, and break the Lambdas under them."""

    client: "SFNClient" = field(default_factory=lambda: boto3.client("stepfunctions"), repr=False)
    # How often each function was called, by its name.
    calls: Counter[str] = field(default_factory=Counter)
    # How long a wait takes that an event may end, in seconds.
    wait_seconds: float = 0.02
    # What happens while a workflow waits for so many seconds; it takes no time.
    meanwhile: Callable[[int], None] = field(default=lambda _: None, repr=False)
    _handlers: dict[str, Handler] = field(default_factory=dict)
    _faults: dict[str, _Fault] = field(default_factory=dict)

    def start(self, workflow: str, state: Mapping[str, Any], name: str = "any-job-1") -> str:
        """Start ``workflow`` (its file's stem) and return the execution's ARN."""
        arn = state_machine_arn(workflow)
        return self.client.start_execution(stateMachineArn=arn, name=name, input=json.dumps(state))["executionArn"]

    def wait(self, arn: str) -> Execution:
        """The execution when it has ended."""
        if not _wait_for_end(arn, _PATIENCE_SECONDS):
            raise TimeoutError(f"{arn} did not end; it entered {self.states(arn)}")
        end = self.client.describe_execution(executionArn=arn)
        return Execution(
            arn=arn,
            status=end["status"],
            states=self.states(arn),
            output=json.loads(end["output"]) if end.get("output") else None,
            error=end.get("error", ""),
            cause=end.get("cause", ""),
        )

    def run(self, workflow: str, state: Mapping[str, Any], name: str = "any-job-1") -> Execution:
        """Start ``workflow`` and wait for its end."""
        return self.wait(self.start(workflow, state, name))

    def executions(self, workflow: str) -> list[str]:
        """The ARNs of all executions of ``workflow``."""
        pages = self.client.get_paginator("list_executions")
        found = pages.paginate(stateMachineArn=state_machine_arn(workflow))
        return [execution["executionArn"] for page in found for execution in page["executions"]]

    def states(self, arn: str) -> list[str]:
        """The names of the states an execution entered, in that order."""
        events = _execution(arn).to_history_output()["events"]
        entered = (event["stateEnteredEventDetails"] for event in events if "stateEnteredEventDetails" in event)
        return [details["name"] for details in entered]

    def stop_all(self) -> None:
        """Stop what still runs, as an operator would, and wait for it."""
        for machine in self.client.list_state_machines()["stateMachines"]:
            for arn in self.executions(machine["name"]):
                if self.client.describe_execution(executionArn=arn)["status"] == "RUNNING":
                    self._stop(arn)
                    self.wait(arn)

    def _stop(self, arn: str) -> None:
        """Stop an execution; moto cannot stop one whose worker has not begun yet."""
        while True:
            with suppress(AttributeError):
                self.client.stop_execution(executionArn=arn)
                return
            time.sleep(0.01)

    def replace(self, function: str, handler: Handler) -> None:
        """Call ``handler`` in place of the function's own, for what lies outside a test's subject."""
        self._handlers[function] = handler

    def fail(self, function: str, failure: LambdaFailure, *, times: int = 1, after_the_work: bool = False) -> None:
        """Let the next ``times`` calls end as ``failure``, before the handler is called or when its work is done."""
        self._faults[function] = _Fault(failure, times, after_the_work)

    def invoke(self, function: str, payload: str) -> tuple[str, bool]:
        """What Lambda answers: the function's result, or its error, as JSON; and whether it is an error."""
        self.calls[function] += 1
        fault = self._faults.get(function)
        if fault is not None and fault.times:
            fault.times -= 1
        else:
            fault = None
        if fault is not None and not fault.after_the_work:
            return _error(fault.failure.error, fault.failure.message), True
        with ThreadPoolExecutor(1) as worker:
            call = worker.submit(self._call, function, payload)
        if isinstance(error := call.exception(), WorkerKilled):
            return _error(CRASHED.error, CRASHED.message), True
        if error is not None:
            return _error(type(error).__name__, str(error), traceback.format_tb(error.__traceback__)), True
        if fault is not None:
            return _error(fault.failure.error, fault.failure.message), True
        return call.result(), False

    def _call(self, function: str, payload: str) -> str:
        return json.dumps(self.handler(function)(json.loads(payload), LambdaContext(function_name=function)))

    def handler(self, function: str) -> Handler:
        """What is called for a function: its own handler, unless it was replaced."""
        if function in self._handlers:
            return self._handlers[function]
        handler: Handler = importlib.import_module(f"functions.{snake(function)}.app").handler
        return as_function(function, handler)


@pytest.fixture
def workflows(
    aws: "S3Client", environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Workflows]:
    """Every state machine of the project, deployed and running on the real handlers."""
    assert aws
    # For each error moto prints the whole state machine.
    caplog.set_level(logging.CRITICAL, logger="moto.stepfunctions")
    deployed = Workflows()

    def invoke(
        _: LambdaSimpleBackend, function: str, __: str | None, body: str | bytes, ___: Any, answer: dict[str, str]
    ) -> bytes:
        payload = body.decode() if isinstance(body, bytes) else body
        result, failed = deployed.invoke(unquote(function).rpartition(":")[2], payload)
        if failed:
            answer["x-amz-function-error"] = "Unhandled"
        return result.encode()

    environment.setattr(LambdaSimpleBackend, "invoke", invoke)
    environment.setattr(AmazonStateLanguageParser, "parse", _parse)
    # What cannot be run is seen when it is run.
    environment.setattr(StepFunctionsParserBackend, "_validate_definition", lambda **_: None)
    _let_the_interpreter_remember(environment)
    _let_states_share_clients(environment)
    _let_ends_be_heard(environment)
    _let_no_time_pass(environment, deployed)
    _let_states_write_documents(environment)
    _let_nested_executions_start(environment)
    _let_a_stop_be_the_end(environment)
    for name, definition in definitions().items():
        role = f"arn:aws:iam::{ACCOUNT_ID}:role/any"
        deployed.client.create_state_machine(name=name, definition=definition, roleArn=role)
    yield deployed
    deployed.stop_all()


def _parse(definition: str) -> tuple[Any, Any]:
    """What an execution runs, built anew; reading the text takes moto much longer than most executions."""
    tree = _read(definition)
    return Preprocessor().visit(tree), tree


@cache
def _read(definition: str, parse: Callable[[str], tuple[Any, Any]] = AmazonStateLanguageParser.parse) -> Any:
    _, tree = parse(definition)
    return tree


def _let_the_interpreter_remember(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths, and the text of what was parsed, which moto reads anew at every state and for every execution."""
    monkeypatch.setattr(json_path, "parse", _path)
    monkeypatch.setattr(ParserRuleContext, "getText", _text)


_path = cache(parse_path)
_text = cache(ParserRuleContext.getText)


def _let_states_share_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client for all calls of a service, where moto makes one for each call."""
    client = cache(lambda service: boto_client_for(REGION, service))

    def shared(service: str, **_: Any) -> BaseClient:
        return client(service)

    for caller in (lambda_eval_utils, state_task_service_aws_sdk, state_task_service_sfn):
        monkeypatch.setattr(caller, "boto_client_for", shared)


# Notified whenever an execution has ended.
_an_end = Condition()


def _let_ends_be_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for an execution hears of its end, where moto asks again and again, through all of botocore."""

    def tell(
        communication: BaseExecutionWorkerCommunication,
        terminated: Callable[..., None] = BaseExecutionWorkerCommunication.terminated,
    ) -> None:
        terminated(communication)
        with _an_end:
            _an_end.notify_all()

    def heard(build: Callable[..., Callable[[], Any]]) -> Callable[..., Callable[[], Any]]:
        def build_heard(service: StateTaskServiceSfn, env: Environment, *rest: Any, **named: Any) -> Callable[[], Any]:
            arn = env.stack[-1]["ExecutionArn"]
            resolve = build(service, env, *rest, **named)
            # In between moto looks whether the execution that waits still runs itself.
            return lambda: resolve() if _wait_for_end(arn, 0.05) else None

        return build_heard

    monkeypatch.setattr(BaseExecutionWorkerCommunication, "terminated", tell)
    for name in ("_build_sync_resolver", "_build_sync2_resolver"):
        monkeypatch.setattr(StateTaskServiceSfn, name, heard(getattr(StateTaskServiceSfn, name)))
    monkeypatch.setattr(state_task_service_callback, "_DELAY_SECONDS_SYNC_CONDITION_CHECK", 0)


def _wait_for_end(arn: str, seconds: float) -> bool:
    """Whether an execution ends within so many seconds, or has ended."""
    execution = _execution(arn)
    with _an_end:
        return bool(_an_end.wait_for(lambda: execution.status != "RUNNING", seconds))


def _execution(arn: str) -> Any:
    """What moto knows of an execution, without a request."""
    return stepfunctions_parser_backends[ACCOUNT_ID][REGION].describe_execution(arn)


def _let_no_time_pass(monkeypatch: pytest.MonkeyPatch, deployed: Workflows) -> None:
    """Retries, waits and the polling of nested executions go on at once."""

    def wait_hardly(_: WaitFunction, env: Any, wait_seconds: int) -> None:
        assert wait_seconds >= 0
        deployed.meanwhile(wait_seconds)
        env.program_state_event.wait(0.01)

    def know_the_wait(_: TimeoutSecondsPath, env: Environment) -> None:
        # Also of a state whose time is up already: moto would write down its input in place of the seconds.
        env.stack.append(deployed.wait_seconds)

    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(WaitFunction, "_wait_interval", wait_hardly)
    monkeypatch.setattr(TimeoutSecondsPath, "eval", know_the_wait)


def _let_states_write_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the body of an object as Step Functions does, as JSON."""

    def as_json(_: StateTaskServiceAwsSdk, parameters: dict[str, Any]) -> None:
        parameters["Body"] = json.dumps(parameters["Body"]).encode()

    monkeypatch.setattr(StateTaskServiceAwsSdk, "_normalise_parameters", as_json, raising=False)


def _let_nested_executions_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write members as Step Functions does (``StateMachineArn``), where moto leaves boto3's way."""

    def renamed(change: Callable[[str], str]) -> Callable[..., None]:
        def rename(_: StateTaskService, *positional: Any, **named: Any) -> None:
            members = (*positional, *named.values())[0]
            for name in list(members) if isinstance(members, dict) else ():
                members[change(name[0]) + name[1:]] = members.pop(name)

        return rename

    monkeypatch.setattr(StateTaskService, "_normalise_parameters", renamed(str.lower))
    monkeypatch.setattr(StateTaskService, "_normalise_response", renamed(str.upper))


def _let_a_stop_be_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped execution ends ``ABORTED``, where moto calls it failed when the stop interrupts a wait for an event."""

    def fail_unless_stopped(
        environment: Environment, error: Any, fail: Callable[..., None] = Environment.set_error
    ) -> None:
        if not isinstance(environment.program_state(), ProgramStopped):
            fail(environment, error)

    monkeypatch.setattr(Environment, "set_error", fail_unless_stopped)


def _error(name: str, message: str, stack: list[str] | None = None) -> str:
    """What the Python runtime writes for an exception.

    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    """
    return json.dumps({"errorMessage": message, "errorType": name, "stackTrace": stack or []})
