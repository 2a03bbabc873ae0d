"""The HTTP side: S3 requests with the tape's say, the administrator's routes, and the tests' own."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
from botocore.credentials import Credentials
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from mocks.faults import Fault, FaultScript, fault_routes
from mocks.lts.backend import Backend, answer_headers, chunks
from mocks.lts.damage import as_read_back
from mocks.lts.ledger import Ledger
from mocks.lts.library import Library
from mocks.lts.page import page
from mocks.lts.tape import Answer, Hardware, TapeObject
from mocks.lts.wire import (
    Operation,
    S3Request,
    is_refused,
    recall_asked,
    refusal,
    tape_headers,
    understand,
    with_storage_classes,
)

_RECALL_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Options:
    """How one mock is set up.

    ``bucket`` of the store at ``backend`` (a URL) is the only one that is served; the credentials are
    those of the mock's own requests to the store. ``state`` is the folder of its memory.
    """

    backend: str
    state: Path
    bucket: str
    access_key_id: str = "test"
    secret_access_key: str = "test"  # noqa: S105 # what a local S3 store takes
    hardware: Hardware = field(default_factory=Hardware)
    write_once: bool = True
    replicas: bool = True


class Gate:
    """What the tape says to each S3 request before, or after, the store behind it answers."""

    def __init__(self, library: Library, backend: Backend, options: Options) -> None:
        self._library = library
        self._backend = backend
        self._options = options
        self._handlers: dict[Operation, Callable[[Request, S3Request], Awaitable[Response]]] = {
            Operation.READ: self._read,
            Operation.HEAD: self._read,
            Operation.LIST: self._list,
            Operation.WRITE: self._write,
            Operation.COPY: self._copy,
            Operation.COPY_PART: self._copy,
            Operation.RESTORE: self._restore,
            Operation.DELETE: self._delete,
            Operation.OTHER: self._pass,
        }

    async def answer(self, request: Request) -> Response:
        """Answer one S3 request; the root, asked for without a signature, is the status page."""
        if request.url.path == "/" and request.method == "GET" and "authorization" not in request.headers:
            return RedirectResponse("/__page")
        asked = understand(request)
        if asked.bucket not in ("", self._options.bucket):
            return refusal(404, "NoSuchBucket", "The specified bucket does not exist")
        try:
            return await self._handlers[asked.operation](request, asked)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except httpx.TransportError:
            return refusal(503, "ServiceUnavailable", "The store behind the tape does not answer.")

    async def _pass(self, request: Request, _: S3Request) -> Response:
        answer = await self._backend.send(request)
        return StreamingResponse(chunks(answer), answer.status_code, answer_headers(answer))

    async def _read(self, request: Request, asked: S3Request) -> Response:
        tape_object = await self._library.find(asked.bucket, asked.key)
        if tape_object is None:
            return await self._pass(request, asked)
        if asked.operation is Operation.READ and not tape_object.readable:
            return _offline(asked.key)
        if asked.operation is Operation.READ:
            self._library.read(tape_object)
        answer = await self._backend.send(request)
        headers = answer_headers(answer) | tape_headers(tape_object)
        return as_read_back(answer, headers, tape_object)

    async def _list(self, request: Request, asked: S3Request) -> Response:
        answer = await self._backend.send(request)
        body = await answer.aread()
        if answer.is_success and body:
            archived = {o.key for o in self._library.tape() if o.bucket == asked.bucket and tape_headers(o)}
            body = with_storage_classes(body, archived)
        headers = answer_headers(answer)
        headers.pop("content-length", None)
        return Response(body, answer.status_code, headers)

    async def _write(self, request: Request, asked: S3Request) -> Response:
        """Put, or complete an upload: on tape only what was not there before."""
        asked_for_absence = "if-none-match" in request.headers
        guard = [("if-none-match", "*")] if self._options.write_once and not asked_for_absence else []
        response = await self._commit(request, asked, guard)
        return _write_once(asked.key) if response.status_code == 412 and guard else response

    async def _commit(self, request: Request, asked: S3Request, guard: Sequence[tuple[str, str]] = ()) -> Response:
        answer = await self._backend.send(request, guard)
        body = await answer.aread()
        if not is_refused(answer.status_code, body):
            self._library.written(asked.bucket, asked.key)
        return Response(body, answer.status_code, answer_headers(answer))

    async def _copy(self, request: Request, asked: S3Request) -> Response:
        if asked.source is not None and asked.source[0] == self._options.bucket:
            source = await self._library.find(*asked.source)
            if source is not None and not source.readable:
                return _offline(asked.source[1])
        if asked.operation is Operation.COPY_PART:
            return await self._pass(request, asked)
        if self._options.write_once and await self._library.find(asked.bucket, asked.key) is not None:
            return _write_once(asked.key)
        return await self._commit(request, asked)

    async def _restore(self, request: Request, asked: S3Request) -> Response:
        body = await request.body()
        tape_object = await self._library.find(asked.bucket, asked.key)
        if tape_object is None:
            return refusal(404, "NoSuchKey", "The specified key does not exist.", asked.key)
        if len(body) > _RECALL_LIMIT:
            return refusal(400, "EntityTooLarge", "A RestoreRequest is small.")
        try:
            days, tier = recall_asked(body)
        except ValueError:
            return refusal(400, "MalformedXML", "The XML you provided was not well-formed.")
        return _RECALL_ANSWERS[self._library.recall(tape_object, days, tier)]()

    async def _delete(self, request: Request, asked: S3Request) -> Response:
        if self._options.write_once:
            return _write_once(asked.key)
        response = await self._pass(request, asked)
        if asked.key and response.status_code < 300:
            self._library.forget(asked.bucket, asked.key)
        return response


def _offline(key: str) -> Response:
    message = "The operation is not valid for the object's storage class"
    return refusal(403, "InvalidObjectState", message, key)


def _write_once(key: str) -> Response:
    return refusal(403, "AccessDenied", "What is on tape is neither overwritten nor deleted.", key)


_RECALL_ANSWERS: dict[Answer, Callable[[], Response]] = {
    Answer.ACCEPTED: lambda: Response(status_code=202),
    Answer.RENEWED: lambda: Response(status_code=200),
    Answer.IN_PROGRESS: lambda: refusal(409, "RestoreAlreadyInProgress", "Object restore is already in progress"),
    Answer.NOT_ARCHIVED: lambda: refusal(
        403, "ObjectAlreadyInActiveTierError", "Restore is not allowed for the object's current storage class"
    ),
    Answer.NO_CAPACITY: lambda: refusal(
        503,
        "GlacierExpeditedRetrievalNotAvailable",
        "Glacier expedited retrievals are currently not available, please try again later",
    ),
}


_FAULT_CODES = {
    400: "BadDigest",
    403: "AccessDenied",
    409: "OperationAborted",
    503: "SlowDown",
    507: "QuotaExceeded",
}


def _fault_refusal(status: int) -> Response:
    return refusal(status, _FAULT_CODES.get(status, "InternalError"), "A fault was asked for.")


class ClockMove(BaseModel):
    """Seconds to move the clock forward."""

    advance_s: Annotated[float, Field(ge=0)]


class Damage(BaseModel):
    """Which object; at which byte (flip), cut to which size (truncate), stuck or not (stick), how often (fail)."""

    key: str
    offset: Annotated[int, Field(ge=0)] = 0
    size: Annotated[int, Field(ge=0)] = 0
    stuck: bool = True
    fails: Annotated[int, Field(ge=0)] = 1


def create_app(options: Options, stop: Callable[[], None]) -> ASGIApp:
    """The whole service, as an ASGI application; ``stop`` ends the server that runs it."""
    backend = Backend(options.backend, Credentials(options.access_key_id, options.secret_access_key))
    library = Library(Ledger(options.state), backend, options.hardware, replicas=options.replicas)
    faults: list[Fault] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with library.at_work():
            yield
        await backend.close()

    app = FastAPI(
        title="LTS mock", lifespan=lifespan, docs_url="/__docs", redoc_url=None, openapi_url="/__openapi.json"
    )
    app.router.redirect_slashes = False
    app.include_router(_page_routes(library))
    app.include_router(_test_routes(library, faults))
    app.include_router(fault_routes(faults))
    app.include_router(_damage_routes(library, options.bucket))
    app.include_router(_admin_routes(library, options.bucket, stop))
    app.add_route(
        "/{path:path}", Gate(library, backend, options).answer, methods=["GET", "HEAD", "PUT", "POST", "DELETE"]
    )
    return FaultScript(app, faults, _fault_refusal)


def _admin_routes(library: Library, bucket: str, stop: Callable[[], None]) -> APIRouter:
    routes = APIRouter(tags=["administration"])

    @routes.get("/delete/{filename:path}", status_code=204)
    async def delete(filename: str) -> None:
        """Delete an object: the one way around write-once."""
        await _found(library, bucket, filename)
        await library.delete(bucket, filename)

    @routes.get("/exit", status_code=204)
    async def exit_() -> None:
        """Stop the service."""
        stop()

    return routes


def _page_routes(library: Library) -> APIRouter:
    routes = APIRouter(tags=["people"])

    @routes.get("/__page", response_class=HTMLResponse)
    async def status_page(contains: str = "") -> str:
        """What is where, for a person to look at; only keys that contain the given text."""
        return page(library.tape(), library.events(), library.now(), contains)

    return routes


def _test_routes(library: Library, faults: list[Fault]) -> APIRouter:
    routes = APIRouter(tags=["tests"])

    @routes.get("/__state")
    async def state() -> dict[str, Any]:
        """Every object and where it is, the drives and their queue, the clock, what happened, the faults to come."""
        tape = library.tape()
        return {
            "now": library.now(),
            "objects": {tape_object.key: asdict(tape_object) for tape_object in tape},
            "drives": {"all": tape.hardware.drives, "busy": [tape_object.key for tape_object in tape.in_drives()]},
            "queue": [tape_object.key for tape_object in tape.queue()],
            "events": library.events(),
            "faults": faults,
        }

    @routes.post("/__clock")
    async def clock(move: ClockMove) -> dict[str, float]:
        """Move the clock forward."""
        library.advance_clock(move.advance_s)
        return {"now": library.now()}

    return routes


def _damage_routes(library: Library, bucket: str) -> APIRouter:
    routes = APIRouter(tags=["tests"])

    @routes.post("/__flip", status_code=204)
    async def flip(damage: Damage) -> None:
        """Invert the byte at ``offset`` of an object, in what is read back."""
        library.damage(await _found(library, bucket, damage.key), flip=damage.offset)

    @routes.post("/__truncate", status_code=204)
    async def truncate(damage: Damage) -> None:
        """Cut an object to ``size`` bytes, in what is read back."""
        library.damage(await _found(library, bucket, damage.key), truncate=damage.size)

    @routes.post("/__lose", status_code=204)
    async def lose(damage: Damage) -> None:
        """Lose an object: it is not there any more."""
        await _found(library, bucket, damage.key)
        await library.delete(bucket, damage.key)

    @routes.post("/__stick", status_code=204)
    async def stick(damage: Damage) -> None:
        """Keep an object's recalls from ever ending (``stuck``), or let them end again."""
        library.stick(await _found(library, bucket, damage.key), stuck=damage.stuck)

    @routes.post("/__fail", status_code=204)
    async def fail(damage: Damage) -> None:
        """Let an object's next ``fails`` recalls fail: the drive cannot read it, and it stays on tape."""
        library.fail(await _found(library, bucket, damage.key), damage.fails)

    return routes


async def _found(library: Library, bucket: str, key: str) -> TapeObject:
    tape_object = await library.find(bucket, key)
    if tape_object is None:
        raise HTTPException(404, f"no object {key!r}")
    return tape_object
