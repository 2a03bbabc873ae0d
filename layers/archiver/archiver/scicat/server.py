"""SciCat's server: a request, and its answer, whatever it is."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import urllib3

from archiver.scicat import receiving
from archiver.scicat.answers import Answer
from archiver.scicat.bodies import Json
from archiver.scicat.retries import UnansweredError, pause_asked_for

CONNECT_SECONDS, READ_SECONDS = 5.0, 40.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. ``receive`` reads the body of a good answer, by default as JSON of at most 64 MiB.

    ``expects`` are statuses that are as good as an answer here: nothing is the matter, and nothing is asked again.
    """

    method: str
    path: str
    # A login's body is a password.
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    receive: Callable[[urllib3.BaseHTTPResponse, str], Json] = receiving.whole
    expects: frozenset[int] = frozenset()

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"


class Server:
    """SciCat at its address. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        """``url`` is SciCat's address without ``/api/v3``."""
        self._url = url.rstrip("/")
        self._pool = urllib3.PoolManager(
            maxsize=8,
            cert_reqs="CERT_REQUIRED",
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        )

    def exchange(self, request: Request, token: str | None = None) -> Answer:
        """One request and its answer, with the token of whoever asks. Redirects are not followed.

        Raises UnansweredError when there is no answer, and what the request's ``receive`` raises.
        """
        asked = str(request)
        content = None if request.body is None else orjson.dumps(request.body)
        headers = {"Accept": "application/json", **request.headers}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        asked_at = time.monotonic()
        try:
            response = self._pool.request(
                request.method,
                self._url + request.path,
                body=content,
                headers=headers,
                redirect=False,
                preload_content=False,
            )
            with response:
                receive = request.receive if response.status == 200 else receiving.whole
                body = receive(response, asked)
        except urllib3.exceptions.HTTPError as error:
            raise UnansweredError(f"SciCat did not answer {asked}: {type(error).__name__}.") from None
        retry_after = pause_asked_for(response.headers.get("Retry-After"))
        waited = time.monotonic() - asked_at
        return Answer(asked, len(content or b""), response.status, body, retry_after, waited)
