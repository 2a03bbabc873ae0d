"""Routes let in whom they name, and tell others nothing."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import jwt
import pytest
import time_machine
from aws_lambda_powertools.event_handler.openapi.models import Operation
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver.http import ttl_cache
from archiver.http.app import api as resolver
from archiver.http.auth import authentication, tokens
from archiver.http.auth.callers import Caller
from archiver.retrieve import links
from archiver.scicat import Catalogue, Identity
from tests.support.archiver_api import JOB_API_ACCOUNT, Api, basic, bearer, event
from tests.support.catalogue import Scicat

USERNAME, PASSWORD = JOB_API_ACCOUNT
# These are for everybody; every other route must name who may call it.
OPEN = {
    ("/health/livez", "get"),
    ("/health/readyz", "get"),
    ("/datablocks/{token}", "get"),
    ("/datablocks/{token}", "head"),
    ("/datablocks/{token}/renewal", "post"),
    ("/token/refresh", "post"),
    ("/.well-known/jwks.json", "get"),
}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic w7w",
        basic(USERNAME, "any-wrong-password"),
        basic("any-wrong-name", PASSWORD),
        basic(USERNAME, ""),
        basic("", PASSWORD),
        basic(USERNAME, PASSWORD)[:-4],
        basic(USERNAME, PASSWORD).replace("Basic", "Bearer"),
        "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}\0".encode()).decode(),
        "Basic " + "A" * 100_000,
        "Basic \xff\ud800",
    ],
)
def test_b23_a_job_without_the_right_credentials_is_refused(api: Api, header: str) -> None:
    answer = api.post("/archiver/jobs", {}, {"Authorization": header})

    assert (answer.status, answer.json["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Basic realm="archiver", charset="UTF-8"'


def encoded(account: str) -> str:
    return base64.b64encode(account.encode()).decode()


@pytest.mark.parametrize(
    ("credentials", "told"),
    [
        ("", "ARCHIVER_BASIC is not set"),
        (encoded("archiver:any-secrets").replace("=", "&#x3D;"), "triple braces"),
        (encoded("archiver:any-secret").replace("=", "&#x3D;"), "triple braces"),
        (encoded("archiver:any-secret").replace("=", "&#61;"), "triple braces"),
        ("archiver:any-secret", "not base64"),
        ("{{{ env.ARCHIVER_BASIC }}}", "not base64"),
        (encoded("archiver:any-secret")[:-1], "not base64"),
        (encoded("any-secret"), "not name:password"),
        (encoded("archiver:any-secret\n"), "printf '%s'"),
    ],
)
def test_a_header_that_scicat_spoilt_is_told_by_its_form_and_never_repeated(
    api: Api, credentials: str, told: str
) -> None:
    answer = api.post("/archiver/jobs", {}, {"Authorization": f"Basic {credentials}".rstrip()})

    assert answer.status == 401
    assert told in answer.json["details"]
    assert "any-secret" not in answer.body
    assert not credentials or credentials[:12] not in answer.body.replace("{{{ env.ARCHIVER_BASIC }}}", "")


def test_well_formed_credentials_that_are_wrong_are_told_nothing(api: Api) -> None:
    for header in (basic(USERNAME, "any-wrong-password"), basic("any-wrong-name", PASSWORD)):
        assert api.post("/archiver/jobs", {}, {"Authorization": header}).json["details"] == ""


def test_a_job_without_any_credentials_is_refused(api: Api) -> None:
    assert api.answer(event("POST", "/archiver/jobs", "{}", {"Content-Type": "application/json"})).status == 401


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_the_right_credentials_are_let_in_however_they_are_written(api: Api, scheme: str, name: str) -> None:
    header = basic(USERNAME, PASSWORD).replace("Basic", scheme)

    request = event("POST", "/archiver/jobs", "{}", {"Content-Type": "application/json", name: header})

    assert api.answer(request).status == 422


def test_a_changed_password_counts_once_the_old_one_is_forgotten(api: Api, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("JOB_API_SECRET", "changed")
    account = json.dumps({"username": "any-ü", "password": "any:colon"})
    boto3.client("secretsmanager").create_secret(Name="changed", SecretString=account)

    assert api.post("/jobs", {}).status == 401
    assert api.post("/jobs", {}, {"Authorization": basic("any-ü", "any:colon")}).status == 422


def test_while_the_credentials_cannot_be_read_nobody_is_let_in(api: Api, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("JOB_API_SECRET", "any-secret-that-is-gone")

    answer = api.post("/archiver/jobs", {})

    assert answer.status == 503
    assert "any-secret" not in answer.body


def asked_with(api: Api, token: str) -> int:
    """The status of a user's request that lacks everything but a token."""
    return api.post("/s3/requestDatasetUpload", {}, bearer(token)).status


