"""Users log in with a SciCat token, stay logged in as OAuth 2.0 clients do, and anybody can verify their tokens."""

import io
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import boto3
import jwt
import pytest
import time_machine

from archiver.aws import secrets
from archiver.http.auth import tokens
from archiver.http.auth.callers import Caller, NotVerified
from archiver.scicat import Catalogue, Identity
from tests.support.archiver_api import Answer, Api, basic, bearer, event
from tests.support.catalogue import Scicat

FORM = "application/x-www-form-urlencoded"
USER = Caller("user1", frozenset({"group1", "group2"}))


def logged_in(api: Api, scicat_token: str) -> Answer:
    return api.answer(event("POST", "/token", headers=bearer(scicat_token)))


def refreshed(api: Api, token: str, headers: Mapping[str, str] | None = None, **fields: str) -> Answer:
    """What the Ingestor's OAuth 2.0 client is answered."""
    form = urlencode({"grant_type": "refresh_token", "refresh_token": token} | fields)
    return api.answer(event("POST", "/token/refresh", form, {"Content-Type": FORM} | dict(headers or {})))


def verified(api: Api, token: str, audience: str = "scopemarchiver") -> dict[str, Any]:
    """The claims of a token, read by somebody who has the published keys."""
    keys = {key["kid"]: jwt.PyJWK(key) for key in api.get("/.well-known/jwks.json").json["keys"]}
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["EdDSA"], audience=audience)


def rotate() -> None:
    """Give the secret another version, as an operator does; processes have read it again since."""
    current = boto3.client("secretsmanager").get_secret_value(SecretId="token")["SecretString"]
    boto3.client("secretsmanager").put_secret_value(SecretId="token", SecretString=current + "+")
    tokens._ring.cache_clear()


def test_a_user_of_scicat_is_given_tokens_with_the_groups_that_scicat_knows(api: Api, scicat: Scicat) -> None:
    answer = logged_in(api, scicat.token("user1"))

    assert answer.status == 201
    assert set(answer.json) == {
        "access_token",
        "expires_in",
        "refresh_token",
        "refresh_expires_in",
        "token_type",
        "scope",
    }
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 12 * 3600)
    assert answer.json["refresh_expires_in"] == 7 * 24 * 3600
    claims = verified(api, answer.json["access_token"])
    assert (claims["sub"], claims["groups"]) == ("user1", ["group1"])
    assert claims["exp"] - claims["iat"] == answer.json["expires_in"]


def test_a_user_whose_groups_no_header_could_carry_is_told_so(api: Api, environment: pytest.MonkeyPatch) -> None:
    def identity(_: Catalogue, token: str) -> Identity:
        return Identity("user1", frozenset(f"group-{number:05d}" for number in range(int(token.rpartition(".")[2]))))

    environment.setattr(Catalogue, "identity", identity)
    claims = {"_id": "any", "exp": int(time.time()) + 60}
    head = jwt.encode(claims, "any-secret-that-is-long-enough-to-sign", algorithm="HS256").rpartition(".")[0]

    assert logged_in(api, f"{head}.400").status == 201
    refused = logged_in(api, f"{head}.600")
    assert (refused.status, refused.json["code"]) == (403, "too_many_groups")


def test_j07_neither_tokens_are_logged_when_they_are_given_nor_when_they_are_used(
    api: Api, scicat: Scicat, log: io.StringIO
) -> None:
    scicat_token = scicat.token("user1")
    given = logged_in(api, scicat_token).json
    refreshed(api, given["refresh_token"])
    api.get("/archiver/jobs/any", bearer(given["access_token"]))

    logged = log.getvalue()
    for token in (scicat_token, given["access_token"], given["refresh_token"]):
        assert not any(part in logged for part in token.split("."))
    assert "token issued" in logged


@pytest.mark.parametrize("client", [{}, {"client_id": "any-client"}, {"client_id": "any", "client_secret": ""}])
@pytest.mark.parametrize("header", [{}, {"Authorization": basic("any-client", "")}])
def test_a_refresh_token_is_exchanged_for_the_same_user_and_the_same_end(
    api: Api, client: dict[str, str], header: dict[str, str]
) -> None:
    given = tokens.issue(USER)

    answer = refreshed(api, given.refresh_token, header, **client)

    assert answer.status == 200
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "refresh_token"}
    claims = verified(api, answer.json["access_token"])
    assert (claims["sub"], claims["groups"]) == ("user1", ["group1", "group2"])
    old, new = (
        jwt.decode(token, options={"verify_signature": False})["exp"]
        for token in (given.refresh_token, answer.json["refresh_token"])
    )
    assert old == new


def test_an_access_token_ends_no_later_than_the_login(api: Api) -> None:
    given = tokens.issue(USER)

    with time_machine.travel(datetime.now(UTC) + timedelta(days=6, hours=20), tick=False):
        answer = refreshed(api, given.refresh_token)

    assert answer.json["expires_in"] in range(4 * 3600 - 5, 4 * 3600 + 5)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("", "invalid_request"),
        ("grant_type=refresh_token", "invalid_request"),
        ("refresh_token=any", "invalid_request"),
        ("grant_type=password&refresh_token=any", "unsupported_grant_type"),
        ("grant_type=refresh_token&refresh_token=any", "invalid_grant"),
        ("grant_type=refresh_token&refresh_token=%00%FF", "invalid_grant"),
        ("grant_type=refresh_token&refresh_token=" + "a" * 100_000, "invalid_grant"),
        ("&" * 10_000, "invalid_request"),
    ],
)
def test_a_refusal_of_a_refresh_is_one_that_an_oauth_client_reads(api: Api, form: str, error: str) -> None:
    answer = api.answer(event("POST", "/token/refresh", form, {"Content-Type": FORM}))

    assert (answer.status, answer.json) == (400, {"error": error})


