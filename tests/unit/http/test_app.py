"""What holds for every route: documents, limits, the form of refusals, headers, and what is logged."""

import base64
import io
import json
import re
from datetime import datetime
from typing import Any

import pytest

from archiver.http.app import MAX_BODY_BYTES
from archiver.http.auth import tokens
from archiver.http.auth.callers import Caller
from archiver.retrieve import links
from tests.support.account import CODES_PAGE, ROOT
from tests.support.archiver_api import JOB_API_ACCOUNT, Answer, Api, basic, bearer, event

JSON = "application/json"
# Powertools leaves the files of its page to the garbage collector.
opens_docs = pytest.mark.filterwarnings("ignore:.*swagger-ui:pytest.PytestUnraisableExceptionWarning")


def is_a_problem(answer: Answer) -> bool:
    """Whether a refusal has the one form that all have."""
    body = answer.json
    datetime.fromisoformat(body["timestamp"])
    return answer.headers["content-type"] == JSON and set(body) == {"type", "code", "message", "details", "timestamp"}


@opens_docs
def test_the_docs_page_needs_nothing_from_anywhere_else(api: Api) -> None:
    answer = api.get("/docs")

    assert (answer.status, answer.headers["content-type"]) == (200, "text/html")
    assert "/archiver/jobs" in answer.body
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)\s*=\s*['\"]?(?:https?:)?//", answer.body)
    # Lambda's own limit for an answer is 6 MB.
    assert len(answer.body) < 5_000_000


def test_the_document_is_the_one_that_is_committed(api: Api) -> None:
    answer = api.get("/openapi.json")

    assert (answer.status, answer.headers["content-type"]) == (200, JSON)
    assert answer.json["servers"] == [{"url": "."}]
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert answer.json == committed, "run: make openapi"


@pytest.mark.parametrize("path", ["/", "/nope", "/archiver", "/archiver/jobs/any/nope", "/a<b>{c}", "/%2e%2e/docs"])
def test_a_route_that_does_not_exist_is_not_found(api: Api, path: str) -> None:
    answer = api.get(path)

    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert is_a_problem(answer)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize(
    ("path", "allowed"), [("/health/livez", "GET"), ("/archiver/jobs", "POST"), ("/datablocks/any", "GET, HEAD")]
)
def test_b43_a_method_that_a_route_does_not_know_is_not_allowed(api: Api, method: str, path: str, allowed: str) -> None:
    answer = api.answer(event(method, path))

    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert is_a_problem(answer)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_the_base_path_may_be_cut_by_a_custom_domain_or_not(api: Api, prefix: str) -> None:
    request = event("GET", "/health/livez") | {"path": f"{prefix}/health/livez"}

    assert api.answer(request).status == 200


def test_b16_a_body_that_is_too_large_is_refused(api: Api) -> None:
    answer = api.post("/archiver/jobs", " " * (MAX_BODY_BYTES + 1))

    assert (answer.status, answer.json["code"]) == (413, "body_too_large")
    assert is_a_problem(answer)


def test_a_body_of_the_largest_size_is_read(api: Api) -> None:
    assert api.post("/archiver/jobs", "{}".ljust(MAX_BODY_BYTES)).status == 422


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp"],
)
def test_b17_a_body_of_another_type_is_refused(api: Api, content_type: str) -> None:
    answer = api.post("/archiver/jobs", {}, {"Content-Type": content_type})

    assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")
    assert is_a_problem(answer)


@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_read_however_its_type_is_written(api: Api, content_type: str) -> None:
    assert api.post("/archiver/jobs", {}, {"Content-Type": content_type}).status == 422


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"id": "\xff"}'])
def test_a_body_that_is_not_text_is_refused(api: Api, body: bytes) -> None:
    headers = {"Content-Type": JSON, "Authorization": basic(*JOB_API_ACCOUNT)}
    request = event("POST", "/archiver/jobs", base64.b64encode(body).decode(), headers)

    answer = api.answer(request | {"isBase64Encoded": True})

    assert answer.status == 422


