"""Faults that tests ask for: a chosen request is delayed, refused or cut off.

An ASGI layer around the whole mock, because only there a connection can be dropped.
"""

import asyncio
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mocks.lts.wire import refusal

_CODES = {
    400: "BadDigest",
    403: "AccessDenied",
    409: "OperationAborted",
    500: "InternalError",
    503: "SlowDown",
    507: "QuotaExceeded",
}


class Fault(BaseModel):
    """What happens to a request whose ``METHOD /path?query`` contains the pattern ``match``.

    ``nth`` chooses one of those requests (1 is the first from now on); without it every one is hit.
    ``delay`` is in seconds. ``drop`` closes the connection: before the store is asked, after half of the
    request's body, or after the store has carried the request out. ``flip`` inverts the byte at this
    offset of the request's body, on its way to the store.
    """

    model_config = ConfigDict(extra="forbid")

    match: str
    nth: Annotated[int, Field(ge=1)] | None = None
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    delay: Annotated[float, Field(ge=0)] = 0.0
    drop: Literal["before_commit", "half_way", "after_commit"] | None = None
    flip: Annotated[int, Field(ge=0)] | None = None
    seen: int = 0

    def hits(self, request: str) -> bool:
        """Whether this request is the one (counts it)."""
        if re.search(self.match, request) is None:
            return False
        self.seen += 1
        return self.nth in (None, self.seen)


class FaultScript:
    """ASGI middleware: carries out ``faults``, one per request, the first that matches."""

    def __init__(self, app: ASGIApp, faults: list[Fault]) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or break it."""
        fault = self._fault_for(scope) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        await asyncio.sleep(fault.delay)
        if fault.drop == "before_commit":
            await _hang_up(receive)
        elif fault.drop == "half_way":
            await self._app(scope, _cut_off(receive, _length(scope) // 2), _nothing)
            await _hang_up(receive)
        elif fault.drop == "after_commit":
            await self._app(scope, receive, _nothing)
            await _hang_up(receive)
        elif fault.status is not None:
            answer = refusal(fault.status, _CODES.get(fault.status, "InternalError"), "A fault was asked for.")
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive if fault.flip is None else _flipped(receive, fault.flip), send)

    def _fault_for(self, scope: Scope) -> Fault | None:
        path: str = scope["path"]
        if path.startswith("/__"):
            return None
        query = scope["query_string"].decode("latin-1")
        request = f"{scope['method']} {path}" + (f"?{query}" if query else "")
        # A list, not a generator: every fault counts every request.
        return next(iter([fault for fault in self._faults if fault.hits(request)]), None)


def _length(scope: Scope) -> int:
    return int(dict(scope["headers"]).get(b"content-length", b"0"))


def _cut_off(receive: Receive, length: int) -> Receive:
    """A body of which only the first ``length`` bytes arrive."""
    left = length

    async def receive_less() -> Message:
        nonlocal left
        message = await receive()
        body = message.get("body", b"")
        if len(body) > left:
            return {"type": "http.disconnect"}
        left -= len(body)
        return message

    return receive_less


def _flipped(receive: Receive, offset: int) -> Receive:
    """A body whose byte at ``offset`` arrives inverted."""
    start = 0

    async def receive_flipped() -> Message:
        nonlocal start
        message = await receive()
        body = bytearray(message.get("body", b""))
        at, start = offset - start, start + len(body)
        if 0 <= at < len(body):
            body[at] ^= 0xFF
            message["body"] = bytes(body)
        return message

    return receive_flipped


async def _nothing(_: Message) -> None:
    """Swallow the answer."""


async def _hang_up(receive: Receive) -> None:
    # uvicorn hands out a bound method of its request cycle; ASGI itself has no way to close a connection.
    cycle: Any = receive.__self__  # type: ignore[attr-defined]
    cycle.transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
