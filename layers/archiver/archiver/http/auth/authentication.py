"""Who may call a route.

A route says it once, in its OpenAPI ``security``, and the middleware below enforces exactly that. It
runs before validation: whoever is not let in learns nothing about what would have been valid. A new
way to authenticate is one more row of ``_SCHEMES``.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import cast

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.openapi.models import HTTPBase, SecurityScheme

from archiver.aws import secrets
from archiver.errors import Code
from archiver.http.auth import basic, identity_provider, jwts, rate_limit, tokens
from archiver.http.auth.callers import Caller, NotVerified
from archiver.http.auth.jwts import Claimed
from archiver.http.problems import Refusal
from archiver.http.request_codes import RequestCode
from archiver.http.timeouts import Asked
from archiver.http.ttl_cache import Remembered
from archiver.log import logger
from archiver.scicat import catalogue
from archiver.settings import settings

# What a route's ``security`` names; several in one list are alternatives.
BASIC: dict[str, list[str]] = {"basic": []}
BEARER: dict[str, list[str]] = {"bearer": []}
SCICAT: dict[str, list[str]] = {"scicat": []}

# SciCat is asked about a user's token once a minute.
_REMEMBERED_SECONDS, _REMEMBERED_TOKENS = 60.0, 1_000

_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def caller() -> Caller:
    """Who makes the request at hand. Raises LookupError on a route whose ``security`` names nobody."""
    found = _caller.get()
    if found is None:
        raise LookupError("this route is for everybody")
    return found


@dataclass(frozen=True, slots=True)
class _Scheme:
    documentation: SecurityScheme
    # The first word of the Authorization header.
    word: str
    challenge: str
    # Whose credentials these are; they came from this address. Raises NotVerified.
    verify: Callable[[str, str], Caller]


def authenticate(api: APIGatewayRestResolver, next_middleware: NextMiddleware) -> Response[object]:
    """Refuse a request that carries none of the credentials its route asks for (401), or comes too often (429)."""
    route = cast("Route", api.context["_route"])
    address = api.current_event.request_context.identity.source_ip
    asked = [_SCHEMES[name] for alternative in route.security or () for name in alternative]
    found = _verified(asked, api.current_event.headers.get("Authorization", ""), address) if asked else None
    _caller.set(found)
    logger.append_keys(caller=found.username if found else None)
    rate_limit.of_requests().keep(found or address)
    rate_limit.of_requests().count(found or address)
    return next_middleware(api)


def _verified(asked: list[_Scheme], header: str, address: str) -> Caller:
    word, _, credentials = header.partition(" ")
    scheme = next((one for one in asked if one.word == word.lower()), None)
    try:
        return scheme.verify(credentials.strip(), address) if scheme else _nobody()
    except NotVerified as error:
        logger.append_keys(refused=str(error))
        hint = error.hint
    challenges = {"WWW-Authenticate": ", ".join(scheme.challenge for scheme in asked)}
    message = "This route needs valid credentials."
    raise Refusal(HTTPStatus.UNAUTHORIZED, RequestCode.UNAUTHORIZED, message, hint, headers=challenges)


def _nobody() -> Caller:
    raise NotVerified("no_credentials")


def _guess(verify: Callable[[str], Caller]) -> Callable[[str, str], Caller]:
    """Verify what might be guessed, or costs others a request: whoever is wrong too often has to wait."""

    def counted(credentials: str, address: str) -> Caller:
        rate_limit.of_failures().keep(address)
        try:
            return verify(credentials)
        except NotVerified:
            rate_limit.of_failures().count(address)
            raise

    return counted


def _job_starter(credentials: str) -> Caller:
    """SciCat, by the Basic credentials (RFC 7617) that it was given to start jobs."""
    try:
        given = basic.decoded(credentials)
    except basic.Malformed as error:
        # SciCat shows our answer to whoever created the job, and its operator needs more than "wrong".
        raise NotVerified("malformed", hint=str(error)) from None
    account = secrets.fields(settings().job_api_secret)
    if not hmac.compare_digest(given, f"{account['username']}:{account['password']}".encode()):
        raise NotVerified("wrong_password")
    return Caller(account["username"], may_start_jobs=True)


def _user(token: str, address: str) -> Caller:
    """A user, by a token of this service, of the identity provider, or of SciCat, whichever it claims to be."""
    said = jwts.claimed(token)
    match said.claims.get("iss"):
        case tokens.ISSUER:
            return tokens.read(token)
        case str(issuer) if issuer and issuer == settings().identity_issuer:
            return identity_provider.read(token, said.key_id)
        case None:
            return _guess(_scicat_user)(token, address)
    raise NotVerified("wrong_issuer")


def _scicat_user(token: str) -> Caller:
    """A user, by a SciCat token. Only SciCat can verify it: it is asked, unless the token cannot be one."""
    if not _might_be_of_scicat(jwts.claimed(token)):
        raise NotVerified("not_of_scicat")
    digest = hashlib.sha256(token.encode()).digest()
    found = _scicat_users().get(digest, lambda: _ask_scicat(token))
    if found is None:
        raise NotVerified("refused_by_scicat")
    return found


def _might_be_of_scicat(said: Claimed) -> bool:
    """Whether it has the form of SciCat's (HS256, ``_id``, no issuer) and has not expired."""
    expires = said.claims.get("exp")
    named = isinstance(said.claims.get("_id"), str) and "iss" not in said.claims
    return said.header.get("alg") == "HS256" and named and isinstance(expires, int) and time.time() < expires


def _ask_scicat(token: str) -> Caller | None:
    identity = Asked(lambda: catalogue().identity(token), Code.SCICAT_UNAVAILABLE).answer()
    return Caller(identity.username, identity.groups) if identity else None


@cache
def _scicat_users() -> Remembered[bytes, Caller | None]:
    """Users by the SHA-256 of their tokens: nothing here would let anybody in who finds it."""
    return Remembered(_REMEMBERED_SECONDS, _REMEMBERED_TOKENS)


_SCHEMES: Mapping[str, _Scheme] = {
    "basic": _Scheme(
        HTTPBase(scheme="basic", description="The account that SciCat was given to start jobs."),
        "basic",
        'Basic realm="archiver", charset="UTF-8"',
        _guess(_job_starter),
    ),
    "bearer": _Scheme(
        HTTPBase(
            scheme="bearer",
            bearerFormat="JWT",
            description="A user's access token: of this service (/token), of the identity provider, or of SciCat.",
        ),
        "bearer",
        'Bearer realm="archiver"',
        _user,
    ),
    "scicat": _Scheme(
        HTTPBase(scheme="bearer", bearerFormat="JWT", description="A user's SciCat token."),
        "bearer",
        'Bearer realm="SciCat"',
        _guess(_scicat_user),
    ),
}

DOCUMENTATION: dict[str, SecurityScheme] = {name: scheme.documentation for name, scheme in _SCHEMES.items()}