def test_a_body_that_arrives_in_base64_is_read(api: Api) -> None:
    headers = {"Content-Type": JSON, "Authorization": basic(*JOB_API_ACCOUNT)}
    request = event("POST", "/archiver/jobs", base64.b64encode(b'{"type": "archive"}').decode(), headers)

    answer = api.answer(request | {"isBase64Encoded": True})

    assert [wrong["loc"] for wrong in answer.json["detail"]] == [["body", "id"]]


PRESIGN = "/s3/presignedUrls"


def is_seen_by_the_ingestor(answer: Answer, code: str) -> bool:
    """Whether the Ingestor takes the answer for a refusal and finds in it what it looks for, in either form."""
    body = answer.json
    forms = {500: {"type", "code", "message", "details", "timestamp"}}
    forms[422] = forms[500] | {"detail"}
    return set(body) == forms[answer.status] and body["code"] == code and bool(body["message"])


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        ("{}", {"Authorization": "Bearer any"}, "unauthorized"),
        ("{}", {"Content-Type": "text/plain"}, "unsupported_media_type"),
        (" " * (MAX_BODY_BYTES + 1), {}, "body_too_large"),
        ("{}", {}, "not_valid"),
        ("not JSON", {}, "not_valid"),
    ],
)
def test_the_ingestor_sees_every_refusal_where_it_takes_others_for_success(
    api: Api, body: str, headers: dict[str, str], code: str
) -> None:
    answer = api.post(PRESIGN, body, bearer(tokens.issue(Caller("user1")).access_token) | headers)

    assert answer.status == 422
    assert is_seen_by_the_ingestor(answer, code)
    assert all(set(wrong) - {"url"} == {"loc", "msg", "type"} for wrong in answer.json["detail"])
    assert {wrong.get("url", f"{CODES_PAGE}#{wrong['type']}") for wrong in answer.json["detail"]} == {
        f"{CODES_PAGE}#{wrong['type']}" for wrong in answer.json["detail"]
    }
    assert answer.json["type"] == f"{CODES_PAGE}#{code}"


@pytest.mark.usefixtures("no_pauses")
def test_the_ingestor_sees_that_a_service_does_not_answer(api: Api) -> None:
    asked = {"dataset_id": "any", "object_name": "openem-network/datasets/any/raw_files/any", "parts": 1}

    answer = api.post(PRESIGN, asked, bearer(tokens.issue(Caller("user1")).access_token))

    assert answer.status == 500
    assert is_seen_by_the_ingestor(answer, "scicat_unavailable")
    assert "retry-after" in answer.headers


@opens_docs
@pytest.mark.parametrize(
    "path", ["/health/livez", "/nope", "/docs", "/openapi.json", "/archiver/jobs", "/datablocks/x"]
)
def test_every_answer_carries_the_security_headers(api: Api, path: str) -> None:
    headers = api.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_our_own_bug_tells_the_caller_nothing_and_the_log_everything(
    api: Api, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    def fail(_: str) -> Any:
        raise ZeroDivisionError("any internal detail")

    monkeypatch.setattr(links, "read", fail)

    answer = api.get("/datablocks/any")

    assert (answer.status, answer.json["code"]) == (500, "internal")
    assert is_a_problem(answer)
    assert "internal detail" not in answer.body
    assert "any internal detail" in log.getvalue()


def test_j07_neither_credentials_nor_bodies_are_logged(api: Api, log: io.StringIO) -> None:
    api.post("/archiver/jobs", {"id": "any-body", "type": "archive"})
    api.post("/archiver/jobs", "any-body that is not JSON")
    api.post("/archiver/jobs", {}, {"Authorization": "Basic any-body"})

    logged = log.getvalue()
    header = basic(*JOB_API_ACCOUNT).removeprefix("Basic ")
    assert all(secret not in logged for secret in (*JOB_API_ACCOUNT[1:], header, "any-body"))
    assert [json.loads(line)["status"] for line in logged.splitlines()] == [422, 422, 401]
