"""JSON Web Tokens (RFC 7519), read as RFC 8725 asks: nothing in a token decides how the token is verified."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from archiver.http.auth.callers import NotVerified

# API Gateway takes 10,240 bytes of headers, this one and all others together.
MAX_BYTES = 9_000
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
# Whatever else a hostile token lets the libraries stumble over: nested too deep, numbers too long, not text.
_NOT_A_TOKEN = (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a token says of itself, before anybody verified it: good for choosing the verifier, and no more."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def key_id(self) -> str | None:
        """The name of the key that signed it."""
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None


def claimed(token: str) -> Claimed:
    """Look into a token. Raises NotVerified when it is none, or too long."""
    if len(token) > MAX_BYTES:
        raise NotVerified("too_long")
    if not _FORM.fullmatch(token):
        raise NotVerified("not_a_token")
    header, claims, _ = token.split(".")
    return Claimed(_object(header), _object(claims))


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must be; its issuer's clock may be ahead of ours by so many seconds."""

    issuer: str
    audience: str
    algorithms: Sequence[str]
    leeway_seconds: float = 0.0


def verified(token: str, key: Ed25519PublicKey | jwt.PyJWK, expected: Expected) -> dict[str, Any]:
    """The claims of a token that ``key`` signed, that is as expected, and valid now. Raises NotVerified."""
    try:
        return jwt.decode(
            token,
            key,
            algorithms=expected.algorithms,
            issuer=expected.issuer,
            audience=expected.audience,
            leeway=expected.leeway_seconds,
            options={"require": ["iss", "aud", "sub", "iat", "exp"], "enforce_minimum_key_length": True},
        )
    except _NOT_A_TOKEN as error:
        raise NotVerified(type(error).__name__) from None


def _object(segment: str) -> dict[str, Any]:
    try:
        value = orjson.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (binascii.Error, ValueError):
        raise NotVerified("not_a_token") from None
    if not isinstance(value, dict):
        raise NotVerified("not_a_token")
    return value
