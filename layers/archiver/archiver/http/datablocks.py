"""Download links: a recalled tar, for whoever holds its link (see ``archiver.links``)."""

from datetime import UTC, datetime
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from archiver import links, storage
from archiver.http.errors import Refusal, documented

router = APIGatewayRouter()

# Long enough to begin a download; one that has begun goes on when the URL ends.
_URL_SECONDS = 15 * 60
_ASK_AGAIN = "Ask SciCat for a new retrieve job of the dataset: its result has new links."


@router.route(
    "/datablocks/<token>",
    method=["GET", "HEAD"],
    tags=["datablocks"],
    summary="Download a recalled datablock",
    description="Answers with a redirect to the tar, which knows HEAD and Range.",
    response_description="Where the tar is for the next minutes",
    status_code=HTTPStatus.FOUND,
    responses={
        HTTPStatus.FOUND: {"description": "Where the tar is for the next minutes"},
        **documented(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.SERVICE_UNAVAILABLE),
    },
)
def download(token: str) -> Response[None]:
    """Redirects to a short-lived URL of the tar."""
    link = links.read(token)
    if link is None:
        raise Refusal(HTTPStatus.FORBIDDEN, "wrong_link", "This link was not written by this archiver.", _ASK_AGAIN)
    if link.expires <= datetime.now(UTC):
        raise Refusal(HTTPStatus.GONE, "link_expired", "This link has expired.", _ASK_AGAIN)
    if storage.retrieval().head(link.archive_id) is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "no_copy", "The recalled copy is no longer kept.", _ASK_AGAIN)
    url = storage.retrieval().presign_get(
        link.archive_id,
        _URL_SECONDS,
        filename=link.archive_id.rpartition("/")[2],
        method="HEAD" if router.current_event.http_method == "HEAD" else "GET",
    )
    return Response(HTTPStatus.FOUND.value, headers={"Location": url})
