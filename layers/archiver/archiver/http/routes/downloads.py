"""Download links: a recalled tar, for whoever holds its link (see ``archiver.links``)."""

import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel, ConfigDict, Field

from archiver.http.auth.authentication import BASIC
from archiver.http.problems import Refusal, documented
from archiver.http.request_codes import RequestCode
from archiver.http.routes.upload_models import NamedPid
from archiver.models.states import Pid
from archiver.retrieve import links, renewal
from archiver.retrieve.links import Link
from archiver.settings import settings
from archiver.storage import buckets
from archiver.tar import provenance

router = APIGatewayRouter()

# Long enough to begin a download; one that has begun goes on when the URL ends.
_URL_SECONDS = 15 * 60
# S3 copies some 20 GB of a tar within this time; API Gateway waits for 29 seconds.
_RENEWAL_SECONDS = 20.0
_ASK_AGAIN = "Ask SciCat for a new retrieve job of the dataset: its result has new links."
_REFUSALS = documented(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.SERVICE_UNAVAILABLE)


class RenewedLink(BaseModel):
    """A link to the same tar that works longer; its copy is kept as long."""

    url: str
    expires: datetime


class RevocationAsked(BaseModel):
    """Whose links end."""

    model_config = ConfigDict(extra="forbid")

    dataset_id: NamedPid = Field(description="SciCat's pid of the dataset.")


class Revoked(BaseModel):
    """The links of the dataset that were issued until then no longer work."""

    dataset_id: Pid
    issued_until: datetime


@router.route(
    "/datablocks/<token>",
    method=["GET", "HEAD"],
    tags=["datablocks"],
    summary="Download a recalled datablock",
    description="Answers with a redirect to the tar, which knows HEAD and Range.",
    status_code=HTTPStatus.FOUND,
    responses={
        HTTPStatus.FOUND: {
            "description": "Where the tar is for the next minutes",
            "headers": {"Location": {"description": "The tar", "schema": {"type": "string", "format": "uri"}}},
            "content": {},
        },
        **_REFUSALS,
    },
)
def download(token: str) -> Response[None]:
    """Redirects to a short-lived URL of the tar."""
    link = _working(token)
    url = buckets.retrieval().presign_get(
        link.key,
        _URL_SECONDS,
        filename=link.key.rpartition("/")[2],
        method="HEAD" if router.current_event.http_method == "HEAD" else "GET",
    )
    return Response(HTTPStatus.FOUND.value, headers={"Location": url})


@router.post(
    "/datablocks/<token>/renewal",
    tags=["datablocks"],
    summary="Renew a link before it expires",
    description=(
        "Whoever has a link that works is given one to the same tar that expires later, and the copy behind it is kept "
        "as long. A large tar may take more than one request: 503 then says when to ask again."
    ),
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.CREATED: {"description": "A link that works longer"}, **_REFUSALS},
)
def renew(token: str) -> RenewedLink:
    """Lets the days of the copy begin anew, then writes a new link; the old one works on until it expires."""
    old = _working(token)
    if not renewal.renew(old.key, buckets.retrieval(), time.monotonic() + _RENEWAL_SECONDS):
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            RequestCode.RENEWING,
            "The tar is large and is still being renewed. Please ask again.",
            headers={"Retry-After": "1"},
        )
    link = links.issue(old.key, old.pid, datetime.now(UTC))
    # Whoever revokes while the tar is copied means the new link, too; what is revoked from here on ends it by its date.
    _refuse_revoked(old)
    return RenewedLink(url=links.url(link, _base()), expires=link.expires)


@router.post(
    "/datablocks/revocations",
    tags=["datablocks"],
    summary="Revoke the links of a dataset",
    description="Every link that was issued until now stops working. Later retrieve jobs give links that work.",
    status_code=HTTPStatus.CREATED,
    security=[BASIC],
    responses={
        HTTPStatus.CREATED: {"description": "They no longer work"},
        **documented(
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
)
def revoke(asked: Annotated[RevocationAsked, Body()]) -> Revoked:
    """Ends every link of the dataset."""
    now = datetime.now(UTC)
    links.revoke(asked.dataset_id, buckets.retrieval(), now)
    return Revoked(dataset_id=asked.dataset_id, issued_until=now)


def _working(token: str) -> Link:
    """What the link stands for, if it works and its copy is there."""
    link = links.read(token)
    if link is None or not provenance.may_be_given(link.pid, link.key):
        raise Refusal(
            HTTPStatus.FORBIDDEN, RequestCode.WRONG_LINK, "This link was not written by this archiver.", _ASK_AGAIN
        )
    if link.expires <= datetime.now(UTC):
        raise Refusal(HTTPStatus.GONE, RequestCode.LINK_EXPIRED, "This link has expired.", _ASK_AGAIN)
    _refuse_revoked(link)
    if buckets.retrieval().head(link.key) is None:
        raise Refusal(HTTPStatus.NOT_FOUND, RequestCode.NO_COPY, "The recalled copy is no longer kept.", _ASK_AGAIN)
    return link


def _refuse_revoked(link: Link) -> None:
    if links.is_revoked(link, buckets.retrieval()):
        raise Refusal(HTTPStatus.GONE, RequestCode.LINK_REVOKED, "This link was revoked.", _ASK_AGAIN)


def _base() -> str:
    """Where users reach the API: as deployed, or as this request did (the template cannot tell a function its own)."""
    event = router.current_event
    path = event.request_context.path or ""
    return (
        settings().public_api_url or f"https://{event.request_context.domain_name}{path.partition('/datablocks/')[0]}"
    )
