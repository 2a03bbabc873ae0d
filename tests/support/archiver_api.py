"""Calls the HTTP API in a test's own process, with the events that API Gateway sends."""

import base64
import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.api.app import handler
from tests.support.permissions import as_function

EVENT = json.loads((Path(__file__).parents[2] / "events" / "api-post-job.json").read_text())
JOB_API_ACCOUNT = ("scicat", "any-job-password")


def basic(username: str, password: str) -> str:
    """The Authorization header of an account."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def bearer(token: str) -> dict[str, str]:
    """The headers of a user who has this token."""
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What API Gateway would send; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def event(method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """API Gateway's event for a request; ``path`` is the one below ``/api/v1``."""
    made: dict[str, Any] = copy.deepcopy(EVENT)
    made |= {"httpMethod": method, "path": f"/v1{path}", "body": body, "pathParameters": {"proxy": path[1:]}}
    made["headers"] = dict(headers or {})
    made["multiValueHeaders"] = {name: [value] for name, value in made["headers"].items()}
    made["requestContext"] |= {"httpMethod": method, "path": f"/api/v1{path}"}
    return made


class Api:
    """The API, as a caller meets it."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def answer(self, request: dict[str, Any]) -> Answer:
        """The answer to an event."""
        answer = as_function("Api", handler)(request, self._context)
        headers = {name.lower(): ",".join(values) for name, values in answer["multiValueHeaders"].items()}
        return Answer(answer["statusCode"], headers, answer["body"] or "")

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET without credentials, unless they are among the headers."""
        return self.answer(event("GET", path, headers=headers))

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        """POST of JSON with the job account's credentials; text is sent as it is, ``headers`` replace others."""
        text = body if isinstance(body, str) else json.dumps(body)
        sent = {"Content-Type": "application/json", "Authorization": basic(*JOB_API_ACCOUNT)} | dict(headers or {})
        return self.answer(event("POST", path, text, sent))

    def show(self, job_id: str, **query: str) -> Answer:
        """How far a job is, asked with the job account's credentials."""
        request = event("GET", f"/archiver/jobs/{job_id}", headers={"Authorization": basic(*JOB_API_ACCOUNT)})
        many = {name: [value] for name, value in query.items()}
        return self.answer(request | {"queryStringParameters": query, "multiValueQueryStringParameters": many})
