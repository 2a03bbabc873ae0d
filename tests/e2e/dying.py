"""Kills function processes at their requests: the stack of the tests imports it as ``sitecustomize``, before all else.

An order is an empty file ``<function>/<request>-<when>`` beside this module. The first call of a function for a run
takes one (it removes the file), and its process dies ``before`` it sends that HTTP request, or ``after`` it was
answered; a call that asks less often lives on. Each death is a line of the file ``killed``: function, request, when,
and what was asked.
"""

import http.client
import importlib
import json
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

    def begin(self, event: str | bytes) -> None:
        """The function is called with this event."""
        with self._lock:
            run_id = json.loads(event).get("run_id")
            self._requests = 0
            self._order = self._taken() if run_id and self._is_first(run_id) else None

    def at(self, when: str, asked: str) -> None:
        """A request is about to be sent (``before``), or was answered (``after``)."""
        with self._lock:
            self._requests += when == "before"
            # Several may be on their way at once.
            if self._order is not None and when == self._order[1] and self._requests >= self._order[0]:
                with (_ORDERS / "killed").open("a") as killed:
                    killed.write(f"{self._function} {self._order[0]} {when} {asked}\n")
                os.kill(os.getpid(), signal.SIGKILL)

    def _is_first(self, run_id: str) -> bool:
        try:
            (_ORDERS / f"{self._function} of {run_id}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

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
    # The runtime's own environment has it, that of the tests does not.
    bootstrap = importlib.import_module("awslambdaric.bootstrap")
    handle = bootstrap.handle_event_request
    send, answer = http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse

    def handle_event_request(client: Any, handler: Any, invoke_id: str, event: str | bytes, *more: Any) -> None:
        death.begin(event)
        handle(client, handler, invoke_id, event, *more)

    def putrequest(connection: http.client.HTTPConnection, method: str, url: str, *more: Any, **named: Any) -> None:
        death.at("before", f"{method} {url.partition('?')[0]}")
        send(connection, method, url, *more, **named)

    def getresponse(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        answered = answer(connection)
        death.at("after", str(answered.status))
        return answered

    for owner, watched in (
        (bootstrap, handle_event_request),
        (http.client.HTTPConnection, putrequest),
        (http.client.HTTPConnection, getresponse),
    ):
        setattr(owner, watched.__name__, watched)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # CloudFormation calls it <stack>-<the template's name>-<anything>.
    _watch(_Death(os.environ["AWS_LAMBDA_FUNCTION_NAME"].split("-")[-2]))
