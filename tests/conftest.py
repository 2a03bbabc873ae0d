"""What every test may use: an account without AWS, a catalogue without SciCat, and no host but this one."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import hypothesis
import pytest
import stamina
from moto import mock_aws
from moto.s3 import urls as s3_urls
from moto.s3.models import S3Backend, s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from pytest_socket import socket_allow_hosts

from archiver.aws import clients
from archiver.scicat.responses import Answer
from archiver.scicat.transport import Request, Server
from archiver.settings import Settings
from tests.support.account import (
    ACCOUNT_ID,
    BUCKETS,
    ENVIRONMENT,
    REGION,
    ROOT,
    SECRETS,
    LambdaContext,
    forget_what_processes_remember,
    state_machine_arn,
)
from tests.support.archiver_api import Api
from tests.support.catalogue import Scicat, a_scicat
from tests.support.catalogue_calls import Call, call_of, uncovered
from tests.support.conditional_deletes import compare_etags
from tests.support.memory_clients import answer_from_memory
from tests.support.permissions import enforced_permissions
from tests.support.s3_faults import Exchange, S3Faults, S3Request, Send, faulty_s3

if TYPE_CHECKING:
    from moto.core.config import DefaultConfig
    from types_boto3_s3 import S3Client

# What a request for a secret need not say, and moto's own method must be told.
_UNSAID: dict[str, Any] = dict.fromkeys(
    ("secret_binary", "description", "tags", "kms_key_id", "client_request_token", "force_overwrite")
) | {"replica_regions": []}

# What properties are tried with: the same examples each time, so that a test that fails is due to what was changed.
# `pytest --hypothesis-profile thorough` tries others, and more.
hypothesis.settings.register_profile("repeatable", max_examples=50, derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("thorough", max_examples=1_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("repeatable")


def pytest_runtest_setup() -> None:
    """Tests talk to this machine only, and to the catalogue that `make contract` names; others they cannot reach."""
    catalogue = urlsplit(os.environ.get("SCICAT_URL", "")).hostname
    socket_allow_hosts(["127.0.0.1", "::1", "localhost", *filter(None, [catalogue])], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def recorded_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[Call]]:
    """What the service asks SciCat in a test. The test fails for what no recording of a real one covers."""
    asked: set[Call] = set()
    exchange = Server.exchange

    def noted(server: Server, request: Request, token: str | None = None) -> Answer:
        asked.add(call_of(request.method, request.path, request.body))
        return exchange(server, request, token)

    monkeypatch.setattr(Server, "exchange", noted)
    yield asked
    unknown = {reason for call in asked if (reason := uncovered(call)) is not None}
    assert not unknown, "The service asks SciCat what nobody has seen it answer:\n" + "\n".join(sorted(unknown))


@pytest.fixture
def lambda_context() -> LambdaContext:
    return LambdaContext()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The environment of a function; change it with the monkeypatch it returns, before anything is called."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN", *map(str.upper, Settings.model_fields)):
        monkeypatch.delenv(name, raising=False)
    machines = {path.name.partition(".")[0] for path in (ROOT / "statemachine").glob("*.asl.json")}
    arns = {f"{name.upper()}_STATE_MACHINE_ARN": state_machine_arn(name) for name in machines}
    for name, value in (ENVIRONMENT | arns).items():
        monkeypatch.setenv(name, value)
    forget_what_processes_remember()
    yield monkeypatch
    forget_what_processes_remember()


@pytest.fixture
def aws(environment: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator["S3Client"]:
    """An empty account: four buckets, the secrets, Step Functions that run, permissions. Returns its S3 client.

    S3 and the secrets are in memory; where a test has ``wire``, requests pass through all of botocore to moto's.
    """
    running: DefaultConfig = {
        "stepfunctions": {"execute_state_machine": True},
        "lambda": {"use_docker": False},
        # A session for all tests: a new one reads the descriptions of all services again.
        "core": {"reset_boto3_session": False},
    }
    # Of one region the URLs are always the same; moto reads their module from the disk again for each request.
    environment.setattr(S3Backend, "_url_module", s3_urls)
    with mock_aws(config=running):
        if "wire" in request.fixturenames:
            _fill_account()
        else:
            answer_from_memory(environment)
        with enforced_permissions() as refused:
            s3 = boto3.client("s3")
            if "wire" in request.fixturenames:
                compare_etags(clients.s3(), s3)
            yield s3
    assert not refused


def _fill_account() -> None:
    """What requests would make, without the requests: they take longer than most tests."""
    for bucket in BUCKETS:
        s3_backends[ACCOUNT_ID]["aws"].create_bucket(bucket, REGION)
    for name, value in SECRETS.items():
        secretsmanager_backends[ACCOUNT_ID][REGION].create_secret(name, json.dumps(value), **_UNSAID)


@pytest.fixture
def wire() -> None:
    """Requests of a test that has this pass through botocore and HTTP (``aws``), where they may be seen or broken."""


@pytest.fixture
def s3_faults(wire: None, aws: "S3Client", environment: pytest.MonkeyPatch) -> Iterator[S3Faults]:
    """What befalls the service's requests to S3: nothing, until a test says so."""
    assert wire is None
    assert aws
    with faulty_s3(environment) as faults:
        yield faults


@pytest.fixture
def atomic_s3(s3_faults: S3Faults) -> None:
    """One request at a time: between a condition and what it is for moto lets others in, which S3 does not."""
    one_at_a_time = Lock()

    def alone(_: S3Request, send: Send) -> Exchange:
        with one_at_a_time:
            return send()

    s3_faults.intercept(alone)


@pytest.fixture
def scicat(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Scicat]:
    """A SciCat of this test's own, with our account in it; it remembers what it was told."""
    with a_scicat(tmp_path, environment) as running:
        yield running


@pytest.fixture
def api(aws: "S3Client") -> Api:
    """The API without API Gateway, in an empty account."""
    assert aws
    return Api(LambdaContext("Api"))


@pytest.fixture
def no_pauses() -> Iterator[None]:
    """The catalogue client repeats a request three times, at once."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield
