"""Kills function processes at their requests: the stack of the tests imports it as ``sitecustomize``, before all else.

An order is an empty file ``<function>/<request>-<when>`` beside this module. A process takes one at most (it
removes the file), counts its HTTP requests from then on, and dies ``before`` it sends that one, or ``after`` it was
answered. Each death is a line of the file ``killed``: function, request, when, and what was asked.
"""

import http.client
import os
import signal
import threading
from pathlib import Path
from typing import Any

_ORDERS = Path(__file__).parent


class _Death:
    """When and where this process dies."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._order: tuple[int, str] | None = None
        self._requests = 0

    def at(self, when: str, asked: str) -> None:
        """A request is about to be sent (``before``), or was answered (``after``)."""
        with self._lock:
            self._order = self._order or self._taken()
            if self._order is None:
                return
            self._requests += when == "before"
            if self._requests >= self._order[0] and when == self._order[1]:
                with (_ORDERS / "killed").open("a") as killed:
                    killed.write(f"{self._function} {self._requests} {when} {asked}\n")
                os.kill(os.getpid(), signal.SIGKILL)

    def _taken(self) -> tuple[int, str] | None:
        for order in sorted((_ORDERS / self._function).glob("*")):
            try:
                order.unlink()
            except FileNotFoundError:  # another process was faster
                continue
            request, when = order.name.split("-")
            return int(request), when
        return None


def _watch(death: _Death) -> None:
    send, answer = http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse

    def putrequest(connection: http.client.HTTPConnection, method: str, url: str, *more: Any, **named: Any) -> None:
        death.at("before", f"{method} {url.partition('?')[0]}")
        send(connection, method, url, *more, **named)

    def getresponse(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        answered = answer(connection)
        death.at("after", str(answered.status))
        return answered

    for watched in (putrequest, getresponse):
        setattr(http.client.HTTPConnection, watched.__name__, watched)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # CloudFormation calls it <stack>-<the template's name>-<anything>.
    _watch(_Death(os.environ["AWS_LAMBDA_FUNCTION_NAME"].split("-")[-2]))
