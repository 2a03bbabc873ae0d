"""The API keeps what its OpenAPI document promises, whatever it is asked."""

import json
import string
from typing import Any
from urllib.parse import quote, urlencode

import boto3
import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.models import JobBegun, JobKind, Run
from archiver.storage import RunFolder
from tests.archiver_api import JOB_API_ACCOUNT, Answer, Api, basic, bearer, event
from tests.catalogue import Scicat

PID = "20.500.11935/any"
JOB_ID = "00000000-0000-4000-8000-000000000000"
# Nothing is remembered between two requests that could let one example change the next.
many_times = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
# Jobs that are almost right, and anything else.
jobs = st.dictionaries(
    st.sampled_from(["id", "type", "other"]), st.sampled_from([JOB_ID, "archive", "retrieve"]) | json_values
)
bodies = st.one_of(jobs.map(json.dumps), json_values.map(json.dumps), st.text())
FORM = "application/x-www-form-urlencoded"
forms = (
    st.dictionaries(
        st.sampled_from(["grant_type", "refresh_token", "client_id"]),
        st.sampled_from(["refresh_token", ""]) | st.text(),
    ).map(lambda fields: urlencode(fields, errors="surrogatepass"))
    | st.text()
)
content_types = st.sampled_from([FORM, "application/json", "application/json; charset=utf-8", "text/plain", ""])
credentials = st.one_of(
    st.just(basic(*JOB_API_ACCOUNT)),
    st.text(string.printable),
    st.text(string.printable).map(lambda text: f"Basic {text}"),
)
segments = st.text(string.ascii_letters + string.digits + "-_.~!$&'()*+,;=:@%", min_size=1).filter(
    lambda text: text.strip(".")
)


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


@pytest.mark.parametrize("route", ["/archiver/jobs", "/jobs"])
@many_times
@given(body=bodies, headers=st.fixed_dictionaries({"Content-Type": content_types, "Authorization": credentials}))
def test_the_job_route_keeps_its_word(
    api: Api, document: dict[str, Any], route: str, body: str, headers: dict[str, str]
) -> None:
    answer = api.answer(event("POST", route, body, headers))

    assert answer.status < 500 or answer.json["code"] == "scicat_unavailable"
    keeps_its_word(document, "POST", route, answer)


@many_times
@given(job_id=st.uuids().map(str) | segments, credential=credentials)
def test_the_progress_route_keeps_its_word(api: Api, document: dict[str, Any], job_id: str, credential: str) -> None:
    answer = api.get(f"/archiver/jobs/{quote(job_id)}", {"Authorization": credential})

    assert answer.status < 500
    keeps_its_word(document, "GET", "/archiver/jobs/{job_id}", answer)


@many_times
@given(body=forms, headers=st.fixed_dictionaries({"Content-Type": content_types, "Authorization": credentials}))
def test_the_refresh_route_keeps_its_word(
    api: Api, document: dict[str, Any], body: str, headers: dict[str, str]
) -> None:
    answer = api.answer(event("POST", "/token/refresh", body, headers))

    assert answer.status < 500
    keeps_its_word(document, "POST", "/token/refresh", answer)


@many_times
@given(credential=credentials | st.text(string.printable).map(lambda text: f"Bearer {text}"))
def test_the_login_route_keeps_its_word(api: Api, document: dict[str, Any], credential: str) -> None:
    answer = api.answer(event("POST", "/token", headers={"Authorization": credential}))

    assert answer.status in {401, 429}
    keeps_its_word(document, "POST", "/token", answer)


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


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@many_times
@given(token=segments)
def test_the_download_route_keeps_its_word(api: Api, document: dict[str, Any], method: str, token: str) -> None:
    answer = api.answer(event(method, f"/datablocks/{quote(token)}"))

    assert answer.status < 500
    keeps_its_word(document, method, "/datablocks/{token}", answer)


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
    RunFolder(job_id).save("job.json", JobBegun(job_id=job_id, kind=kind, runs=(run,)))
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
