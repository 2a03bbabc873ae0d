"""The tokens that this service gives its users, and the keys that sign them.

A user's access token must outlive the upload of the largest file, because the Ingestor reads it once for
each file; a refresh token must outlive the upload of a dataset. Both name the user and the user's groups
as SciCat knew them at the login: the tokens that a refresh token is exchanged for end no later than it, so
a change of groups counts after ``RefreshTokenDays`` at the latest.

The keys are Ed25519 (RFC 8037), derived with HKDF (RFC 5869) from the secret that the deployment generates:
the secret's current version signs, its previous one is still accepted. A rotation is one new version of the
secret, and two of them revoke every token that was ever given.
"""

import base64
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import OKPAlgorithm

from archiver.aws import secrets
from archiver.http.auth import jwts
from archiver.http.auth.callers import Caller, NotVerified
from archiver.http.auth.jwts import Expected
from archiver.http.problems import Refusal
from archiver.http.request_codes import RequestCode
from archiver.log import logger
from archiver.settings import settings

ISSUER = "scopemarchiver"
_ACCESS, _REFRESH = "scopemarchiver", "scopemarchiver/token/refresh"
_ALGORITHM = "EdDSA"
_KEY_SECONDS = 60.0
# After a rotation another process may sign with a key that this one has not read yet: it looks again, at most so often.
_COOL_DOWN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a user is given; seconds from now."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


def issue(caller: Caller) -> Tokens:
    """Tokens for a user who has just logged in to SciCat. Refuses one whose groups no token holds (403)."""
    now = int(time.time())
    issued = _tokens(caller, now, now + settings().refresh_token_days * 24 * 3600)
    if max(len(issued.access_token), len(issued.refresh_token)) > jwts.MAX_BYTES:
        message = f"A token cannot hold your {len(caller.groups)} groups: API Gateway takes no longer headers."
        raise Refusal(HTTPStatus.FORBIDDEN, RequestCode.TOO_MANY_GROUPS, message)
    return issued


def refresh(token: str) -> Tokens:
    """New tokens for the user of a refresh token, which end when it does. Raises NotVerified."""
    claims = _verified(token, _REFRESH)
    return _tokens(_caller(claims), int(time.time()), int(claims["exp"]))


def read(token: str) -> Caller:
    """The user of an access token. Raises NotVerified."""
    return _caller(_verified(token, _ACCESS))


def public_keys() -> list[Mapping[str, str]]:
    """The keys that verify our tokens, as JSON Web Keys (RFC 7517): the one that signs now comes first."""
    return [key.public for key in _ring().read()]


@dataclass(frozen=True, slots=True)
class _Key:
    """A signing key with its public half, named by its thumbprint (RFC 7638)."""

    private: Ed25519PrivateKey
    public: Mapping[str, str]

    @classmethod
    def derived(cls, secret: str) -> "_Key":
        seed = HKDF(SHA256(), length=32, salt=None, info=b"scopemarchiver tokens, Ed25519").derive(secret.encode())
        private = Ed25519PrivateKey.from_private_bytes(seed)
        jwk = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
        digest = hashlib.sha256(orjson.dumps(jwk, option=orjson.OPT_SORT_KEYS)).digest()
        kid = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return cls(private, jwk | {"kid": kid, "use": "sig", "alg": _ALGORITHM})


class _KeyRing:
    """The keys of this deployment, read from Secrets Manager once a minute."""

    def __init__(self) -> None:
        self._keys: list[_Key] = []
        self._read_at = float("-inf")

    def read(self, younger_than: float = _KEY_SECONDS) -> list[_Key]:
        """The signing key and, after a rotation, the one before it."""
        if time.monotonic() - self._read_at >= younger_than:
            self._keys = [_Key.derived(secret) for secret in secrets.versions(settings().token_secret)]
            self._read_at = time.monotonic()
        return self._keys

    def named(self, kid: str | None) -> _Key:
        """The key of that name. Raises NotVerified."""
        for younger_than in (_KEY_SECONDS, _COOL_DOWN_SECONDS):
            for key in self.read(younger_than):
                if key.public["kid"] == kid:
                    return key
        raise NotVerified("unknown_key")


@cache
def _ring() -> _KeyRing:
    return _KeyRing()


def _tokens(caller: Caller, now: int, end: int) -> Tokens:
    access_end = min(now + settings().access_token_hours * 3600, end)
    access, refresh_token = _signed(caller, _ACCESS, now, access_end), _signed(caller, _REFRESH, now, end)
    return Tokens(access, access_end - now, refresh_token, end - now)


def _signed(caller: Caller, audience: str, now: int, end: int) -> str:
    token_id = str(uuid4())
    claims = {
        "iss": ISSUER,
        "aud": audience,
        "sub": caller.username,
        "groups": sorted(caller.groups),
        "iat": now,
        "nbf": now,
        "exp": end,
        "jti": token_id,
    }
    key = _ring().read()[0]
    logger.info("token issued", extra={"token_id": token_id, "user": caller.username, "audience": audience})
    return jwt.encode(claims, key.private, algorithm=_ALGORITHM, headers={"kid": key.public["kid"]})


def _verified(token: str, audience: str) -> dict[str, Any]:
    key = _ring().named(jwts.claimed(token).key_id)
    claims = jwts.verified(token, key.private.public_key(), Expected(ISSUER, audience, [_ALGORITHM]))
    logger.append_keys(token_id=claims["jti"])
    return claims


def _caller(claims: Mapping[str, Any]) -> Caller:
    return Caller(claims["sub"], frozenset(claims["groups"]))
