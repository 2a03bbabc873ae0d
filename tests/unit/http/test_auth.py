"""Routes let in whom they name, and tell others nothing."""

import base64
import json

import boto3
import pytest
from aws_lambda_powertools.event_handler.openapi.models import Operation

from archiver.http.app import api as resolver
from tests.archiver_api import JOB_API_ACCOUNT, Api, basic, event

USERNAME, PASSWORD = JOB_API_ACCOUNT
# These are for everybody; every other route must name who may call it.
OPEN = {
    ("/health/livez", "get"),
    ("/health/readyz", "get"),
    ("/datablocks/{token}", "get"),
    ("/datablocks/{token}", "head"),
    ("/datablocks/{token}/renewal", "post"),
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


def test_every_route_says_who_may_call_it() -> None:
    paths = resolver.get_openapi_schema().paths or {}
    without = {
        (path, method)
        for path, item in paths.items()
        for method in ("get", "head", "post", "put", "patch", "delete")
        if isinstance(operation := getattr(item, method), Operation) and not operation.security
    }

    assert without == OPEN
