"""Tokens for users: from a login to SciCat, then from each other (OAuth 2.0, RFC 6749), and the keys to verify them."""

from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Form
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel, Field

from archiver.http.auth import tokens
from archiver.http.auth.authentication import SCICAT, caller
from archiver.http.auth.callers import NotVerified
from archiver.http.auth.tokens import Tokens
from archiver.http.problems import documented
from archiver.log import logger

router = APIGatewayRouter()


class Refreshed(BaseModel):
    """A user's tokens; a time in seconds from now. The new refresh token ends when the old one would have."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str


class LoggedIn(Refreshed):
    """A user's first tokens."""

    refresh_expires_in: int
    scope: Literal["archiver"] = "archiver"


class GrantRefused(BaseModel):
    """Why there are no new tokens (RFC 6749, section 5.2)."""

    error: Literal["invalid_request", "invalid_grant", "unsupported_grant_type"]


class PublicKey(BaseModel):
    """A JSON Web Key (RFC 7517, RFC 8037)."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class PublicKeys(BaseModel):
    """The keys that verify this service's tokens."""

    keys: list[PublicKey] = Field(description="The key that signs now, then the one before it")


@router.post(
    "/token",
    tags=["tokens"],
    summary="Log in with a SciCat token",
    response_description="Tokens of this service for the user of the SciCat token",
    status_code=HTTPStatus.CREATED,
    security=[SCICAT],
    responses={
        HTTPStatus.CREATED: {"description": "Tokens of this service for the user of the SciCat token"},
        **documented(
            HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE
        ),
    },
)
def log_in() -> LoggedIn:
    """Tokens for the user, with the groups that the user has in SciCat now."""
    issued = tokens.issue(caller())
    return LoggedIn(**_fields(issued), refresh_expires_in=issued.refresh_expires_in)


@router.post(
    "/token/refresh",
    tags=["tokens"],
    summary="Exchange a refresh token",
    description="As OAuth 2.0 clients do it. The client needs no secret: whatever it says of itself is ignored.",
    responses={
        HTTPStatus.OK: {"description": "New tokens for the same user"},
        HTTPStatus.BAD_REQUEST: {
            "description": "Why there are none",
            "content": {content_types.APPLICATION_JSON: {"model": GrantRefused}},
        },
        **documented(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
)
def refresh(
    grant_type: Annotated[str, Form(description='"refresh_token"')] = "",
    refresh_token: Annotated[str, Form(description="The refresh token given last")] = "",
) -> Response[dict[str, Any]]:
    """New tokens, for as long as the refresh token is good."""
    names = [name for name, _ in parse_qsl(router.current_event.decoded_body or "", keep_blank_values=True)]
    # No parameter may be there twice (section 3.2): another program might have read the other one.
    if not grant_type or not refresh_token or len(names) > len(set(names)):
        return _refused("invalid_request")
    if grant_type != "refresh_token":
        return _refused("unsupported_grant_type")
    try:
        return _json(HTTPStatus.OK, Refreshed(**_fields(tokens.refresh(refresh_token))))
    except NotVerified as error:
        logger.append_keys(refused=str(error))
        return _refused("invalid_grant")


@router.get(
    "/.well-known/jwks.json",
    tags=["tokens"],
    summary="Which keys sign tokens?",
    responses={HTTPStatus.OK: {"description": "A key set (RFC 7517)"}, **documented(HTTPStatus.SERVICE_UNAVAILABLE)},
)
def keys() -> PublicKeys:
    """The public halves of the keys; whoever relies on our tokens verifies them with these."""
    return PublicKeys.model_validate({"keys": tokens.public_keys()})


def _fields(issued: Tokens) -> dict[str, Any]:
    return {
        "access_token": issued.access_token,
        "expires_in": issued.expires_in,
        "refresh_token": issued.refresh_token,
        "token_type": "Bearer",
    }


def _refused(error: str) -> Response[dict[str, Any]]:
    return _json(HTTPStatus.BAD_REQUEST, GrantRefused.model_validate({"error": error}))


def _json(status: HTTPStatus, body: BaseModel) -> Response[dict[str, Any]]:
    return Response(status.value, content_types.APPLICATION_JSON, body.model_dump(mode="json"))
