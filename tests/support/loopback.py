"""HTTP on this machine: a client for every test, and a server of a few lines for those that need one."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import httpx

# Nobody speaks TLS here, and reading the certificates of all authorities takes longer than most tests' requests.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def loopback_client(url: str = "") -> httpx.Client:
    """A client for the server at ``url``; it asks no proxy."""
    # A server that ends with its test leaves no connection behind for another on its port.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=url, trust_env=False, verify=_NO_CERTIFICATES, limits=limits, timeout=30)


LOOPBACK: Final = loopback_client()


class QuietHandler(BaseHTTPRequestHandler):
    """Answers every method alike, and writes no log."""

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PATCH(self) -> None:
        self.answer()

    def do_DELETE(self) -> None:
        self.answer()

    def answer(self) -> None:
        """Answer the request."""
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    # As many callers at once as a test may start.
    request_queue_size = 100

    def handle_error(self, *_: object) -> None:
        """A client that stops reading is part of the tests."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer on a free port of the loopback interface until the block ends; gives the server's URL."""
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
