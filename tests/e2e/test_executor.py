"""The process Lambda executor, on a LocalStack of its own: what a function may do, and what becomes of it."""

import base64
import io
import json
import os
import re
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from local import environments
from local.configuration import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Configuration
from local.executor.process_executor.process_tree import descendants
from local.executor.process_executor.sandbox import MIB, free_ports
from local.processes import programs
from local.processes.services import Register, start_time

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_s3 import S3Client
    from types_boto3_stepfunctions import SFNClient

ROLE = "arn:aws:iam::000000000000:role/any-role"

# One function that does what its event says; ENVIRONMENT is new for each execution environment.
CODE = """
import os, time, uuid

ENVIRONMENT = uuid.uuid4().hex
VARIABLES = ("ANY_VARIABLE", "AWS_ENDPOINT_URL", "AWS_REGION", "SHELL")

def handler(event, context):
    do = event.get("do")
    print("asked to", do)
    begun = time.time()
    if do == "sleep":
        time.sleep(event["seconds"])
    elif do == "raise":
        raise KeyError("no such dataset")
    elif do == "exit":
        os._exit(3)
    elif do == "fill memory":
        held = []
        while True:
            held.append(bytearray(8 * 1024**2))
            time.sleep(0.01)
    elif do == "hold much for a moment":
        b"x" * 64 * 1024**2
    elif do == "use the layer":
        import greeting
        return greeting.WORDS
    elif do == "return something like an error":
        return {"errorType": "any", "errorMessage": "any"}
    return {
        "environment": ENVIRONMENT, "begun": begun, "ended": time.time(), "request": context.aws_request_id,
        "variables": {name: os.environ.get(name) for name in VARIABLES},
        "remaining": context.get_remaining_time_in_millis(), "memory": context.memory_limit_in_mb,
    }
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Lambda answered: the result or the error, and the last lines of the log."""

    body: Any
    failed: bool
    log: str


