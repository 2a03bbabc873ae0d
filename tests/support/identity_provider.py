"""An identity provider as Keycloak is one: it signs tokens for its users and publishes its keys."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from archiver.settings import settings
from tests.support.loopback import QuietHandler, serving

ISSUER = "https://login.example.org/realms/any"
AUDIENCE = "archiver"
CLIENT = "ingestor"


def a_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


KEY, OTHER_KEY = a_key(), a_key()


def a_jwk(kid: str, key: RSAPrivateKey = KEY, **members: Any) -> dict[str, Any]:
    """The public half of a key, as a provider publishes it."""
    return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig", "alg": "RS256"} | members


@dataclass
class Provider:
    """What the provider answers who asks for its keys, and how often it was asked."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    delay: float = 0.0

    def publish(self, *keys: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": keys}).encode()


@contextmanager
def a_provider(environment: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Run a provider that the service under test trusts, and that publishes one key, until the block ends."""
    state = Provider()
    state.publish(a_jwk("any-key"))

    class Handler(QuietHandler):
        def answer(self) -> None:
            state.asked += 1
            time.sleep(state.delay)
            self.send_response(state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

    with serving(Handler) as url:
        environment.setenv("IDENTITY_ISSUER", ISSUER)
        environment.setenv("IDENTITY_AUDIENCE", AUDIENCE)
        environment.setenv("IDENTITY_KEYS_URL", f"{url}/certs")
        environment.setenv("IDENTITY_CLIENTS", f"any-other, {CLIENT}")
        # A thread that an earlier test left behind may have read the settings without these.
        settings.cache_clear()
        yield state


def claims(**changed: Any) -> dict[str, Any]:
    """What Keycloak says of a user in an access token; None leaves a claim out."""
    now = int(time.time())
    said = {
        "iss": ISSUER,
        "aud": ["account", AUDIENCE],
        "azp": CLIENT,
        "sub": "f3a5ab92-4a0b-4b6e-8ea2-6d1f3c7b5a11",
        "typ": "Bearer",
        "preferred_username": "user1",
        "groups": ["/group1", "/facility/group2"],
        "iat": now,
        "exp": now + 300,
    } | changed
    return {name: value for name, value in said.items() if value is not None}


def a_token(kid: str | None = "any-key", key: Any = KEY, algorithm: str = "RS256", **changed: Any) -> str:
    headers = {} if kid is None else {"kid": kid}
    return jwt.PyJWS().encode(json.dumps(claims(**changed)).encode(), key, algorithm, headers)
