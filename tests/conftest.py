"""What every test may use: an account without AWS, a catalogue without SciCat, and no host but this one."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from aws_lambda_powertools.utilities import parameters
from moto import mock_aws
from pytest_socket import socket_allow_hosts

from mocks.scicat.accounts import Account
from mocks.scicat.testing import RunningScicat, run_mock_scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ROOT = Path(__file__).parents[1]
REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
PID_PREFIX = "20.500.11935"
# Nothing listens there: a test that talks to the catalogue asks for the fixture ``scicat``.
NOWHERE = "http://127.0.0.1:9"

BUCKETS = ("landing", "staging", "lts", "retrieval")
SECRETS = {
    "scicat": {"username": "archiver", "password": "archiver"},
    "job-api": {"username": "scicat", "password": "any-job-password"},
    "link": {"key": "any-key-that-is-long-enough-to-sign-links"},
}
# The environment of a function, as the template sets it.
ENVIRONMENT = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "LANDING_BUCKET": "landing",
    "STAGING_BUCKET": "staging",
    "LTS_BUCKET": "lts",
    "RETRIEVAL_BUCKET": "retrieval",
    "SCICAT_URL": NOWHERE,
    "SCICAT_SECRET": "scicat",
    "PID_PREFIX": PID_PREFIX,
    "JOB_API_SECRET": "job-api",
    "LINK_SECRET": "link",
    "PUBLIC_API_URL": "http://127.0.0.1:9/api/v1",
}


def state_machine_arn(workflow: str) -> str:
    """The ARN that ``workflow`` (its file's stem) has in tests."""
    return f"arn:aws:states:{REGION}:{ACCOUNT_ID}:stateMachine:{workflow}"


def pytest_runtest_setup() -> None:
    """Tests talk to this machine only, and say so when they do not."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@dataclass(slots=True)
class LambdaContext:
    """Lambda's context object, as far as steps and Powertools read it. ``seconds`` remain."""

    function_name: str = "AnyFunction"
    seconds: float = 900.0
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:AnyFunction"
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@pytest.fixture
def lambda_context() -> LambdaContext:
    return LambdaContext()


def forget_what_processes_remember() -> None:
    """Empty every cache of our modules: a new test is a new process with another environment."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"archiver", "functions"}:
            for value in list(vars(module).values()):
                if callable(clear := getattr(value, "cache_clear", None)):
                    clear()
    parameters.clear_caches()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The environment of a function; change it with the monkeypatch it returns, before anything is called."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    machines = {f"{path.name.partition('.')[0]}" for path in (ROOT / "statemachine").glob("*.asl.json")}
    arns = {f"{name.upper()}_STATE_MACHINE_ARN": state_machine_arn(name) for name in machines}
    for name, value in (ENVIRONMENT | arns).items():
        monkeypatch.setenv(name, value)
    forget_what_processes_remember()
    yield monkeypatch
    forget_what_processes_remember()


@pytest.fixture
def aws(environment: pytest.MonkeyPatch) -> Iterator["S3Client"]:
    """An empty account: four buckets, the secrets, Step Functions that run. Returns its S3 client."""
    assert environment
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}):
        s3 = boto3.client("s3")
        for bucket in BUCKETS:
            s3.create_bucket(Bucket=bucket)
        secrets = boto3.client("secretsmanager")
        for name, value in SECRETS.items():
            secrets.create_secret(Name=name, SecretString=json.dumps(value))
        yield s3


@pytest.fixture
def scicat(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RunningScicat]:
    """A catalogue of its own for each test, with the account that the secret names; passwords are names."""
    groups = {
        "admin": {"admin"},
        "archiver": {"archivemanager", "ingestor", "jobmanager"},
        "user1": {"group1"},
        "user2": {"group2"},
    }
    accounts = [Account(name, name, frozenset(members)) for name, members in groups.items()]
    with run_mock_scicat(tmp_path / "scicat", accounts=accounts) as running:
        environment.setenv("SCICAT_URL", running.url)
        forget_what_processes_remember()
        yield running
