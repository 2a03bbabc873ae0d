"""Tokens of an identity provider are let in when everything about them is right, and cost it few questions."""

import base64
import hmac
import io
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from archiver.http.auth import identity_provider, tokens
from archiver.http.auth.callers import Caller
from tests.support.archiver_api import Api, bearer
from tests.support.identity_provider import ISSUER, KEY, OTHER_KEY, Provider, a_jwk, a_token, claims
from tests.support.loopback import QuietHandler, serving

ROUTE = "/s3/requestDatasetUpload"
# Let in, and told that the body lacks everything; or not let in.
LET_IN, REFUSED = 422, 401


def asked_with(api: Api, token: str) -> int:
    """The status that a request with this token is answered."""
    return api.post(ROUTE, {}, bearer(token)).status


def test_a_user_of_the_provider_is_let_in_with_the_groups_that_it_names(api: Api, provider: Provider) -> None:
    assert asked_with(api, a_token()) == LET_IN

    assert identity_provider.read(a_token(), "any-key") == Caller("user1", frozenset({"group1", "facility/group2"}))
    assert provider.asked == 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exp": 1}, "ExpiredSignatureError"),
        ({"exp": None}, "MissingRequiredClaimError"),
        ({"exp": "soon"}, "DecodeError"),
        ({"exp": float("inf")}, "not_a_token"),
        ({"nbf": int(time.time()) + 3600}, "ImmatureSignatureError"),
        ({"iat": int(time.time()) + 3600}, "ImmatureSignatureError"),
        ({"iat": None}, "MissingRequiredClaimError"),
        ({"aud": "any-other"}, "InvalidAudienceError"),
        ({"aud": None}, "MissingRequiredClaimError"),
        ({"iss": ISSUER + "/"}, "wrong_issuer"),
        ({"iss": [ISSUER]}, "wrong_issuer"),
        ({"iss": None}, "not_of_scicat"),
        ({"sub": None}, "MissingRequiredClaimError"),
        ({"azp": "any-unknown-client"}, "wrong_client"),
        ({"azp": None}, "wrong_client"),
        ({"typ": "ID"}, "no_access_token"),
        ({"preferred_username": None}, "no_username"),
        ({"preferred_username": ["user1"]}, "no_username"),
        ({"groups": "group1"}, "wrong_groups"),
        ({"groups": [["group1"]]}, "wrong_groups"),
    ],
)
@pytest.mark.usefixtures("provider")
def test_b20_a_token_with_a_wrong_claim_is_refused_and_only_the_log_says_why(
    api: Api, log: io.StringIO, changed: dict[str, Any], reason: str
) -> None:
    answer = api.post(ROUTE, {}, bearer(a_token(**changed)))

    assert (answer.status, answer.json["code"], answer.json["details"]) == (REFUSED, "unauthorized", "")
    assert answer.headers["www-authenticate"] == 'Bearer realm="archiver"'
    assert json.loads(log.getvalue().splitlines()[-1])["refused"] == reason


