"""Logging in, and who one is."""

from typing import Any

from fastapi import APIRouter, Response

from mocks.faults import DatabaseAway, ask_database
from mocks.scicat.accounts import Account
from mocks.scicat.answers import Refused, as_json, forbidden, refused
from mocks.scicat.service import Body, Caller, TheService
from mocks.scicat.storage.documents import now, started_at

router = APIRouter()


@router.get("/api/v3/health")
async def health(caller: Caller) -> Response:
    """What the load balancer in front of SciCat asks. A token that has expired is refused here as everywhere."""
    del caller
    try:
        await ask_database()
    except DatabaseAway:
        down = {"mongodb": {"status": "down"}}
        return as_json({"status": "error", "info": {}, "error": down, "details": down}, 503)
    up = {"mongodb": {"status": "up"}}
    return as_json({"status": "ok", "info": up, "error": {}, "details": up})


@router.post("/api/v3/auth/login")
async def login(body: Body, service: TheService) -> Response:
    """Give a token for username and password, sent as JSON or as a form."""
    await ask_database()
    account = service.accounts.authenticated(body.get("username"), body.get("password"))
    if account is None:
        raise Refused(401, {"message": "Unauthorized", "statusCode": 401})
    token = service.accounts.new_token(account)
    seconds = service.accounts.token_seconds
    answer = {
        "access_token": token,
        "id": token,
        "expires_in": seconds,
        "ttl": seconds,
        "created": now(),
        "userId": account.id,
        "user": _user(account),
    }
    return as_json(answer, 201)


@router.get("/api/v3/auth/whoami")
async def who_am_i(caller: Caller) -> Response:
    """Name the caller and its groups."""
    account = _logged_in(caller)
    user = {name: value for name, value in _user(account).items() if name not in {"id", "__v"}}
    return as_json(user | {"currentGroups": sorted(account.groups)})


@router.get("/api/v3/users/my/self")
async def my_self(caller: Caller) -> Response:
    """Name the caller."""
    return as_json(_user(_logged_in(caller)))


@router.get("/api/v3/users/my/identity")
async def my_identity(caller: Caller) -> Response:
    """Show the caller's profile with its groups."""
    return as_json(_identity(_logged_in(caller)))


@router.get("/api/v3/users/{user_id}/useridentity")
async def user_identity(user_id: str, caller: Caller, service: TheService) -> Response:
    """Show a user's profile, to that user and to admins."""
    account = _logged_in(caller)
    asked = service.accounts.with_id(user_id)
    if asked is None or (asked != account and not caller.administers):
        raise forbidden()
    return as_json(_identity(asked))


def _logged_in(caller: Caller) -> Account:
    if caller.account is None:
        raise refused(401, "Unauthenticated")
    return caller.account


def _user(account: Account) -> dict[str, Any]:
    user = {"_id": account.id, "username": account.username, "email": account.email}
    return user | {"authStrategy": "local", "__v": 0, "id": account.id}


def _identity(account: Account) -> dict[str, Any]:
    profile = {
        "displayName": account.username,
        "email": account.email,
        "username": account.username,
        "thumbnailPhoto": "error: no photo found",
        "id": account.id,
        "emails": [{"value": account.email}],
        "accessGroups": sorted(account.groups),
        "_id": account.profile_id,
    }
    return {
        "_id": account.identity_id,
        "authStrategy": "local",
        "externalId": "",
        "profile": profile,
        "provider": "local",
        "userId": account.id,
        "created": started_at(),
        "modified": started_at(),
        "__v": 0,
        "id": account.identity_id,
    }