class Account:
    """A LocalStack with the executor, and what the tests do with it."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.register = Register(configuration.state)
        self.running = self.register.start(programs.localstack(configuration))
        self.functions: LambdaClient = self._client("lambda")
        self.logs: CloudWatchLogsClient = self._client("logs")
        self.objects: S3Client = self._client("s3")
        self.workflows: SFNClient = self._client("stepfunctions")

    def deploy(self, name: str, *, code: str = CODE, **settings: Any) -> str:
        """Create a function from the text of its module; returns its name."""
        wanted = {"Timeout": 10, "MemorySize": 128} | settings
        self.functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": a_zip({"app.py": code})},
            **wanted,
        )
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        return name

    def invoke(self, name: str, **event: Any) -> Outcome:
        answer = self.functions.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        log = base64.b64decode(answer.get("LogResult", "")).decode()
        return Outcome(json.loads(answer["Payload"].read()), "FunctionError" in answer, log)

    def start_again(self) -> None:
        self.running = self.register.start(programs.localstack(self.configuration))

    def stop(self) -> None:
        self.register.stop(self.running)

    def _client(self, service: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.configuration.aws_url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
        )


def a_zip(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    port = str(free_ports(1)[0])
    state = str(tmp_path_factory.mktemp("executor"))
    configuration = Configuration.of({"STATE_DIR": state, "LOCALSTACK_PORT": port})
    for name in environments.NAMES:
        environments.make(name, configuration)
    account = Account(configuration)
    yield account
    account.stop()


@pytest.fixture(scope="module")
def function(account: Account) -> str:
    return account.deploy("any-function", Environment={"Variables": {"ANY_VARIABLE": "any value"}})


def test_result_is_returned_and_the_function_sees_its_environment_and_nothing_of_this_machine(
    account: Account, function: str
) -> None:
    outcome = account.invoke(function)

    assert not outcome.failed
    assert outcome.body["variables"] == {
        "ANY_VARIABLE": "any value",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{account.configuration.localstack_port}",
        "AWS_REGION": REGION,
        "SHELL": None,
    }
    assert outcome.body["memory"] == "128"
    assert 5_000 < outcome.body["remaining"] <= 10_000


def test_changed_settings_are_live_at_once_with_the_same_code(account: Account) -> None:
    name = account.deploy("any-changing-function")
    account.invoke(name)

    account.functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"ANY_VARIABLE": "new"}}
    )
    account.functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})

    assert account.invoke(name).body["variables"]["ANY_VARIABLE"] == "new"


def test_error_of_the_function_bears_class_message_and_stack(account: Account, function: str) -> None:
    outcome = account.invoke(function, do="raise")

    assert outcome.failed
    assert outcome.body["errorType"] == "KeyError"
    assert outcome.body["errorMessage"] == "'no such dataset'"
    assert 'raise KeyError("no such dataset")' in "".join(outcome.body["stackTrace"])
    assert "[ERROR] KeyError: 'no such dataset'" in outcome.log


def test_result_that_looks_like_an_error_is_a_result(account: Account, function: str) -> None:
    outcome = account.invoke(function, do="return something like an error")

    assert not outcome.failed


def test_function_that_cannot_be_imported_says_why(account: Account) -> None:
    broken = account.deploy("any-broken-function", code="import nothing_of_that_name")

    outcome = account.invoke(broken)

    assert outcome.failed
    assert outcome.body["errorType"] == "Runtime.ImportModuleError"
    assert "nothing_of_that_name" in outcome.body["errorMessage"]


def test_function_over_its_timeout_is_killed_and_reported_as_lambda_does(account: Account) -> None:
    slow = account.deploy("any-slow-function", Timeout=1)

    begun = time.monotonic()
    outcome = account.invoke(slow, do="sleep", seconds=30)

    assert time.monotonic() - begun < 5
    assert outcome.failed
    assert outcome.body["errorType"] == "Sandbox.Timedout"
    assert re.fullmatch(
        r"RequestId: [0-9a-f-]+ Error: Task timed out after 1\.00 seconds", outcome.body["errorMessage"]
    )
    assert "Task timed out after 1.00 seconds" in outcome.log
    assert not account.invoke(slow).failed


def test_function_that_ends_its_process_is_an_error_and_the_next_invocation_works(
    account: Account, function: str
) -> None:
    outcome = account.invoke(function, do="exit")

    assert outcome.failed
    assert outcome.body["errorType"] == "Runtime.ExitError"
    assert "Runtime exited with error: exit status 3" in outcome.body["errorMessage"]
    assert "REPORT RequestId:" in outcome.log
    assert not account.invoke(function).failed


def test_function_over_its_memory_size_is_killed_and_the_next_invocation_works(account: Account, function: str) -> None:
    outcome = account.invoke(function, do="fill memory")

    assert outcome.failed
    assert outcome.body["errorType"] == "Runtime.ExitError"
    assert "Runtime exited with error: signal: killed" in outcome.body["errorMessage"]
    assert "Max Memory Used: 128 MB" in outcome.log
    assert not account.invoke(function).failed


def test_report_says_how_much_memory_was_used(account: Account, function: str) -> None:
    outcome = account.invoke(function)

    used = re.search(r"Memory Size: 128 MB\tMax Memory Used: (\d+) MB", outcome.log)
    assert used
    assert 10 < int(used[1]) < 100


def test_report_knows_of_memory_that_was_held_for_a_moment(account: Account) -> None:
    name = account.deploy("any-greedy-function")
    account.invoke(name)

    log = account.invoke(name, do="hold much for a moment").log

    used = re.search(r"Max Memory Used: (\d+) MB", log)
    assert used
    assert 64 < int(used[1]) < 128


def test_function_imports_from_its_layer(account: Account) -> None:
    layer = account.functions.publish_layer_version(
        LayerName="any-layer", Content={"ZipFile": a_zip({"python/greeting.py": "WORDS = 'from the layer'"})}
    )
    layered = account.deploy("any-function-with-a-layer", Layers=[layer["LayerVersionArn"]])

    assert account.invoke(layered, do="use the layer").body == "from the layer"


def test_two_at_once_overlap_and_their_environments_are_used_again(account: Account) -> None:
    name = account.deploy("any-concurrent-function")

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: account.invoke(name, do="sleep", seconds=1.5).body, range(2))
    third = account.invoke(name).body

    assert one["environment"] != two["environment"]
    assert max(one["begun"], two["begun"]) < min(one["ended"], two["ended"])
    assert third["environment"] in {one["environment"], two["environment"]}


def test_steps_of_a_workflow_take_turns_and_use_few_processes(account: Account, function: str) -> None:
    resource = account.functions.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    task = {"Type": "Task", "Resource": resource, "TimeoutSeconds": 5, "End": True}
    one = {"StartAt": "One", "States": {"One": task}}
    every = {"StartAt": "All", "States": {"All": {"Type": "Map", "ItemProcessor": one, "End": True}}}
    workflows = account.workflows
    machine = workflows.create_state_machine(name="any-crowd", definition=json.dumps(every), roleArn=ROLE)
    work = {"do": "sleep", "seconds": 0.5}

    def start(group: str, count: int) -> str:
        given = json.dumps([work | {"owner_group": group}] * count)
        return workflows.start_execution(stateMachineArn=machine["stateMachineArn"], input=given)["executionArn"]

    def status(arn: str) -> str:
        return workflows.describe_execution(executionArn=arn)["status"]

    crowd = start("many", 160)  # together they take longer than each may
    alone = start("few", 1)

    assert eventually(lambda: status(alone) == "SUCCEEDED", 60)
    assert status(crowd) == "RUNNING", "another group's crowd held it up"
    assert eventually(lambda: status(crowd) == "SUCCEEDED", 60)
    answers = json.loads(workflows.describe_execution(executionArn=crowd)["output"])
    at_work = [sum(one["begun"] <= other["begun"] < one["ended"] for one in answers) for other in answers]
    assert 1 < max(at_work) <= programs.STEPS_AT_ONCE
    assert len({answer["environment"] for answer in answers}) <= 2 * programs.STEPS_AT_ONCE


@pytest.mark.usefixtures("function")  # LocalStack loads its executor for the first function
def test_upload_that_is_completed_again_and_again_at_once_keeps_its_bytes(account: Account) -> None:
    objects, content = account.objects, os.urandom(32 * MIB)
    objects.create_bucket(Bucket="any-bucket")
    created = objects.create_multipart_upload(
        Bucket="any-bucket", Key="any-large-file", ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT"
    )
    upload: Any = {name: created[name] for name in ("Bucket", "Key", "UploadId")}
    upload_part = partial(objects.upload_part, **upload, Body=content, ChecksumAlgorithm="CRC64NVME")
    numbers = range(1, 9)
    etags = [upload_part(PartNumber=number)["ETag"] for number in numbers]
    parts: Any = [{"PartNumber": number, "ETag": etag} for number, etag in zip(numbers, etags, strict=True)]

    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(objects.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts}) for _ in range(4)
        ]

    assert any(one.exception() is None for one in asked)  # the last may find no upload any more
    kept = objects.get_object(Bucket="any-bucket", Key="any-large-file")["Body"]
    assert all(kept.read(len(content)) == content for _ in numbers)


def test_more_than_the_reserved_concurrency_is_throttled(account: Account) -> None:
    name = account.deploy("any-reserved-function")
    account.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(account.invoke, name, do="sleep", seconds=2)
        log = account.configuration.logs / "functions" / f"{name}.log"
        assert eventually(lambda: log.is_file() and "asked to sleep" in log.read_text())
        with pytest.raises(account.functions.exceptions.TooManyRequestsException):
            account.invoke(name)
        assert not first.result().failed


def test_step_that_lambda_throttles_is_tried_again_by_the_name_that_aws_gives_it(account: Account) -> None:
    name = account.deploy("any-throttled-function")
    account.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    resource = account.functions.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    again = {"ErrorEquals": ["Lambda.TooManyRequestsException"], "IntervalSeconds": 1, "MaxAttempts": 20}
    task = {"Type": "Task", "Resource": resource, "Retry": [again], "End": True}
    one = {"StartAt": "One", "States": {"One": task}}
    both = {"StartAt": "Both", "States": {"Both": {"Type": "Map", "ItemProcessor": one, "End": True}}}
    workflows = account.workflows
    machine = workflows.create_state_machine(name="any-throttled", definition=json.dumps(both), roleArn=ROLE)
    pair = json.dumps([{"do": "sleep", "seconds": 0.5}] * 2)

    arn = workflows.start_execution(stateMachineArn=machine["stateMachineArn"], input=pair)["executionArn"]

    assert eventually(lambda: workflows.describe_execution(executionArn=arn)["status"] == "SUCCEEDED", 30)
    first, second = sorted(
        json.loads(workflows.describe_execution(executionArn=arn)["output"]), key=itemgetter("begun")
    )
    assert first["ended"] <= second["begun"]


def test_logs_are_in_the_folder_and_in_the_functions_log_group(account: Account) -> None:
    name = account.deploy("any-logging-function", LoggingConfig={"LogGroup": "/any/group"})
    request = account.invoke(name, do="be heard").body["request"]

    def in_cloudwatch() -> str:
        groups = account.logs.describe_log_groups(logGroupNamePrefix="/any/group")["logGroups"]
        events = account.logs.filter_log_events(logGroupName="/any/group")["events"] if groups else []
        return "".join(event["message"] for event in events)

    text = (account.configuration.logs / "functions" / f"{name}.log").read_text()
    assert "asked to be heard\n" in text
    assert f"START RequestId: {request}" in text
    assert f"REPORT RequestId: {request}" in text
    assert "(rapid)" not in text
    assert eventually(lambda: "asked to be heard" in in_cloudwatch())


def test_nothing_survives_a_killed_localstack_and_a_new_one_works(account: Account) -> None:
    name = account.deploy("any-interrupted-function")
    with ThreadPoolExecutor(4) as pool:
        interrupted = [pool.submit(account.invoke, name, do="sleep", seconds=60) for _ in range(4)]
        log = account.configuration.logs / "functions" / f"{name}.log"
        assert eventually(lambda: log.is_file() and log.read_text().count("asked to sleep") == len(interrupted))
        family = {pid: start_time(pid) for pid in descendants(account.running.pid)}

        os.kill(account.running.pid, signal.SIGKILL)

        assert len(family) >= 2 * len(interrupted)  # an emulator and its function each, at least
        assert eventually(lambda: not any(start_time(pid) == started for pid, started in family.items()))
        assert all(one.exception() for one in interrupted)

    account.start_again()
    assert not account.invoke(account.deploy(name)).failed
