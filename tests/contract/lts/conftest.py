"""The LTS mock over real HTTP, in front of moto's S3, with a clock that the tests move."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import httpx
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from mocks.lts.service import Options
from mocks.lts.tape import Hardware
from mocks.lts.testing import run_mock_lts
from tests.support.loopback import LOOPBACK

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MIGRATION_DELAY = 60.0
RECALL_DELAY = 600.0
DAY = 86_400.0

# Slow on purpose: nothing happens by itself while a test runs, only when it moves the clock.
SLOW_TAPE = Hardware(MIGRATION_DELAY, drives=2, recall_delay=RECALL_DELAY)


@dataclass
class TapeMock:
    """A running mock as a test sees it: an S3 client, its admin and its test routes."""

    url: str
    bucket: str
    s3: "S3Client"

    def put(self, key: str, body: bytes = b"some bytes", **more: Any) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def get(self, key: str, **more: Any) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key, **more)["Body"].read()

    def put_on_tape(self, key: str, body: bytes = b"some bytes") -> None:
        self.put(key, body)
        self.advance(MIGRATION_DELAY)

    def recall(self, key: str, days: int = 1, tier: str = "Standard") -> int:
        request: Any = {"Days": days, "GlacierJobParameters": {"Tier": tier}}
        answer = self.s3.restore_object(Bucket=self.bucket, Key=key, RestoreRequest=request)
        return answer["ResponseMetadata"]["HTTPStatusCode"]

    def advance(self, seconds: float) -> None:
        self.tell("__clock", {"advance_s": seconds})

    def tell(self, route: str, body: Any) -> httpx.Response:
        return LOOPBACK.post(f"{self.url}/{route}", json=body).raise_for_status()

    def state(self, key: str) -> dict[str, Any]:
        objects: dict[str, dict[str, Any]] = self.whole_state()["objects"]
        return objects[key]

    def whole_state(self) -> dict[str, Any]:
        state: dict[str, Any] = LOOPBACK.get(f"{self.url}/__state").json()
        return state

    def events(self, key: str) -> list[str]:
        """What happened to an object, in order."""
        return [event["what"] for event in self.whole_state()["events"] if event["key"] == key]

    def place(self, key: str) -> str:
        return str(self.state(key)["place"])


def client_of(url: str) -> "S3Client":
    """An S3 client that does not retry, so that a test sees each answer."""
    config = Config(
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        # moto sends the checksum of the whole object with a part of it.
        response_checksum_validation="when_required",
    )
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any_id",
        aws_secret_access_key="any_secret",
        config=config,
    )


@pytest.fixture(scope="session")
def store() -> Iterator[str]:
    """URL of the S3 store behind the tape."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


type StartMock = Callable[..., AbstractContextManager[TapeMock]]


@pytest.fixture
def behind(store: str) -> Iterator["S3Client"]:
    """An S3 client of the store itself, beside the tape."""
    client = client_of(store)
    yield client
    client.close()


@pytest.fixture
def start_mock(store: str, behind: "S3Client", tmp_path: Path) -> StartMock:
    """Starts the mock over one bucket and one state folder, as often as asked: a restart."""
    bucket = f"lts-{uuid4()}"
    behind.create_bucket(Bucket=bucket)

    @contextmanager
    def start(hardware: Hardware = SLOW_TAPE, **more: Any) -> Iterator[TapeMock]:
        with run_mock_lts(Options(store, tmp_path, bucket, hardware=hardware, **more)) as url:
            s3 = client_of(url)
            yield TapeMock(url, bucket, s3)
            s3.close()

    return start


@pytest.fixture
def lts(start_mock: StartMock) -> Iterator[TapeMock]:
    with start_mock() as mock:
        yield mock
