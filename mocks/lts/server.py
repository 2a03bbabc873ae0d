"""Runs the service under uvicorn, on the loopback interface only."""

import socket

import uvicorn

from mocks.lts.service import Options, create_app
from mocks.serving import Server

HOST = "127.0.0.1"


class LtsServer:
    """One mock on one port; port 0 means any free one."""

    def __init__(self, options: Options, port: int) -> None:
        self._socket = socket.create_server((HOST, port))
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        # Date and Server are the store's own, passed through.
        config = uvicorn.Config(
            create_app(options, self.stop),
            date_header=False,
            server_header=False,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
        self._server = Server(config)

    def run(self) -> None:
        """Serve until stopped."""
        self._server.run(sockets=[self._socket])

    @property
    def started(self) -> bool:
        """Whether requests are answered."""
        return self._server.started

    def stop(self) -> None:
        """Finish what is being answered, then end."""
        self._server.end()
