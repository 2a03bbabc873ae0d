"""Who may call a route.

A route says it once, in its OpenAPI ``security``, and the middleware below enforces exactly that. It
runs before validation: whoever is not let in learns nothing about what would have been valid. A new
way to authenticate is one more row of ``_SCHEMES``.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.openapi.models import HTTPBase, SecurityScheme

from archiver import secrets
from archiver.http.errors import Refusal
from archiver.settings import settings

# What a route's ``security`` names; several in one list are alternatives.
BASIC: dict[str, list[str]] = {"basic": []}


@dataclass(frozen=True, slots=True)
class _Scheme:
    documentation: SecurityScheme
    challenge: str
    # Whether the credentials of an Authorization header are right.
    accepts: Callable[[str], bool]


def authenticate(api: APIGatewayRestResolver, next_middleware: NextMiddleware) -> Response[object]:
    """Refuse a request that carries none of the credentials its route asks for (401)."""
    route = cast("Route", api.context["_route"])
    asked = {name: _SCHEMES[name] for alternative in route.security or () for name in alternative}
    given, _, credentials = api.current_event.headers.get("Authorization", "").partition(" ")
    scheme = asked.get(given.lower())
    if asked and not (scheme and scheme.accepts(credentials.strip())):
        challenges = ", ".join(one.challenge for one in asked.values())
        message = "This route needs valid credentials."
        raise Refusal(HTTPStatus.UNAUTHORIZED, "unauthorized", message, headers={"WWW-Authenticate": challenges})
    return next_middleware(api)


def _is_job_starter(credentials: str) -> bool:
    """Whether these are the Basic credentials (RFC 7617) that SciCat was given to start jobs."""
    try:
        given = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return False
    account = secrets.fields(settings().job_api_secret)
    return hmac.compare_digest(given, f"{account['username']}:{account['password']}".encode())


_SCHEMES: Mapping[str, _Scheme] = {
    "basic": _Scheme(
        HTTPBase(scheme="basic", description="The account that SciCat was given to start jobs."),
        'Basic realm="archiver", charset="UTF-8"',
        _is_job_starter,
    ),
}

DOCUMENTATION: dict[str, SecurityScheme] = {name: scheme.documentation for name, scheme in _SCHEMES.items()}
