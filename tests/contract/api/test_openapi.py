"""The API keeps what its OpenAPI document promises, whatever it is asked."""

import json
from typing import Any
from urllib.parse import urlencode

import boto3
import jsonschema
import pytest

from archiver.models.states import JobBegun, JobKind, Run
from archiver.storage.documents import JOB
from archiver.storage.run_folder import RunFolder
from tests.support.archiver_api import Answer, Api, bearer, event
from tests.support.catalogue import Scicat

PID = "20.500.11935/any"
JOB_ID = "00000000-0000-4000-8000-000000000000"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    """The OpenAPI document, as everybody reads it."""
    described: dict[str, Any] = api.get("/openapi.json").json
    return described


def keeps_its_word(document: dict[str, Any], method: str, route: str, answer: Answer) -> None:
    """Fail unless the route may answer so: this status, with such a body."""
    documented = document["paths"][route][method.lower()]["responses"]
    assert str(answer.status) in documented, f"{method} {route}: {answer.status} is not documented"
    content = documented[str(answer.status)].get("content")
    if content is None:
        assert not answer.body
        return
    assert answer.headers["content-type"] in content
    schema = content["application/json"]["schema"] | {"components": document["components"]}
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(answer.json)


def test_what_a_user_who_logs_in_is_answered_is_as_documented(
    api: Api, scicat: Scicat, document: dict[str, Any]
) -> None:
    given = api.answer(event("POST", "/token", headers=bearer(scicat.token("user1"))))
    form = urlencode({"grant_type": "refresh_token", "refresh_token": given.json["refresh_token"]})
    refreshed = api.answer(event("POST", "/token/refresh", form, {"Content-Type": FORM}))
    keys = api.get("/.well-known/jwks.json")

    assert (given.status, refreshed.status, keys.status) == (201, 200, 200)
    keeps_its_word(document, "POST", "/token", given)
    keeps_its_word(document, "POST", "/token/refresh", refreshed)
    keeps_its_word(document, "GET", "/.well-known/jwks.json", keys)


@pytest.mark.parametrize("route", ["/health/livez", "/health/readyz"])
def test_the_health_routes_keep_their_word(api: Api, document: dict[str, Any], route: str) -> None:
    keeps_its_word(document, "GET", route, api.get(route))


@pytest.fixture
def machines(api: Api) -> None:
    """State machines under the names of ours, which do nothing."""
    assert api
    definition = json.dumps({"StartAt": "Any", "States": {"Any": {"Type": "Pass", "End": True}}})
    for name in ("archive", "retrieve"):
        boto3.client("stepfunctions").create_state_machine(
            name=name, definition=definition, roleArn="arn:aws:iam::123456789012:role/any"
        )


@pytest.mark.usefixtures("machines")
@pytest.mark.parametrize("kind", list(JobKind))
def test_what_a_started_job_is_answered_is_as_documented(
    api: Api, scicat: Scicat, document: dict[str, Any], kind: JobKind
) -> None:
    scicat.add_dataset(PID, archivable=kind == "archive", retrievable=kind == "retrieve")
    job_id = scicat.add_job(kind, PID)
    started = api.post("/archiver/jobs", {"id": job_id, "type": kind})
    ready = api.get("/health/readyz")
    run = Run(job_id=job_id, run_id=f"{job_id}-1", pid=PID)
    RunFolder(job_id).save(JOB, JobBegun(job_id=job_id, kind=kind, runs=(run,)))
    shown = api.show(job_id)

    assert (started.status, ready.status, shown.status) == (201, 200, 200)
    keeps_its_word(document, "POST", "/archiver/jobs", started)
    keeps_its_word(document, "GET", "/health/readyz", ready)
    keeps_its_word(document, "GET", "/archiver/jobs/{job_id}", shown)


def test_the_document_names_no_type_that_it_does_not_describe(document: dict[str, Any]) -> None:
    described = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert document["openapi"] == "3.1.0"
    assert set(_references(document)) <= described


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in _references(inner)]
    return [found for inner in value for found in _references(inner)] if isinstance(value, list) else []