@pytest.mark.parametrize("account", ["user1", "user2", "archiver"])
def test_a_user_is_let_in_with_a_token_of_ours_or_of_scicat(api: Api, scicat: Scicat, account: str) -> None:
    scicat_token = scicat.token(account)
    ours = api.answer(event("POST", "/token", headers=bearer(scicat_token))).json["access_token"]

    assert (asked_with(api, scicat_token), asked_with(api, ours)) == (422, 422)


def test_b20_a_token_of_ours_is_refused_once_it_has_expired(api: Api) -> None:
    token = tokens.issue(Caller("user1")).access_token

    assert asked_with(api, token) == 422
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=12, seconds=1)):
        assert asked_with(api, token) == 401
    with time_machine.travel(datetime.now(UTC) - timedelta(minutes=1)):
        assert asked_with(api, token) == 401


@pytest.mark.parametrize("changed", [{"aud": "any"}, {"exp": None}, {"iat": None}, {"sub": None}, {"iss": "any"}])
def test_b20_a_token_that_our_key_signed_for_something_else_is_refused(
    api: Api, changed: dict[str, str | None]
) -> None:
    key = tokens._ring().read()[0]
    good = jwt.decode(tokens.issue(Caller("user1")).access_token, options={"verify_signature": False})
    claims = {name: value for name, value in (good | changed).items() if value is not None}

    assert (
        asked_with(api, jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.public["kid"]})) == 401
    )


def test_b21_our_public_key_signs_nothing(api: Api) -> None:
    key = tokens._ring().read()[0]
    claims = jwt.decode(tokens.issue(Caller("user1")).access_token, options={"verify_signature": False})
    forged = jwt.encode(claims, key.public["x"], algorithm="HS256", headers={"kid": key.public["kid"]})
    others = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": key.public["kid"]})

    assert (asked_with(api, forged), asked_with(api, others)) == (401, 401)


def test_a_download_link_opens_no_route_for_users(api: Api) -> None:
    link = links.url(links.issue("any-key", "any-pid", datetime.now(UTC))).rpartition("/")[2]

    assert asked_with(api, link) == 401


def test_scicat_is_asked_about_a_token_once_a_minute_and_the_token_is_not_kept(
    api: Api, scicat: Scicat, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    identity = Catalogue.identity

    def noted(catalogue: Catalogue, token: str) -> Identity | None:
        asked.append(token)
        return identity(catalogue, token)

    monkeypatch.setattr(Catalogue, "identity", noted)
    token, forged = scicat.token("user1"), a_scicat_token()

    assert [asked_with(api, one) for one in (token, forged, token, forged)] == [422, 401, 422, 401]
    assert asked == [token, forged]
    assert token not in repr(vars(authentication._scicat_users()))

    later = time.monotonic() + 61
    monkeypatch.setattr(ttl_cache, "time", SimpleNamespace(monotonic=lambda: later))
    assert asked_with(api, token) == 422
    assert asked == [token, forged, token]


def a_scicat_token(algorithm: str = "HS256", **changed: object) -> str:
    """A token in the form of SciCat's, which SciCat did not sign."""
    claims = {"_id": "any", "username": "user1", "iat": int(time.time()), "exp": int(time.time()) + 3600} | changed
    return jwt.encode(claims, "any-secret-that-is-long-enough-for-this-algorithm" * 2, algorithm=algorithm)


@pytest.mark.parametrize(
    "token",
    [
        a_scicat_token(exp=int(time.time()) - 1),
        a_scicat_token(exp="never"),
        a_scicat_token(_id=None),
        a_scicat_token("HS512"),
        a_scicat_token(padding="x" * 10_000),
        "any-token",
    ],
    ids=["expired", "endless", "nobody's", "another algorithm", "long", "opaque"],
)
def test_what_cannot_be_a_token_of_scicat_is_refused_without_asking(api: Api, token: str) -> None:
    # There is no SciCat in this test: asking would answer 503.
    assert api.answer(event("POST", "/token", headers=bearer(token))).status == 401
    assert asked_with(api, token) == 401


def test_while_scicat_does_not_answer_its_tokens_are_neither_right_nor_wrong(api: Api, no_pauses: None) -> None:
    assert no_pauses is None

    answer = api.post("/s3/requestDatasetUpload", {}, bearer(a_scicat_token()))

    assert (answer.status, answer.json["code"]) == (503, "scicat_unavailable")
    assert "retry-after" in answer.headers


def test_basic_credentials_open_no_route_for_users_and_tokens_start_no_job(api: Api) -> None:
    token = tokens.issue(Caller("user1")).access_token

    assert api.post("/s3/requestDatasetUpload", {}).status == 401
    assert api.post("/token", {}).status == 401
    assert api.post("/archiver/jobs", {}, bearer(token)).status == 401


def test_every_route_says_who_may_call_it() -> None:
    paths = resolver.get_openapi_schema().paths or {}
    without = {
        (path, method)
        for path, item in paths.items()
        for method in ("get", "head", "post", "put", "patch", "delete")
        if isinstance(operation := getattr(item, method), Operation) and not operation.security
    }

    assert without == OPEN
