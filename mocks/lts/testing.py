"""Starts the LTS mock inside a test's own process."""

import contextlib
import threading
import time
from collections.abc import Iterator

from mocks.lts.server import LtsServer
from mocks.lts.service import Options

_START_SECONDS = 10.0


@contextlib.contextmanager
def run_mock_lts(options: Options, port: int = 0) -> Iterator[str]:
    """Run the mock in a thread, on any free port by default; yields its URL."""
    server = LtsServer(options, port)
    thread = threading.Thread(target=server.run, name="mock-lts")
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield server.url
    finally:
        server.stop()
        thread.join()


def _wait_until_started(server: LtsServer, thread: threading.Thread) -> None:
    patience = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > patience:
            raise TimeoutError("the LTS mock did not start")
        time.sleep(0.002)
