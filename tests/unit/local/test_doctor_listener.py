"""What the doctor hears in the archiver's place, and what it finds wrong with it."""

import base64
from dataclasses import replace

import httpx
import pytest

from local.configuration import Login
from local.doctor.listener import Call, listening, username_of, wrong_with

JOB = "00000000-0000-4000-8000-000000000000"
ACCOUNT = Login("archiver", "any-secrets")


def basic(account: str) -> str:
    return f"Basic {base64.b64encode(account.encode()).decode()}"


GOOD = Call(
    "POST",
    "/api/v1/archiver/jobs",
    "application/json",
    basic("archiver:any-secrets"),
    f'{{"id": "{JOB}", "type": "archive"}}',
)


def test_nothing_is_wrong_with_the_call_of_the_shipped_configuration() -> None:
    assert wrong_with(GOOD, JOB, ACCOUNT) is None
    assert wrong_with(GOOD, JOB, None) is None
    assert username_of(GOOD) == "archiver"


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ({"method": "GET"}, "method: POST"),
        ({"path": "/archiver/job"}, "/archiver/jobs"),
        ({"content_type": ""}, "content type"),
        ({"content_type": "text/plain"}, "content type"),
        ({"body": "id=any"}, "not JSON"),
        ({"body": GOOD.body.replace('"', "&quot;")}, "triple braces"),
        ({"body": '{"id": "any-other", "type": "archive"}'}, "does not name the job"),
        ({"body": f'{{"id": "{JOB}"}}'}, "does not name the job"),
        ({"body": f'["{JOB}"]'}, "does not name the job"),
        ({"authorization": ""}, "no Authorization header"),
        ({"authorization": "Bearer any"}, "Basic"),
        ({"authorization": "Basic"}, "ARCHIVER_BASIC is not set"),
        ({"authorization": GOOD.authorization.replace("=", "&#x3D;")}, "triple braces"),
        ({"authorization": basic("archiver:any-secrets\n")}, "printf"),
        ({"authorization": basic("archiver:another")}, "JobApiPassword"),
        ({"authorization": basic("another:any-secrets")}, "JobApiUsername"),
    ],
)
def test_what_is_wrong_is_told_without_the_password(spoilt: dict[str, str], told: str) -> None:
    call = replace(GOOD, **spoilt)
    sentence = wrong_with(call, JOB, ACCOUNT)
    assert sentence is not None
    assert told in sentence
    shown = f"{sentence} {call} {call!r}"
    assert "any-secrets" not in shown
    assert GOOD.authorization.split()[1][:10] not in shown


def test_every_request_is_heard_and_answered() -> None:
    with listening(0) as listener:
        answer = httpx.post(f"{listener.url}/api/v1/archiver/jobs", content=GOOD.body, trust_env=False)
        httpx.get(f"{listener.url}/any", trust_env=False)
    assert answer.status_code == 201
    assert [call.method for call in listener.calls] == ["POST", "GET"]
    assert listener.call_for(JOB) is listener.calls[0]
    assert listener.call_for("any-other") is None
