"""Whether the service lives, and whether it could do its work: it really asks those it depends on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel

from archiver import scicat
from archiver.aws import clients
from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.http.problems import documented
from archiver.http.timeouts import Asked
from archiver.http.ttl_cache import Remembered
from archiver.keys import Keys
from archiver.log import logger
from archiver.lts.long_term_storage import long_term_storage
from archiver.settings import settings
from archiver.storage import buckets

_REMEMBERED_SECONDS = 10.0
router = APIGatewayRouter()


class Alive(BaseModel):
    """The service answers."""

    status: Literal["healthy"]
    timestamp: datetime


class Ready(BaseModel):
    """The service and everything it depends on answer."""

    status: Literal["ready"]
    timestamp: datetime


class Failing(BaseModel):
    """A system that does not do what the service needs of it."""

    dependency: str
    endpoint: str
    message: str


class NotReady(BaseModel):
    """What is missing."""

    status: Literal["not ready"]
    errors: list[Failing]


@router.get(
    "/health/livez",
    tags=["health"],
    summary="Is the service alive?",
    responses={HTTPStatus.OK: {"description": "It is"}, **documented()},
)
def live() -> Alive:
    """Answers as long as the function runs."""
    return Alive(status="healthy", timestamp=datetime.now(UTC))


@router.get(
    "/health/readyz",
    tags=["health"],
    summary="Could the service do its work?",
    responses={
        200: {"description": "Ready", "content": {content_types.APPLICATION_JSON: {"model": Ready}}},
        503: {"description": "Not ready", "content": {content_types.APPLICATION_JSON: {"model": NotReady}}},
        **documented(),
    },
)
def ready() -> Response[dict[str, Any]]:
    """Asks SciCat, S3 and the long-term storage, all at once; SciCat for the archiver's rights, too."""
    failing = _remembered().get(None, _failing)
    if failing:
        return _json(HTTPStatus.SERVICE_UNAVAILABLE, NotReady(status="not ready", errors=failing))
    return _json(HTTPStatus.OK, Ready(status="ready", timestamp=datetime.now(UTC)))


@cache
def _remembered() -> Remembered[None, list[Failing]]:
    """What failed a moment ago: this route is for everybody, and costs others many requests."""
    return Remembered(_REMEMBERED_SECONDS, 1)


def _failing() -> list[Failing]:
    asked = [(dependency, Asked(dependency.ask, dependency.unavailable)) for dependency in _dependencies()]
    return [
        Failing(dependency=one.name, endpoint=_without_credentials(one.endpoint), message=message)
        for one, question in asked
        if (message := _failure(question))
    ]


@dataclass(frozen=True, slots=True)
class _Dependency:
    name: str
    endpoint: str
    unavailable: Code
    ask: Callable[[], object]


def _dependencies() -> list[_Dependency]:
    s3_endpoint = clients.s3().meta.endpoint_url
    return [
        _Dependency("scicat", settings().scicat_url, Code.SCICAT_UNAVAILABLE, scicat.catalogue().check),
        _Dependency("s3", s3_endpoint, Code.S3_UNAVAILABLE, _look_into_landing),
        _Dependency("lts", settings().lts_endpoint_url or s3_endpoint, Code.LTS_UNAVAILABLE, long_term_storage().ping),
    ]


def _look_into_landing() -> None:
    next(buckets.landing().list(Keys.DROPS), None)


def _failure(question: Asked[object]) -> str | None:
    """Why there is no good answer, in words that are for everybody; the log has the rest."""
    try:
        question.answer()
    except ServiceUnavailable as error:
        if error.reason.code is Code.SCICAT_LOGIN:
            logger.warning("SciCat refuses the archiver's login", extra={"reason": error.reason.message})
            return f"answers, but refuses the archiver's password ({error.reason.code})"
        logger.warning("a dependency does not answer", extra={"reason": error.reason.message})
        return f"does not answer ({error.reason.code})"
    except (ServiceRefused, DatasetRejected) as error:
        logger.warning("a dependency refuses", extra={"reason": error.reason.message})
        return f"answers, but refuses the archiver ({error.reason.code})"
    return None


def _without_credentials(url: str) -> str:
    """Scheme, host and port of a URL, without user, password, path and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _json(status: HTTPStatus, body: BaseModel) -> Response[dict[str, Any]]:
    return Response(status.value, content_types.APPLICATION_JSON, body.model_dump(mode="json"))
