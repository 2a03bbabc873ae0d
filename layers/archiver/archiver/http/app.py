"""The HTTP API put together: its routers, and what holds for every route.

A new group of routes is one more module with a router, and one more ``include_router`` below.
"""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response, content_types
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
    OpenAPIResponseValidationMiddleware,
)
from aws_lambda_powertools.event_handler.openapi.models import Server
from aws_lambda_powertools.event_handler.openapi.params import Form
from aws_lambda_powertools.utilities.typing import LambdaContext

from archiver.http import cors, problems, strict_json
from archiver.http.auth import authentication
from archiver.http.problems import Refusal, WrongRequest
from archiver.http.request_codes import RequestCode
from archiver.http.routes import dataset_uploads, downloads, file_uploads, health, jobs, login
from archiver.log import logger

MAX_BODY_BYTES = 1_000_000
_FORM = "application/x-www-form-urlencoded"
# Powertools' validation and the route each parse all fields there are: these take less than 0.1 s.
_FORM_FIELDS = 20_000
# That of pyproject.toml, which is not deployed; a test compares them.
VERSION = "1.0.0"

# Answers are for one caller, and none of them is a page that another one may show; /docs needs its own scripts.
_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
        "connect-src 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
}
# Relative to the document, which lies at the base path: right behind any host and any proxy.
_SERVERS = [Server(url=".")]


class Api(APIGatewayRestResolver):
    """Powertools' resolver, which also knows which methods a path has."""

    def methods(self, path: str) -> list[str]:
        """The methods of the routes at ``path``; one that is written out counts before one with a placeholder."""
        for routes in (self._static_routes, self._dynamic_routes):
            found = {route.method for route in routes if route.rule.match(self._remove_prefix(path))}
            if found:
                return sorted(found)
        return []

    def declares(self, route: Route) -> bool:
        """Whether the route is one of ours; a path that matches none gets a route of its own for its 404."""
        return route in self._static_routes or route in self._dynamic_routes


def _name_route(api: Api, next_middleware: NextMiddleware) -> Response[Any]:
    """Put the route into the log: as it was declared, because a path may hold the token of a link."""
    route = _route(api)
    if api.declares(route):
        logger.append_keys(route=f"{route.method} {route.path}")
    return next_middleware(api)


def _limit_body(api: Api, next_middleware: NextMiddleware) -> Response[Any]:
    """Refuse a body that is too large (413, 422) or not what the route reads (415), before anybody parses it."""
    body = _body(api)
    if len(body) > MAX_BODY_BYTES:
        message = f"A body may have {MAX_BODY_BYTES} bytes."
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, RequestCode.BODY_TOO_LARGE, message)
    media_type = api.current_event.headers.get("Content-Type", "").partition(";")[0].strip()
    read = _media_type(_route(api))
    # What nobody sent has no type; whether the route can do without is for its validation.
    if read and media_type != read and (body or media_type):
        message = f"This route reads {read}."
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, RequestCode.UNSUPPORTED_MEDIA_TYPE, message)
    if read == _FORM and body.count(b"&") >= _FORM_FIELDS:
        raise WrongRequest(["body"], f"A form may have {_FORM_FIELDS:,} fields.", RequestCode.NOT_VALID)
    return next_middleware(api)


def _media_type(route: Route) -> str | None:
    """The type of the bodies that the route reads; None when it reads none."""
    fields = [param.field_info for param in route.dependant.body_params]
    if any(isinstance(field, Form) for field in fields):
        return _FORM
    return content_types.APPLICATION_JSON if fields else None


def _body(api: Api) -> bytes:
    try:
        return (api.current_event.decoded_body or "").encode()
    except ValueError:
        raise WrongRequest(["body"], "This is not UTF-8.", RequestCode.NOT_UTF8) from None


def _as_documented(respond: Callable[[Any], Response[dict[str, Any]]]) -> Callable[[Any], Response[dict[str, Any]]]:
    """A refusal, in a form that the refusing route documents."""
    return lambda error: problems.as_documented(respond(error), _route(api))


def _route(api: APIGatewayRestResolver) -> Route:
    return cast("Route", api.context["_route"])


api = Api(strip_prefixes=["/api/v1", "/v1"], json_body_deserializer=strict_json.read)
# Powertools' own ``enable_validation`` would validate before any of these is asked.
api.use(
    [
        _name_route,
        authentication.authenticate,
        _limit_body,
        OpenAPIRequestValidationMiddleware(),
        OpenAPIResponseValidationMiddleware(),
    ]
)
for router in (health.router, login.router, jobs.router, downloads.router, file_uploads.router, dataset_uploads.router):
    api.include_router(router)
for exception, respond in problems.ANSWERS.items():
    api.exception_handler(exception)(_as_documented(respond))
api.configure_openapi(
    title="ScopeMArchiver",
    version=VERSION,
    description="Archives datasets of the SciCat catalogue and gives them back.",
    servers=_SERVERS,
    security_schemes=authentication.DOCUMENTATION,
)
api.enable_swagger(path="/docs", servers=_SERVERS)


@api.get("/openapi.json", include_in_schema=False)
def describe() -> Response[str]:
    """This API as an OpenAPI document."""
    return Response(HTTPStatus.OK.value, content_types.APPLICATION_JSON, api.get_openapi_json_schema())


@api.not_found
def refuse_route(_: NotFoundError) -> Response[Any]:
    """404, or 405 where another method would have been right; 204 to a browser that asks for a page it may serve."""
    allowed = api.methods(api.current_event.path)
    if allowed and api.current_event.http_method == "OPTIONS" and cors.allows(_origin(api.current_event.headers)):
        return Response(HTTPStatus.NO_CONTENT.value, headers=cors.preflight(allowed))
    if allowed:
        message = "This route does not know the method."
        headers = {"Allow": ", ".join(allowed)}
        return problems.problem(
            Refusal(HTTPStatus.METHOD_NOT_ALLOWED, RequestCode.METHOD_NOT_ALLOWED, message, headers=headers)
        )
    return problems.problem(Refusal(HTTPStatus.NOT_FOUND, RequestCode.NOT_FOUND, "There is no such route."))


def _origin(headers: Mapping[str, str]) -> str | None:
    """Which page's script asks."""
    return next((value for name, value in headers.items() if name.lower() == "origin"), None)


def _with_plain_media_type(headers: Mapping[str, str]) -> dict[str, str]:
    """The type of a body in lower case, as Powertools knows it; it may be written in any (RFC 9110, section 8.3.1)."""
    return {name: value.lower() if name.lower() == "content-type" else value for name, value in headers.items()}


def answer(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """API Gateway's request as the answer that API Gateway sends; never raises, and logs no body, header or path."""
    started = time.monotonic()
    request_id = event["requestContext"].get("requestId")
    logger.append_keys(route=None, caller=None, token_id=None, refused=None, request_id=request_id)
    headers = event.get("headers") or {}
    response = api.resolve({**event, "headers": _with_plain_media_type(headers)}, context)
    for name, value in {**_HEADERS, **cors.headers(_origin(headers))}.items():
        response["multiValueHeaders"].setdefault(name, [value])
    milliseconds = round((time.monotonic() - started) * 1000)
    logger.info("answered", extra={"status": response["statusCode"], "milliseconds": milliseconds})
    return response
