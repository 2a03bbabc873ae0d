"""The project's SciCat without a socket: the same application, called in the test's own process."""

import asyncio
import io
import itertools
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import urllib3
from urllib3.exceptions import ProtocolError

from mocks.scicat.configuration import Configuration
from mocks.scicat.service import Service
from mocks.scicat.storage.store import Document, Kind
from mocks.scicat.testing import serving_app
from tests.faults.wire import Request, Wire
from tests.support.catalogue import ACCOUNTS

_REFUSAL = b'"Internal server error"'
# Good answers with nothing in them.
_HOLLOW = (b"", b"{}", b"[]", b"null", b"<html></html>", b'{"pid":', b'[{"id":')


class MemoryScicat:
    """A SciCat with its accounts; ``store`` is its database. What workers ask for is carried by ``wire``.

    ``heard`` is called for each change that a worker asks it for, with the run and the request's method and path.
    """

    def __init__(self, folder: Path, wire: Wire) -> None:
        self._until_closed = ExitStack()
        self._app = self._until_closed.enter_context(serving_app(folder, ACCOUNTS, Configuration()))
        self._loop = asyncio.new_event_loop()
        self._wire = wire
        self._hollow = itertools.cycle(_HOLLOW)
        self.heard: Callable[[str, str], None] = lambda *_: None
        service: Service = self._app.state.service
        self.store = service.store
        self.accounts = service.accounts

    def close(self) -> None:
        """Let go of the database."""
        self._loop.run_until_complete(self._close())
        self._loop.close()
        self._until_closed.close()

    async def _close(self) -> None:
        async with self._app.router.lifespan_context(self._app):
            pass

    def request(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> urllib3.HTTPResponse:
        """What urllib3's pool answers to the service under test; stands in for it."""

        def do() -> urllib3.HTTPResponse:
            path = urlsplit(url).path
            if self._wire.worker is not None and method != "GET" and not path.endswith("/login"):
                self.heard(self._wire.worker.run_id, f"{method} {path}")
            return _response(*self._ask(method, url, body or b"", headers or {}))

        def altered() -> urllib3.HTTPResponse:
            answer = do()
            return _response(answer.status, {}, next(self._hollow)) if answer.status < 300 else answer

        silence = ProtocolError("Connection aborted.")
        try:
            return self._wire.carry("scicat", Request(do, _RefusedError(), silence, altered))
        except _RefusedError:
            return _response(500, {}, _REFUSAL)

    def ask(self, username: str, method: str, path: str, body: object) -> None:
        """Ask as somebody with an account; fails unless SciCat agrees."""
        status, content = self.try_to(username, method, path, body)
        assert status < 300, f"{method} {path}: {status} {content!r}"

    def try_to(self, username: str, method: str, path: str, body: object) -> tuple[int, bytes]:
        """Ask as somebody with an account, logged in this moment; what SciCat answers."""
        account = self.accounts.named(username)
        assert account is not None
        headers = {"Authorization": f"Bearer {self.accounts.new_token(account)}", "Content-Type": "application/json"}
        status, _, content = self._ask(method, path, orjson.dumps(body), headers)
        return status, content

    def dataset(self, pid: str) -> Document | None:
        """A dataset as the database has it."""
        return self.store.get(Kind.DATASET, pid)

    def datablocks(self, pid: str) -> list[Document]:
        """Its datablocks."""
        return self.store.of_dataset(Kind.DATABLOCK, pid)

    def _ask(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        return self._loop.run_until_complete(self._answer(method, url, body, headers))

    async def _answer(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """One request by the protocol between servers and applications (https://asgi.readthedocs.io)."""
        split = urlsplit(url)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": split.path,
            "raw_path": split.path.encode(),
            "query_string": split.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
        }
        answer: dict[str, Any] = {"body": b""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            answer.update(message | {"body": answer["body"] + message.get("body", b"")})

        await self._app(scope, receive, send)
        told = {name.decode(): value.decode() for name, value in answer["headers"]}
        return answer["status"], told, answer["body"]


class _RefusedError(Exception):
    """SciCat is to answer 500."""


def _response(status: int, headers: Mapping[str, str], body: bytes) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(io.BytesIO(body), dict(headers), status, preload_content=False)
