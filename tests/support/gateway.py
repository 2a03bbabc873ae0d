"""API Gateway in a test's own process: the HTTP API as a WSGI application (PEP 3333)."""

import base64
from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from functions.api.app import handler
from tests.support.account import LambdaContext
from tests.support.archiver_api import event
from tests.support.permissions import as_function

BASE_URL = "http://localhost/api/v1"


def gateway(environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request as API Gateway does: by an event, with the path as it was sent."""
    context: Any = LambdaContext("Api")
    answer = as_function("Api", handler)(_event(environ), context)
    status = HTTPStatus(answer["statusCode"])
    headers = [(name, value) for name, values in answer["multiValueHeaders"].items() for value in values]
    start_response(f"{status.value} {status.phrase}", headers)
    return [(answer["body"] or "").encode()]


def _event(environ: Mapping[str, Any]) -> dict[str, Any]:
    path = quote(environ["PATH_INFO"].encode("latin-1")).removeprefix(urlsplit(BASE_URL).path)
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    if content_type := environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = content_type
    query = defaultdict(list)
    for name, value in parse_qsl(environ["QUERY_STRING"], keep_blank_values=True):
        query[name].append(value)
    made = event(environ["REQUEST_METHOD"], path, base64.b64encode(sent).decode(), headers)
    return made | {
        "isBase64Encoded": True,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
    }
