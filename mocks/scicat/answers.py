"""How SciCat says no: the shapes of its error bodies, and the JSON it writes."""

from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Request, Response

# RFC 9110 has renamed it since.
_PHRASES = {422: "Unprocessable Entity"}


def as_json(body: object, status: int = 200) -> Response:
    """An answer as Express writes it."""
    headers = {"content-type": "application/json; charset=utf-8"}
    return Response(orjson.dumps(body), status_code=status, headers=headers)


class Refused(Exception):
    """An answer other than success, with its whole body."""

    def __init__(self, status: int, body: Any) -> None:  # noqa: ANN401 - any JSON
        self.status = status
        self.body = body
        super().__init__(f"{status} {body}")


def refused(status: int, message: str | list[str]) -> Refused:
    """The framework's error body."""
    phrase = _PHRASES.get(status) or HTTPStatus(status).phrase
    return Refused(status, {"message": message, "error": phrase, "statusCode": status})


def refused_plainly(status: int, message: str) -> Refused:
    """The error body of jobs, and of the validation of api v3 datasets."""
    return Refused(status, {"status": status, "message": message})


def unhandled() -> Refused:
    """What SciCat answers when its own code fails: a bare JSON string."""
    return Refused(500, "Internal server error")


def forbidden() -> Refused:
    """No token where one is needed, or a group that lacks the right altogether."""
    return refused(403, "Forbidden resource")


def no_such_route(request: Request) -> Refused:
    """Express's own 404."""
    return refused(404, f"Cannot {request.method} {request.scope['raw_path'].decode('latin-1')}")
