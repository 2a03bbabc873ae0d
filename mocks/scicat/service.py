"""One running SciCat, and what every route needs of a request: its caller, its body, its pid."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote

import httpx
import orjson
from fastapi import Depends, Request

from mocks.faults import DatabaseAway, ask_database
from mocks.scicat.accounts import Account, Accounts, SessionExpired
from mocks.scicat.answers import forbidden, refused, unhandled
from mocks.scicat.configuration import Configuration
from mocks.scicat.jobs.permissions import JobRights, job_rights
from mocks.scicat.permissions import Rights
from mocks.scicat.settings import Settings
from mocks.scicat.storage.store import Store

# MAX_FILE_UPLOAD_SIZE of a release 5 as it is installed.
_BODY_BYTES = 16 * 1024**2
_MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of one SciCat. Routes run on one event loop, so none of them needs a lock."""

    configuration: Configuration
    settings: Settings
    store: Store
    accounts: Accounts
    # Calls the archiver for a new job; waits for it as long as it takes.
    archiver: httpx.AsyncClient


class Version(StrEnum):
    """The version in a URL, independent of SciCat's release."""

    V3 = "v3"
    V4 = "v4"


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(_service)]


async def _rights(request: Request, service: TheService) -> Rights:
    account = await _account(request, service)
    return Rights(account, service.settings, service.configuration.release)


async def _account(request: Request, service: Service) -> Account | None:
    """Who is asking. A token we never signed makes an anonymous caller, not an error."""
    given = request.headers.get("authorization") or request.query_params.get("access_token") or ""
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        account = service.accounts.of_token(token.strip())
        await ask_database()
    except SessionExpired:
        if service.configuration.release.expired_tokens_are_refused:
            raise refused(401, "SESSION_EXPIRED") from None
        return None
    except DatabaseAway:
        # Whose token it is cannot be looked up.
        return None
    return account


# Who is asking, anonymous or not.
Caller = Annotated[Rights, Depends(_rights)]


async def _reading(rights: Caller) -> Rights:
    """What anybody may ask for must be looked up, whoever asks."""
    await ask_database()
    return rights


# Who is asking for what is in the database, anonymous or not.
Reader = Annotated[Rights, Depends(_reading)]


async def _logged_in(rights: Caller) -> Rights:
    if rights.account is None:
        raise forbidden()
    return rights


# Where a route is guarded: who has a token.
User = Annotated[Rights, Depends(_logged_in)]


async def _dataset_creator(rights: User) -> Rights:
    if not rights.creates_datasets:
        raise forbidden()
    return rights


# Who may create datasets of some kind; nobody else adds anything to one.
DatasetCreator = Annotated[Rights, Depends(_dataset_creator)]


@dataclass(frozen=True, slots=True)
class JobCaller:
    """Who is asking, and what of jobs."""

    rights: Rights
    jobs: JobRights


async def _job_caller(rights: Caller, service: TheService) -> JobCaller:
    return JobCaller(rights, job_rights(rights, service.configuration.jobs.types.values()))


AnyJobCaller = Annotated[JobCaller, Depends(_job_caller)]


async def _job_creator(caller: AnyJobCaller) -> JobCaller:
    return _allowed(caller, caller.jobs.may_create())


async def _job_reader(caller: AnyJobCaller) -> JobCaller:
    return _allowed(caller, caller.jobs.may_read)


async def _job_updater(caller: AnyJobCaller) -> JobCaller:
    return _allowed(caller, caller.jobs.may_update())


async def _job_deleter(caller: AnyJobCaller) -> JobCaller:
    return _allowed(caller, caller.jobs.may_delete)


def _allowed(caller: JobCaller, allowed: bool) -> JobCaller:
    if not allowed:
        raise forbidden()
    return caller


JobCreator = Annotated[JobCaller, Depends(_job_creator)]
JobReader = Annotated[JobCaller, Depends(_job_reader)]
JobUpdater = Annotated[JobCaller, Depends(_job_updater)]
JobDeleter = Annotated[JobCaller, Depends(_job_deleter)]


async def _body(request: Request) -> dict[str, Any]:
    """The body as an object; of an unknown content type, an empty one, as Express has it."""
    content = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= _BODY_BYTES:
            content += chunk
    if size > _BODY_BYTES:
        raise unhandled()
    kind = _content_type(request)
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(content.decode()))
    if kind not in {"application/json", _MERGE_PATCH} or not content:
        return {}
    return _object(bytes(content))


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_merge_patch(request: Request) -> bool:
    """Whether nested objects are merged (RFC 7396) rather than replaced."""
    return _content_type(request) == _MERGE_PATCH


def _object(content: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise refused(400, str(error)) from None
    if not isinstance(body, dict):
        raise refused(400, "Expected an object")
    return body


Body = Annotated[dict[str, Any], Depends(_body)]


async def _pid(pid: str) -> str:
    return unquote(pid)


# The pid of a path, decoded once; its encoded slash has kept it within one segment.
Pid = Annotated[str, Depends(_pid)]
