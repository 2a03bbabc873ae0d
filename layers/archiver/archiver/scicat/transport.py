"""SciCat's server: a request, and its answer, whatever it is."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import urllib3

from archiver.scicat.responses import Answer
from archiver.scicat.retries import UnansweredError, pause_asked_for
from archiver.scicat.shapes import Shape
from archiver.scicat.streaming import whole

CONNECT_SECONDS, READ_SECONDS = 5.0, 40.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    ``shape`` says what a good answer looks like (``shapes``): one of another form is none. ``expects`` are statuses
    that are as good as an answer here: nothing is the matter, and nothing is asked again.
    """

    method: str
    path: str
    shape: Shape
    # A login's body is a password.
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
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

        Raises UnansweredError when there is no answer, and ServiceRefused for one that is too large.
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
                body = whole(response, asked)
        except urllib3.exceptions.HTTPError as error:
            raise UnansweredError(f"SciCat did not answer {asked}: {type(error).__name__}.") from None
        retry_after = pause_asked_for(response.headers.get("Retry-After"))
        waited = time.monotonic() - asked_at
        return Answer(asked, len(content or b""), response.status, body, retry_after, waited)
