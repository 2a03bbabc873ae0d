"""Tokens of an identity provider outside (OpenID Connect, as Keycloak writes them), verified with its public keys.

Its issuer, audience, algorithms and the address of its keys come from the configuration alone; nothing that
a token says is ever fetched.
"""

import time
from collections import Counter
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from threading import Lock
from typing import Any

import jwt
import orjson
import urllib3

from archiver.http.auth import jwts
from archiver.http.auth.callers import Caller, NotVerified
from archiver.http.auth.jwts import Expected
from archiver.http.problems import Refusal
from archiver.http.request_codes import RequestCode
from archiver.log import logger
from archiver.settings import settings

_TIMEOUT = urllib3.Timeout(connect=2.0, read=3.0, total=5.0)
_ANSWER_BYTES = 256 * 1024
# Keys are asked for again after five minutes, and while there is no answer used for an hour.
_FRESH_SECONDS, _MAX_AGE_SECONDS = 300.0, 3600.0
# Between two questions, whatever tokens arrive.
_COOL_DOWN_SECONDS = 30.0
# The provider's clock may be ahead of ours.
_LEEWAY_SECONDS = 10.0


def read(token: str, key_id: str | None) -> Caller:
    """The user of an access token of the provider. Raises NotVerified; Refusal (503) while its keys are not known."""
    expected = Expected(
        settings().identity_issuer, settings().identity_audience, settings().identity_algorithms, _LEEWAY_SECONDS
    )
    claims = jwts.verified(token, _keys().named(key_id), expected)
    if settings().identity_clients and claims.get("azp") not in settings().identity_clients:
        raise NotVerified("wrong_client")
    # Keycloak also signs tokens that say who somebody is ("ID"), not that somebody may ask for anything.
    if claims.get("typ", "Bearer") != "Bearer":
        raise NotVerified("no_access_token")
    return _caller(claims)


def _caller(claims: Mapping[str, Any]) -> Caller:
    """The user, by the name that SciCat knows; groups as Keycloak writes them are paths ("/group1")."""
    username, groups = claims.get("preferred_username"), claims.get("groups", [])
    if not isinstance(username, str) or not username:
        raise NotVerified("no_username")
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise NotVerified("wrong_groups")
    return Caller(username, frozenset(group.removeprefix("/") for group in groups))


class _Keys:
    """The provider's keys (RFC 7517), asked for when they are old or do not have the one that is looked for."""

    def __init__(self) -> None:
        self._keys: dict[str, jwt.PyJWK] = {}
        self._answered_at = self._asked_at = float("-inf")
        self._lock = Lock()
        self._pool = urllib3.PoolManager(cert_reqs="CERT_REQUIRED", retries=False, timeout=_TIMEOUT)

    def named(self, key_id: str | None) -> jwt.PyJWK:
        """The key of that name. Raises NotVerified; Refusal (503) while there are no keys that may still be used."""
        with self._lock:
            old = time.monotonic() - self._answered_at > _FRESH_SECONDS
            if (old or key_id not in self._keys) and time.monotonic() - self._asked_at > _COOL_DOWN_SECONDS:
                self._ask()
            if time.monotonic() - self._answered_at > _MAX_AGE_SECONDS:
                raise _unavailable(_COOL_DOWN_SECONDS - (time.monotonic() - self._asked_at))
            if key_id not in self._keys:
                raise NotVerified("unknown_key")
            return self._keys[key_id]

    def _ask(self) -> None:
        self._asked_at = time.monotonic()
        try:
            response = self._pool.request(
                "GET",
                settings().identity_keys_url,
                headers={"Accept": "application/json"},
                redirect=False,
                preload_content=False,
            )
            with response:
                self._keys = _usable(_bounded(response))
            self._answered_at = time.monotonic()
        except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("the identity provider does not hand out its keys", extra={"reason": repr(error)})


@cache
def _keys() -> _Keys:
    return _Keys()


def _bounded(response: urllib3.BaseHTTPResponse) -> list[dict[str, Any]]:
    """The keys in an answer. Raises ValueError when it is another answer, or too large."""
    body = response.read(_ANSWER_BYTES + 1, decode_content=True)
    if response.status != HTTPStatus.OK or len(body) > _ANSWER_BYTES:
        raise ValueError(f"{response.status} with {len(body)} bytes")
    keys: list[dict[str, Any]] = orjson.loads(body)["keys"]
    return keys


def _usable(keys: list[dict[str, Any]]) -> dict[str, jwt.PyJWK]:
    """The keys that may verify a signature, by their names; a name that two of them bear is nobody's."""
    named = [key for key in keys if isinstance(key.get("kid"), str)]
    times = Counter(key["kid"] for key in named)
    signing = (key for key in named if times[key["kid"]] == 1 and key.get("use", "sig") == "sig")
    return {key["kid"]: read for key in signing if (read := _read(key))}


def _read(key: Mapping[str, Any]) -> jwt.PyJWK | None:
    """A key for one of the configured algorithms, which are all asymmetric; None for any other."""
    try:
        read = jwt.PyJWK(dict(key))
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return read if read.algorithm_name in settings().identity_algorithms else None


def _unavailable(seconds: float) -> Refusal:
    message = "The identity provider does not answer. Please try again later."
    retry = {"Retry-After": str(max(1, round(seconds)))}
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, RequestCode.IDENTITY_PROVIDER_UNAVAILABLE, message, headers=retry)
