"""How a refusal looks on the wire, and which answer each exception becomes.

Two forms, both in the OpenAPI document: ``Problem``, and for what is wrong with a request (422) the
list of fields that FastAPI made common. Neither ever repeats what another service said: SciCat hands
our answers on to its users.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse
from pydantic import BaseModel, Field

from archiver.errors import MAX_NAMED_FILES, Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.http.request_codes import RequestCode
from archiver.log import logger
from archiver.settings import settings

_RETRY_AFTER_SECONDS = 30
# A request may be wrong in a million ways, and its fields may have names of a megabyte: so much of that is told.
_WRONG_FIELDS, _NAME_LENGTH = MAX_NAMED_FILES, 100


class Problem(BaseModel):
    """Why a request was refused."""

    # https://www.rfc-editor.org/rfc/rfc9457#section-3.1.1
    type: str = Field(description="Where the code is explained.")
    code: str = Field(description="A word for programs.", examples=["unauthorized"])
    message: str = Field(description="A sentence for people.")
    details: str = Field(description="What more there is to say, or nothing.")
    timestamp: datetime


class WrongField(BaseModel):
    """One thing that is wrong with a request."""

    loc: list[str | int] = Field(description="Where: body, path or query, then the field.")
    msg: str
    type: str
    url: str | None = Field(None, description="Where the type is explained, if it is a code of the archiver's own.")


class ValidationProblem(BaseModel):
    """What is wrong with a request."""

    detail: list[WrongField]


class RefusedUpload(Problem, ValidationProblem):
    """Why a request of the Ingestor was refused, in both forms at once."""


class Refusal(Exception):
    """A route's decision not to do what it was asked; ``message`` and ``details`` are shown to the caller."""

    def __init__(
        self,
        status: HTTPStatus,
        code: Code | RequestCode,
        message: str,
        details: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details
        self.headers = dict(headers or {})


class WrongRequest(Exception):
    """A request that is well formed, but wrong in one field."""

    def __init__(self, loc: Sequence[str | int], message: str, kind: RequestCode) -> None:
        super().__init__(message)
        self.wrong = _wrong_field(loc, message, kind)


def _wrong_field(loc: Sequence[str | int], message: str, code: Code | RequestCode) -> WrongField:
    return WrongField(loc=list(loc), msg=message, type=code, url=settings().page_about(code))


def documented(*statuses: HTTPStatus) -> dict[int, OpenAPIResponse]:
    """The OpenAPI entries of the refusals a route may answer; whoever asks too often is refused everywhere."""
    return {status.value: _documented(status) for status in (*statuses, HTTPStatus.TOO_MANY_REQUESTS)}


def _documented(status: HTTPStatus, form: type[BaseModel] | None = None) -> OpenAPIResponse:
    form = form or (ValidationProblem if status is HTTPStatus.UNPROCESSABLE_ENTITY else Problem)
    return {"description": status.phrase, "content": {content_types.APPLICATION_JSON: {"model": form}}}


# The Ingestor takes every status but these two for a success where it presigns, completes and finalizes. A route
# that documents its refusals so has all of them mapped to these, wherever they are raised.
FOR_INGESTOR: Mapping[int, OpenAPIResponse] = {
    HTTPStatus.UNPROCESSABLE_ENTITY.value: _documented(HTTPStatus.UNPROCESSABLE_ENTITY, RefusedUpload),
    HTTPStatus.INTERNAL_SERVER_ERROR.value: _documented(HTTPStatus.INTERNAL_SERVER_ERROR),
}


def as_documented(response: Response[dict[str, Any]], route: Route) -> Response[dict[str, Any]]:
    """A refusal in a form that the route documents."""
    body = response.body
    if body is None or not FOR_INGESTOR.items() <= (route.responses or {}).items():
        return response
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        response.status_code = HTTPStatus.INTERNAL_SERVER_ERROR.value
        return response
    response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY.value
    response.body = _in_both_forms(body)
    return response


def _in_both_forms(body: dict[str, Any]) -> dict[str, Any]:
    if "detail" in body:
        wrong = "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in body["detail"])
        return body | _problem(
            Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, RequestCode.NOT_VALID, "The request is wrong.", wrong)
        )
    return body | {"detail": [{"loc": ["body"], "msg": body["message"], "type": body["code"], "url": body["type"]}]}


def problem(refusal: Refusal) -> Response[dict[str, Any]]:
    """The answer to a refused request."""
    return Response(refusal.status.value, content_types.APPLICATION_JSON, _problem(refusal), refusal.headers)


def _problem(refusal: Refusal) -> dict[str, Any]:
    return Problem(
        type=settings().page_about(refusal.code),
        code=refusal.code,
        message=refusal.message,
        details=refusal.details,
        timestamp=datetime.now(UTC),
    ).model_dump(mode="json")


def _validation_problem(wrong: Sequence[WrongField]) -> Response[dict[str, Any]]:
    body = ValidationProblem(detail=list(wrong)).model_dump(mode="json", exclude_none=True)
    return Response(HTTPStatus.UNPROCESSABLE_ENTITY.value, content_types.APPLICATION_JSON, body)


def _not_valid(error: RequestValidationError) -> Response[dict[str, Any]]:
    told = error.errors()[:_WRONG_FIELDS]
    return _validation_problem([WrongField(loc=_short(e["loc"]), msg=e["msg"], type=e["type"]) for e in told])


def _short(loc: Sequence[str | int]) -> list[str | int]:
    return [name[:_NAME_LENGTH] if isinstance(name, str) else name for name in loc]


def _wrong(error: WrongRequest) -> Response[dict[str, Any]]:
    return _validation_problem([error.wrong])


def _rejected(error: DatasetRejected) -> Response[dict[str, Any]]:
    return _validation_problem([_wrong_field(["body"], error.reason.message, error.reason.code)])


def _unavailable(error: ServiceUnavailable) -> Response[dict[str, Any]]:
    logger.warning("a service did not answer", extra={"reason": error.reason.message})
    message = "A service that the archiver needs does not answer. Please try again later."
    if error.reason.code is Code.SCICAT_LOGIN:
        message = "SciCat refuses the login of the archiver's own account. Its operator has to look."
    retry = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
    return problem(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, error.reason.code, message, headers=retry))


def _refused_behind(error: ServiceRefused) -> Response[dict[str, Any]]:
    logger.error("a service refused", extra={"reason": error.reason.message})
    message = "A service that the archiver needs refuses to work for it. Its operator has to look."
    if error.reason.code is Code.SCICAT_FORBIDDEN:
        message = "The archiver's own account lacks a right in SciCat. Its operator has to look."
    return problem(Refusal(HTTPStatus.BAD_GATEWAY, error.reason.code, message))


def _our_bug(error: Exception) -> Response[dict[str, Any]]:
    logger.error("internal error", exc_info=error)
    message = "The archiver failed. Its operator finds the reason in the log."
    return problem(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, Code.INTERNAL, message))


# What each exception becomes; the nearest of its classes counts.
ANSWERS: Mapping[type[Exception], Callable[[Any], Response[dict[str, Any]]]] = {
    Refusal: problem,
    RequestValidationError: _not_valid,
    WrongRequest: _wrong,
    DatasetRejected: _rejected,
    ServiceUnavailable: _unavailable,
    ServiceRefused: _refused_behind,
    Exception: _our_bug,
}
