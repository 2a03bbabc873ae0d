"""No body hurts: on every route that reads one it is refused within a second, and briefly."""

import json
import time
from collections.abc import Mapping
from http import HTTPStatus

import pytest

from archiver.http.app import MAX_BODY_BYTES
from tests.support.account import ROOT
from tests.support.archiver_api import JOB_API_ACCOUNT, Answer, Api, basic, bearer, event
from tests.support.catalogue import Scicat
from tests.support.uploading import PID

FORM = "application/x-www-form-urlencoded"
NUMBERS = ("parts", "size", "dataset_size_gib", "id", "type", "dataset_id")


def with_each(value: str) -> str:
    """JSON in which every field that a route might read as a number, or as text, has this value."""
    return "{" + ", ".join(f'"{name}": {value}' for name in NUMBERS) + "}"


# Names of what is wrong, and a body that is.
JSON: Mapping[str, str] = {
    "NaN": with_each("NaN"),
    "infinity": with_each("-Infinity"),
    "a number of 5,000 digits": with_each("9" * 5000),
    "a number beyond floats": with_each("1e999999"),
    "arrays, 100,000 deep": "[" * 100_000 + "]" * 100_000,
    "objects, 100,000 deep": '{"id":' * 100_000 + "1" + "}" * 100_000,
    "arrays that do not end": "[" * MAX_BODY_BYTES,
    "a member twice": f'{{"dataset_id": "any", "dataset_id": "{PID}"}}',
    "a member twice, further in": f'{{"dataset_id": "{PID}", "parts": [{{"a": 1, "a": 1}}]}}',
    "lone surrogates": with_each('"\\ud800"'),
    "a byte order mark": "\ufeff" + json.dumps({"dataset_id": PID}),
    "trailing bytes": json.dumps({"dataset_id": PID}) + "\x00",
    "two values": json.dumps({"dataset_id": PID}) * 2,
    "60,000 members": json.dumps({str(number): number for number in range(60_000)}),
    "a name of a megabyte": json.dumps({"a" * 900_000: 1}),
    "text of a megabyte": with_each(f'"{"a-" * 70_000}"'),
    "a pid of a megabyte": json.dumps({"dataset_id": "a" * 900_000}),
    "80,000 parts": json.dumps({"dataset_id": PID, "parts": [{"any": 1}] * 80_000}),
}
FORMS: Mapping[str, str] = {
    "250,000 fields": "a=1&" * 240_000,
    "a field twice": "grant_type=refresh_token&grant_type=x&refresh_token=any",
    "a token of a megabyte": "grant_type=refresh_token&refresh_token=" + "a" * 900_000,
    "no text": "grant_type=refresh_token&refresh_token=%ff%00%ed%a0%80",
}


def routes() -> dict[str, str]:
    """The routes with a body, and the way to authenticate there."""
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    posts = {path: methods["post"] for path, methods in document["paths"].items() if "post" in methods}
    return {
        path: next(iter((operation.get("security") or [{"nobody": []}])[0]))
        for path, operation in posts.items()
        if "requestBody" in operation
    }


@pytest.mark.parametrize(("route", "scheme"), routes().items())
def test_a_hostile_body_is_refused_within_a_second(api: Api, scicat: Scicat, route: str, scheme: str) -> None:
    credentials = {
        "basic": {"Authorization": basic(*JOB_API_ACCOUNT)},
        "bearer": bearer(scicat.token("user1")),
        "nobody": {},
    }
    media_type, bodies = (FORM, FORMS) if scheme == "nobody" else ("application/json", JSON)
    headers = credentials[scheme] | {"Content-Type": media_type}

    asked = {name: timed(api, event("POST", route, body, headers)) for name, body in bodies.items()}

    refused = {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.BAD_REQUEST}
    assert {name: answer for name, (answer, _) in asked.items() if answer.status not in refused} == {}
    assert {name: seconds for name, (_, seconds) in asked.items() if seconds > 1} == {}
    assert {name: len(answer.body) for name, (answer, _) in asked.items() if len(answer.body) > 50_000} == {}


def timed(api: Api, request: dict[str, object]) -> tuple[Answer, float]:
    """The answer, and the seconds of a processor that it took."""
    begun = time.thread_time()
    return api.answer(request), time.thread_time() - begun
