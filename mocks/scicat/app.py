"""The HTTP service: all routes, behind Express's way of matching paths."""

import secrets
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from mocks.faults import DatabaseAway, Fault, FaultScript, fault_routes
from mocks.scicat.accounts import Account, Accounts
from mocks.scicat.answers import Refused, as_json, no_such_route, refused, unhandled
from mocks.scicat.configuration import Configuration
from mocks.scicat.routes import attachments, blocks, datasets, explorer, history, jobs, users
from mocks.scicat.service import Service
from mocks.scicat.settings import Settings
from mocks.scicat.storage.store import Store

# The authorities' certificates are read once, however many SciCats a process runs.
_TLS = ssl.create_default_context()
_ROUTERS = tuple(room.router for room in (users, blocks, attachments, datasets, jobs, history, explorer))


class ExpressPaths:
    """Match paths as Express does.

    Fixed words in any case, a slash at the end or not, api v3 when no version is named; and an encoded
    slash stays within its segment, so that a pid is one segment only when it was encoded.
    """

    def __init__(self, app: ASGIApp, words: frozenset[str]) -> None:
        """``words`` are the fixed segments of all routes, in lower case."""
        self._app = app
        self._words = words

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on with the path rewritten."""
        if scope["type"] == "http":
            scope["path"] = self._rewritten(scope["raw_path"].decode("latin-1"))
        await self._app(scope, receive, send)

    def _rewritten(self, raw_path: str) -> str:
        given = raw_path.strip("/").split("/")
        segments = [word.lower() if word.lower() in self._words else word for word in given]
        if segments[0] == "api" and segments[1:2] not in (["v3"], ["v4"]):
            segments.insert(1, "v3")
        return "/" + "/".join(segments)


def create_app(state_dir: Path, accounts: Iterable[Account], configuration: Configuration) -> FastAPI:
    """A SciCat whose database lies in ``state_dir``."""
    app = an_application()
    give_service(app, state_dir, accounts, configuration)
    return app


def give_service(app: FastAPI, state_dir: Path, accounts: Iterable[Account], configuration: Configuration) -> None:
    """Let an application that serves nobody be another SciCat: its routes stay, all that it knew is gone."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Store(state_dir / "scicat.sqlite3")
    settings = Settings.of(configuration.variables, configuration.release)
    app.state.service = Service(
        configuration,
        settings,
        store,
        Accounts(accounts, store.secret(fresh=secrets.token_hex(32)), settings.token_seconds),
        # Node's fetch waits for the archiver without end, and asks no proxy.
        httpx.AsyncClient(timeout=None, trust_env=False, verify=_TLS),  # noqa: S113
    )
    app.state.faults.clear()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    async with service.archiver:
        yield
    service.store.close()


def an_application() -> FastAPI:
    """The routes of a SciCat that is none yet (``give_service``)."""
    app = FastAPI(lifespan=_lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for router in _ROUTERS:
        app.include_router(router)
    faults: list[Fault] = []
    app.state.faults = faults
    app.include_router(fault_routes(faults))
    app.add_middleware(ExpressPaths, words=_fixed_words())
    # The outermost: it sees paths as they were sent, and crashes before anybody makes an answer of them.
    app.add_middleware(FaultScript, faults=faults, refuse=_asked_for)
    app.add_exception_handler(Refused, _refusal)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(RequestValidationError, _no_route)
    app.add_exception_handler(DatabaseAway, _unhandled)
    app.add_exception_handler(Exception, _unhandled)
    return app


def _fixed_words() -> frozenset[str]:
    paths = (route.path for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute))
    words = {word for path in paths for word in path.split("/") if word and "{" not in word}
    return frozenset(words | {"v4"})


async def _refusal(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, Refused)  # noqa: S101 - Starlette's signature is wider than its promise
    return as_json(error.body, error.status)


def _asked_for(status: int) -> Response:
    """How a fault refuses."""
    refusal = unhandled() if status == 500 else refused(status, "A fault was asked for.")
    return as_json(refusal.body, status)


async def _no_route(request: Request, error: Exception) -> Response:
    """Unknown path, unknown version or a method the path does not know: Express tells them all alike."""
    del error
    absent = no_such_route(request)
    return as_json(absent.body, absent.status)


async def _unhandled(request: Request, error: Exception) -> Response:
    """SciCat's exception filter: the reason goes to the log, not to the caller."""
    del request, error
    return as_json("Internal server error", 500)