def segment(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def unsigned(header: dict[str, Any]) -> str:
    """A token that nobody signed."""
    return f"{segment(json.dumps(header).encode())}.{segment(json.dumps(claims()).encode())}."


def signed_with_the_public_key() -> str:
    """HS256, with the provider's public key as the secret: who lets the token choose the algorithm accepts it."""
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    said = unsigned({"alg": "HS256", "kid": "any-key"})[:-1]
    return f"{said}.{segment(hmac.digest(pem, said.encode(), 'sha256'))}"


@pytest.mark.parametrize(
    "token",
    [
        unsigned({"alg": "none", "typ": "JWT"}),
        unsigned({"alg": "None", "kid": "any-key"}),
        unsigned({"alg": "RS256", "kid": "any-key"}),
        unsigned({"alg": ["RS256"], "kid": "any-key"}),
        unsigned({"kid": "any-key"}),
        signed_with_the_public_key(),
        a_token(key=OTHER_KEY),
        a_token(algorithm="RS512"),
        a_token(algorithm="PS256"),
        a_token(kid=None),
        a_token(kid="unknown"),
        a_token(kid="../../any-key"),
        a_token(kid="' OR 1=1 --"),
        a_token()[:-1],
        a_token() + "A",
        a_token() + "." + "A",
        a_token().replace(".", ""),
        a_token(padding="x" * 64_000),
        a_token().partition(".")[0] + "." + "!" * 20 + ".A",
        "A" * 65_536,
        f"{segment(b'[' * 5_000)}.e30.A",
        f"{segment(b'1' * 5_000)}.e30.A",
        f"{segment(b'[]')}.{segment(b'[]')}.A",
        "..",
        "",
        "\ud800.\x00.\xff",
    ],
    ids=range(26),
)
def test_b21_a_token_that_the_provider_did_not_sign_so_is_refused(api: Api, provider: Provider, token: str) -> None:
    assert asked_with(api, token) == REFUSED
    assert provider.asked <= 1


@pytest.mark.parametrize(
    "keys",
    [
        [a_jwk("any-key"), a_jwk("any-key", OTHER_KEY)],
        [a_jwk("any-key", use="enc")],
        [a_jwk("any-key", alg="RS512")],
        [a_jwk("any-key", alg="HS256")],
        [a_jwk("any-key", kty="any")],
        [{"kty": "oct", "kid": "any-key", "alg": "HS256", "k": "YW55LXNlY3JldA"}],
        [{"kid": "any-key"}],
        [a_jwk("another")],
        [],
    ],
    ids=["twice", "for encryption", "other", "symmetric", "unknown", "secret", "empty", "another", "none"],
)
def test_b21_a_key_that_is_not_good_for_the_token_lets_nobody_in(
    api: Api, provider: Provider, keys: list[dict[str, Any]]
) -> None:
    provider.publish(*keys)

    assert asked_with(api, a_token()) == REFUSED


@pytest.mark.usefixtures("provider")
def test_b21_a_token_of_the_provider_signed_as_ours_is_refused(api: Api) -> None:
    ours = tokens.issue(Caller("user1")).access_token
    header = jwt.get_unverified_header(ours)

    assert asked_with(api, a_token(kid=header["kid"], iss=tokens.ISSUER, aud="scopemarchiver")) == REFUSED


def test_b21_unknown_keys_let_the_provider_be_asked_once_per_cool_down(
    api: Api, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {asked_with(api, a_token(kid=f"unknown-{number}")) for number in range(20)} == {REFUSED}
    assert provider.asked == 1

    provider.publish(a_jwk("any-key"), a_jwk("new-key", OTHER_KEY))
    assert asked_with(api, a_token("new-key", OTHER_KEY)) == REFUSED

    monkeypatch.setattr(identity_provider, "_COOL_DOWN_SECONDS", 0.0)
    assert asked_with(api, a_token("new-key", OTHER_KEY)) == LET_IN
    assert provider.asked == 2


@pytest.mark.parametrize(
    "outage",
    [
        {"status": 500},
        {"status": 404},
        {"status": 302, "headers": {"Location": "/certs"}},
        {"body": b"not JSON"},
        {"body": b"[]"},
        {"body": b'{"keys": null}'},
        {"body": b'{"keys": [1]}'},
        {"body": json.dumps({"keys": [a_jwk("any-key")], "padding": "x" * 300_000}).encode()},
        {"body": b"[" * 100_000},
    ],
    ids=["500", "404", "redirect", "text", "list", "null", "numbers", "large", "deep"],
)
def test_b22_while_the_provider_gives_no_keys_its_users_come_back_later(
    api: Api, provider: Provider, outage: dict[str, Any]
) -> None:
    for name, value in outage.items():
        setattr(provider, name, value)

    answer = api.post(ROUTE, {}, bearer(a_token()))

    assert (answer.status, answer.json["code"]) == (503, "identity_provider_unavailable")
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert provider.asked == 1


def test_b22_a_provider_that_is_slow_is_not_waited_for(
    api: Api, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity_provider, "_TIMEOUT", 0.2)
    provider.delay = 1.0

    assert asked_with(api, a_token()) == 503


def test_b22_known_keys_are_used_until_they_are_too_old(
    api: Api, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked_with(api, a_token()) == LET_IN
    provider.status = 500
    monkeypatch.setattr(identity_provider, "_COOL_DOWN_SECONDS", 0.0)
    monkeypatch.setattr(identity_provider, "_FRESH_SECONDS", 0.0)

    assert asked_with(api, a_token()) == LET_IN

    monkeypatch.setattr(identity_provider, "_MAX_AGE_SECONDS", 0.0)
    assert asked_with(api, a_token()) == 503
    assert asked_with(api, tokens.issue(Caller("user1")).access_token) == LET_IN


def test_b44_no_address_in_a_token_is_ever_fetched(api: Api, provider: Provider) -> None:
    elsewhere = Provider()

    class Handler(QuietHandler):
        def answer(self) -> None:
            elsewhere.asked += 1

    with serving(Handler) as url:
        addresses = {"jku": url, "x5u": url, "jwk": a_jwk("any-key", OTHER_KEY)}
        token = jwt.encode(claims(), OTHER_KEY, algorithm="RS256", headers={"kid": "any-key"} | addresses)
        assert asked_with(api, token) == REFUSED
        assert asked_with(api, a_token(iss=url)) == REFUSED

    assert (elsewhere.asked, provider.asked) == (0, 1)


def test_without_a_provider_nobody_asks_for_its_tokens(api: Api) -> None:
    assert asked_with(api, a_token()) == REFUSED
    assert asked_with(api, a_token(iss="")) == REFUSED
