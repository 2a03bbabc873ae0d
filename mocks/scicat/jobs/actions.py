"""What SciCat does for a job: the actions of the job configuration (``validate``, ``url``)."""

from collections.abc import Iterable, Mapping
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from mocks.scicat.answers import refused_plainly
from mocks.scicat.jobs.configuration import Action, Call, Check
from mocks.scicat.jobs.templates import encoded_url
from mocks.scicat.service import Service
from mocks.scicat.storage.store import Document


def check(actions: Iterable[Action], request: Mapping[str, Any], datasets: Iterable[Document]) -> None:
    """Refuse a job that a ``validate`` action does not allow. Nothing is changed, no dataset either."""
    for action in actions:
        if isinstance(action, Check):
            _match(action.request, request)
            for dataset in datasets:
                _match(action.datasets, dataset)


def _match(schemas: Mapping[str, Draft202012Validator], document: Mapping[str, Any]) -> None:
    for path, schema in schemas.items():
        value: Any = document
        for name in path.split("."):
            if not isinstance(value, Mapping) or name not in value:
                raise refused_plainly(400, f"Invalid request. Requires '{path}'")
            value = value[name]
        if not schema.is_valid(value):
            raise refused_plainly(400, f"Invalid request. Invalid value for '{path}'")


async def perform(actions: Iterable[Action], job: Document, datasets: list[Document], service: Service) -> None:
    """Carry out the other actions, one after another, while the caller waits."""
    # An installation without an archiver is one that nobody has configured yet: its calls are not made.
    if not service.configuration.variables.get("ARCHIVER_URL"):
        return
    for action in actions:
        if isinstance(action, Call):
            context = {"job": job, "datasets": datasets, "env": dict(service.configuration.variables)}
            await _call(action, context, service.archiver)


async def _call(call: Call, context: Mapping[str, Any], client: httpx.AsyncClient) -> None:
    """What the archiver answers, SciCat's caller gets."""
    try:
        answer = await client.send(request_of(call, context), follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL):
        if not call.ignores_errors:
            kind = context["job"]["type"]
            reason = "unable to perform action 'url' due to TypeError: fetch failed"
            raise refused_plainly(400, f"Invalid job input. Job '{kind}' {reason}") from None
        return
    if not answer.is_success and not call.ignores_errors:
        raise refused_plainly(answer.status_code, f"A remote URL call failed with response: {answer.text}")


def request_of(call: Call, context: Mapping[str, Any]) -> httpx.Request:
    """The request that a url action sends, header by header as Node's fetch does."""
    url = httpx.URL(encoded_url(call.url.render(context)))
    content = b"" if call.body is None else call.body.render(context).encode()
    headers = [
        ("host", url.netloc.decode()),
        ("connection", "keep-alive"),
        *((name, value.render(context)) for name, value in call.headers.items()),
        ("accept", "*/*"),
        ("accept-language", "*"),
        ("sec-fetch-mode", "cors"),
        ("user-agent", "node"),
        ("accept-encoding", "gzip, deflate"),
        *([("content-length", str(len(content)))] if call.body is not None else []),
    ]
    return httpx.Request(call.method, url, headers=headers, content=content)
