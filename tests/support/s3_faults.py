"""An S3 that breaks when a test says so: it refuses, it does not answer, or its answer is lost on the way.

The faults lie under botocore's own retries, where the network is: a request that fails once is repeated by
botocore, one that fails five times is told to the service. Pauses between the repetitions take no time.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError

from archiver.aws import clients

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# What botocore's endpoint gives for a request: an answer as it came and as it was read, or why there is none.
type Exchange = tuple[tuple[AWSResponse, dict[str, Any]] | None, Exception | None]
type Send = Callable[[], Exchange]

ALWAYS = 1_000_000


class WorkerKilled(BaseException):
    """The worker is gone at once; Lambda says ``Runtime.ExitError``. No ``except Exception`` holds it up."""


@dataclass(frozen=True, slots=True)
class S3Request:
    """A request of the service: botocore's name of the operation, and what it is about."""

    operation: str
    bucket: str
    key: str


@dataclass(slots=True)
class _Fault:
    operation: str
    key: str
    bucket: str
    first: int
    last: int
    befall: Callable[[S3Request, Send], Exchange]
    seen: int = 0

    def strikes(self, asked: S3Request) -> bool:
        wanted = ((asked.operation, self.operation), (asked.key, self.key), (asked.bucket, self.bucket))
        if not all(fnmatchcase(given, pattern) for given, pattern in wanted):
            return False
        self.seen += 1
        return self.first <= self.seen <= self.last


@dataclass(slots=True)
class S3Faults:
    """What befalls the requests that the service makes of S3; those of the test itself always succeed.

    Operation, key and bucket are patterns (``*``); a fault befalls the ``nth`` matching request (repetitions
    count) and the following ones, ``times`` in all. ``requests`` are all that were made, in order.
    """

    requests: list[S3Request] = field(default_factory=list)
    _faults: list[_Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refuse(
        self,
        operation: str,
        code: str,
        status: int,
        *,
        key: str = "*",
        bucket: str = "*",
        nth: int = 1,
        times: int = 1,
        after_commit: bool = False,
        message: str = "",
    ) -> None:
        """Answer with an S3 error, such as ``"SlowDown", 503``; with ``after_commit`` it was done all the same."""

        def befall(asked: S3Request, send: Send) -> Exchange:
            if after_commit:
                send()
            return _error(code, status, message or f"Told to fail: {asked.operation}"), None

        self.intercept(befall, operation, key=key, bucket=bucket, nth=nth, times=times)

    def drop(
        self,
        operation: str,
        *,
        key: str = "*",
        bucket: str = "*",
        nth: int = 1,
        times: int = 1,
        after_commit: bool = False,
    ) -> None:
        """Break the connection before the request arrives, or ``after_commit``: it was done, nobody hears of it."""

        def befall(_: S3Request, send: Send) -> Exchange:
            if after_commit:
                send()
            return None, ConnectionClosedError(endpoint_url="http://any")

        self.intercept(befall, operation, key=key, bucket=bucket, nth=nth, times=times)

    def intercept(
        self,
        befall: Callable[[S3Request, Send], Exchange],
        operation: str = "*",
        *,
        key: str = "*",
        bucket: str = "*",
        nth: int = 1,
        times: int = ALWAYS,
    ) -> None:
        """Let ``befall`` answer matching requests; it may ``send()`` them, and may raise what no service raises."""
        self._faults.append(_Fault(operation, key, bucket, nth, nth + times - 1, befall))

    def befall(self, client: "S3Client") -> None:
        """Let the faults befall the requests of this client, too."""
        endpoint: Any = vars(client)["_endpoint"]
        exchange = endpoint._do_get_response

        def faulty(request: Any, model: Any, context: dict[str, Any]) -> Exchange:
            asked = _asked(request.url, model.name)
            with self._lock:
                self.requests.append(asked)
                struck = [fault for fault in self._faults if fault.strikes(asked)]

            def send() -> Exchange:
                answer: Exchange = exchange(request, model, context)
                return answer

            return struck[0].befall(asked, send) if struck else send()

        endpoint._do_get_response = faulty


@contextmanager
def faulty_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Faults]:
    """Faults of the account's own S3, none at first."""
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))
    faults = S3Faults()
    faults.befall(clients.s3())
    yield faults


def _asked(url: str, operation: str) -> S3Request:
    """The service addresses buckets by path."""
    bucket, _, key = urlsplit(url).path.removeprefix("/").partition("/")
    return S3Request(operation, bucket, unquote(key))


def _error(code: str, status: int, message: str) -> tuple[AWSResponse, dict[str, Any]]:
    raw: Any = SimpleNamespace(stream=lambda *_, **__: iter([b""]))
    answer = AWSResponse("http://any", status, HTTPHeaders(), raw)
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    return answer, {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}