@pytest.mark.parametrize("twice", ["refresh_token", "grant_type", "client_id"])
def test_of_two_parameters_with_one_name_none_is_read(api: Api, twice: str) -> None:
    token = tokens.issue(USER).refresh_token
    form = urlencode({"grant_type": "refresh_token", "refresh_token": token, "client_id": "any"})
    both = {"refresh_token": token, "grant_type": "refresh_token", "client_id": "other"}

    for body in (f"{form}&{urlencode({twice: both[twice]})}", f"{urlencode({twice: ''})}&{form}"):
        answer = api.answer(event("POST", "/token/refresh", body, {"Content-Type": FORM}))

        assert (answer.status, answer.json) == (400, {"error": "invalid_request"})
    assert api.answer(event("POST", "/token/refresh", form, {"Content-Type": FORM})).status == 200


def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(api: Api) -> None:
    given = tokens.issue(USER)

    assert refreshed(api, given.access_token).json == {"error": "invalid_grant"}
    with pytest.raises(NotVerified, match="InvalidAudienceError"):
        tokens.read(given.refresh_token)


def test_b24_what_a_token_is_used_for_is_in_the_log_under_its_id(api: Api, scicat: Scicat, log: io.StringIO) -> None:
    given = logged_in(api, scicat.token("user1")).json
    api.get("/archiver/jobs/any", bearer(given["access_token"]))
    api.get("/health/livez")

    issued = [line for line in map(json.loads, log.getvalue().splitlines()) if line["message"] == "token issued"]
    used, after = (json.loads(line) for line in log.getvalue().splitlines()[-2:])
    claims = verified(api, given["access_token"])
    assert issued[0]["token_id"] == used["token_id"] == claims["jti"]
    assert (used["caller"], used["route"]) == ("user1", "GET /archiver/jobs/<job_id>")
    assert "token_id" not in after or after["token_id"] is None


def test_b24_a_refresh_token_is_refused_once_the_login_has_ended(api: Api, log: io.StringIO) -> None:
    given = tokens.issue(USER)

    with time_machine.travel(datetime.now(UTC) + timedelta(days=7, seconds=1)):
        answer = refreshed(api, given.refresh_token)

    assert (answer.status, answer.json) == (400, {"error": "invalid_grant"})
    assert json.loads(log.getvalue().splitlines()[-1])["refused"] == "ExpiredSignatureError"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_b17_a_refresh_that_is_no_form_is_refused(api: Api, content_type: str) -> None:
    answer = api.answer(event("POST", "/token/refresh", "{}", {"Content-Type": content_type}))

    assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.usefixtures("wire")
def test_after_a_rotation_old_tokens_are_good_until_the_next_one(api: Api) -> None:
    given = tokens.issue(USER)
    before = verified(api, given.access_token)
    rotate()

    assert verified(api, given.access_token) == before
    assert tokens.read(given.access_token) == USER
    assert refreshed(api, given.refresh_token).status == 200

    rotate()

    assert refreshed(api, given.refresh_token).json == {"error": "invalid_grant"}
    with pytest.raises(NotVerified, match="unknown_key"):
        tokens.read(given.access_token)


@pytest.mark.usefixtures("wire")
def test_the_key_that_signs_now_is_published_first_and_no_private_one_is(api: Api) -> None:
    rotate()

    keys = api.get("/.well-known/jwks.json").json["keys"]

    assert [set(key) for key in keys] == [{"kty", "crv", "x", "kid", "use", "alg"}] * 2
    assert jwt.get_unverified_header(tokens.issue(USER).access_token)["kid"] == keys[0]["kid"]
    assert len({key["x"] for key in keys}) == 2


def test_a_token_of_a_key_that_another_process_was_given_already_is_accepted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api
    monkeypatch.setattr(tokens, "_COOL_DOWN_SECONDS", 0.0)
    tokens.public_keys()
    ring = tokens._ring()
    rotate()
    given = tokens.issue(USER)
    monkeypatch.setattr(tokens, "_ring", lambda: ring)

    assert tokens.read(given.access_token) == USER


def test_unknown_keys_let_secrets_manager_be_asked_once_per_cool_down(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api
    given = tokens.issue(USER)
    rotate()
    rotate()
    asked: list[str] = []
    versions = secrets.versions

    def noted(arn: str) -> list[str]:
        asked.append(arn)
        return versions(arn)

    monkeypatch.setattr(secrets, "versions", noted)

    for _ in range(20):
        with pytest.raises(NotVerified):
            tokens.read(given.access_token)

    assert asked == ["token"]


def test_while_the_key_cannot_be_read_nobody_is_given_a_token(
    api: Api, scicat: Scicat, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("TOKEN_SECRET", "any-secret-that-is-gone")

    answer = logged_in(api, scicat.token("user1"))

    assert (answer.status, answer.json["code"]) == (503, "internal")
    assert "any-secret" not in answer.body
