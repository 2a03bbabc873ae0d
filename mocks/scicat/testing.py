"""Run this SciCat within a test's process, on a free port of the loopback interface."""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from mocks.scicat.accounts import Account, Accounts, default_accounts
from mocks.scicat.app import an_application, give_service
from mocks.scicat.configuration import Configuration
from mocks.scicat.storage.store import Store
from mocks.serving import Server

_START_SECONDS = 10
# Applications whose SciCats have ended. An application makes its routes when it is first asked, which takes longer than
# most tests do.
_idle: list[FastAPI] = []


@dataclass(frozen=True, slots=True)
class RunningScicat:
    """A SciCat to ask at ``url`` (without ``/api``), as one of ``accounts`` by name.

    ``logins`` can let tokens expire; ``store`` is for looking only, after the requests have been answered.
    """

    url: str
    accounts: dict[str, Account]
    logins: Accounts
    store: Store

    def credentials(self, name: str = "archiver") -> tuple[str, str]:
        """Username and password of an account."""
        account = self.accounts[name]
        return account.username, account.password


@contextmanager
def serving_app(state_dir: Path, accounts: Iterable[Account], configuration: Configuration) -> Iterator[FastAPI]:
    """This SciCat's application; another may be served by it after the block."""
    app = _idle.pop() if _idle else an_application()
    give_service(app, state_dir, accounts, configuration)
    yield app
    _idle.append(app)


@contextmanager
def run_mock_scicat(
    state_dir: Path, *, configuration: Configuration | None = None, accounts: Iterable[Account] | None = None
) -> Iterator[RunningScicat]:
    """Serve until the block ends; the same ``state_dir`` again is a restart. Without ``accounts``, the default ones."""
    state_dir.mkdir(parents=True, exist_ok=True)
    known = list(accounts) if accounts is not None else default_accounts(state_dir / "accounts.json")
    with (
        serving_app(state_dir, known, configuration or Configuration()) as app,
        # asyncio turns Nagle's delay off only on sockets that name TCP as their protocol.
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener,
    ):
        listener.bind(("127.0.0.1", 0))
        # Who still asks when a test is over is not waited for.
        configured = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="on", ws="none", timeout_graceful_shutdown=1
        )
        server = Server(configured)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="scicat", daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            service = app.state.service
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield RunningScicat(url, {one.username: one for one in known}, service.accounts, service.store)
        finally:
            server.end()
            thread.join(_START_SECONDS)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the SciCat mock did not start")
        time.sleep(0.002)
