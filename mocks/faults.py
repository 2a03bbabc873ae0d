"""Faults that tests ask for: a chosen request is delayed, refused, answered with rubbish or cut off.

An ASGI layer around a whole mock, because only there a connection can be dropped, and the two routes by
which tests write the script: ``POST /__faults`` with a list of faults replaces it, ``GET /__faults`` shows
it. Never part of what is deployed.
"""

import asyncio
import contextlib
import gzip
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A request with this header meets no fault: so a test arranges, and looks, while everybody else suffers.
SPARED = b"x-no-faults"


class Fault(BaseModel):
    """What happens to a request whose ``METHOD /path?query`` contains the pattern ``match``.

    ``nth`` chooses the first of those requests that is hit (1 is the next), ``times`` how many from there
    on: one, unless it says otherwise. Without ``nth`` every one is hit. ``delay`` is in seconds.

    ``status`` answers in place of the service, ``body`` (text, or ``size`` blanks) and ``headers`` with it;
    ``gzip`` compresses that body. ``commit`` lets the service carry the request out all the same. ``cut``
    ends the service's own answer after so many bytes, with the connection.

    ``drop`` closes the connection: before the service is asked, after half of the request's body, between
    two writes of the service that belong together (``crash_between``), or after it has carried the request
    out. ``pause_between`` makes it wait there for so many seconds. ``flip`` inverts the byte at this offset
    of the request's body. ``database_away`` lets the service wait so many seconds for its database in vain, each time
    that it asks.
    """

    model_config = ConfigDict(extra="forbid")

    match: str
    nth: Annotated[int, Field(ge=1)] | None = None
    times: Annotated[int, Field(ge=1)] = 1
    delay: Annotated[float, Field(ge=0)] = 0.0
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    body: str | None = None
    size: Annotated[int, Field(ge=0)] | None = None
    headers: dict[str, str] = {}
    gzip: bool = False
    commit: bool = False
    cut: Annotated[int, Field(ge=0)] | None = None
    drop: Literal["before_commit", "half_way", "crash_between", "after_commit"] | None = None
    pause_between: Annotated[float, Field(ge=0)] = 0.0
    database_away: Annotated[float, Field(ge=0)] | None = None
    flip: Annotated[int, Field(ge=0)] | None = None
    seen: int = 0

    def hits(self, request: str) -> bool:
        """Whether this request is the one (counts it)."""
        if re.search(self.match, request) is None:
            return False
        self.seen += 1
        return self.nth is None or self.nth <= self.seen < self.nth + self.times

    @property
    def says(self) -> bytes | None:
        """The body that the fault answers with; None leaves it to the service how it refuses."""
        if self.body is None and self.size is None:
            return None
        content = b" " * self.size if self.size is not None else (self.body or "").encode()
        return gzip.compress(content) if self.gzip else content


class Crashed(Exception):
    """The service died here, as a test asked."""


_fault: ContextVar[Fault | None] = ContextVar("fault", default=None)


async def between_writes() -> None:
    """A service calls this between two writes that belong together: here it may be slow, or die (``Crashed``)."""
    fault = _fault.get()
    if fault is None:
        return
    await asyncio.sleep(fault.pause_between)
    if fault.drop == "crash_between":
        raise Crashed


class DatabaseAway(Exception):
    """The service's database does not answer, as a test asked."""


async def ask_database() -> None:
    """A service calls this before it needs its database: here it waits for it in vain. Raises DatabaseAway."""
    fault = _fault.get()
    if fault is not None and fault.database_away is not None:
        await asyncio.sleep(fault.database_away)
        raise DatabaseAway


# How a service refuses with a status.
type Refuse = Callable[[int], Response]


class FaultScript:
    """ASGI middleware: carries out ``faults``, one per request, the first that matches."""

    def __init__(self, app: ASGIApp, faults: list[Fault], refuse: Refuse) -> None:
        self._app = app
        self._faults = faults
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or break it."""
        fault = self._fault_for(scope) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        token = _fault.set(fault)
        try:
            await asyncio.sleep(fault.delay)
            await self._break(fault, scope, receive, send)
        finally:
            _fault.reset(token)

    async def _break(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.drop is not None:
            await self._drop(fault, scope, receive)
        elif fault.status is not None:
            if fault.commit:
                await self._app(scope, receive, _nothing)
            await self._answer(fault, fault.status)(scope, receive, send)
        elif fault.cut is not None:
            await self._app(scope, receive, _ended(send, fault.cut))
            await _close(receive)
        else:
            await self._app(scope, receive if fault.flip is None else _flipped(receive, fault.flip), send)

    async def _drop(self, fault: Fault, scope: Scope, receive: Receive) -> None:
        heard = _cut_off(receive, _length(scope) // 2) if fault.drop == "half_way" else receive
        if fault.drop != "before_commit":
            # What a crash leaves is what was written before it.
            with contextlib.suppress(Crashed):
                await self._app(scope, heard, _nothing)
        await _close(receive, at_once=True)

    def _answer(self, fault: Fault, status: int) -> Response:
        says = fault.says
        answer = self._refuse(status) if says is None else Response(says, status, media_type="application/json")
        if fault.gzip:
            answer.headers["content-encoding"] = "gzip"
        answer.headers.update(fault.headers)
        return answer

    def _fault_for(self, scope: Scope) -> Fault | None:
        path: str = scope["path"]
        if path.startswith("/__") or SPARED in dict(scope["headers"]):
            return None
        query = scope["query_string"].decode("latin-1")
        request = f"{scope['method']} {path}" + (f"?{query}" if query else "")
        # A list, not a generator: every fault counts every request.
        return next(iter([fault for fault in self._faults if fault.hits(request)]), None)


def fault_routes(faults: list[Fault]) -> APIRouter:
    """The routes by which tests read and replace the script."""
    routes = APIRouter(tags=["tests"])

    @routes.get("/__faults")
    async def show() -> list[Fault]:
        """The faults to come, and how many requests each has seen."""
        return faults

    @routes.post("/__faults", status_code=204)
    async def replace(asked: list[Fault]) -> None:
        """Replace the faults to come; an empty list ends them."""
        faults[:] = asked

    return routes


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


def _ended(send: Send, length: int) -> Send:
    """An answer of which only the first ``length`` bytes are sent, though its headers promise all."""
    left = length

    async def send_less(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.body":
            body = message.get("body", b"")[:left]
            left -= len(body)
            message = {"type": "http.response.body", "body": body, "more_body": True}
        await send(message)

    return send_less


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


async def _close(receive: Receive, *, at_once: bool = False) -> None:
    """Close the connection, with or without what is still on its way to the caller."""
    # uvicorn hands out a bound method of its request cycle; ASGI itself has no way to close a connection.
    cycle: Any = receive.__self__  # type: ignore[attr-defined]
    (cycle.transport.abort if at_once else cycle.transport.close)()
    while (await receive())["type"] != "http.disconnect":
        pass
