"""A link leads to the tar for as long as its copy is kept, and its holder is told when it no longer does."""

import io
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import requests
from types_boto3_s3 import S3Client

from archiver import links
from archiver.keys import Keys
from tests.archiver_api import Answer, Api, event

KEY = Keys.datablock("20.500.11935/any", "any-run-1", 0)
BYTES = b"any tar"


@pytest.fixture
def copy(aws: S3Client) -> str:
    """The key of a recalled tar."""
    aws.put_object(Bucket="retrieval", Key=KEY, Body=BYTES)
    return KEY


def link(key: str = KEY, now: datetime | None = None) -> str:
    """The path of a link."""
    return urlsplit(links.url(key, now or datetime.now(UTC))).path.removeprefix("/api/v1")


def follow(answer: Answer, method: str, **headers: str) -> requests.Response:
    """What S3 (moto's) answers to the redirect."""
    assert answer.status == 302
    return requests.request(method, answer.headers["location"], headers=headers, timeout=5, stream=True)


def test_a_link_leads_to_the_tar(api: Api, copy: str) -> None:
    got = follow(api.get(link(copy)), "GET")

    assert (got.status_code, got.content) == (200, BYTES)


def test_a_link_leads_to_a_part_of_the_tar(api: Api, copy: str) -> None:
    got = follow(api.get(link(copy), {"Range": "bytes=4-"}), "GET", Range="bytes=4-")

    assert (got.status_code, got.content) == (206, b"tar")


def test_head_leads_to_the_size_of_the_tar(api: Api, copy: str) -> None:
    answer = api.answer(event("HEAD", link(copy)))

    got = follow(answer, "HEAD")

    assert (got.status_code, got.headers["Content-Length"]) == (200, str(len(BYTES)))
    assert answer.headers["location"] != api.get(link(copy)).headers["location"]


def test_the_url_behind_a_link_is_short_lived_and_names_the_file(api: Api, copy: str) -> None:
    query = parse_qs(urlsplit(api.get(link(copy)).headers["location"]).query)

    assert int(query["X-Amz-Expires"][0]) <= 900
    assert "20.500.11935-any_0.tar" in unquote(query["response-content-disposition"][0])


def test_the_url_behind_a_link_is_not_kept_by_anybody(api: Api, copy: str) -> None:
    headers = api.get(link(copy)).headers

    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")


def test_an_expired_link_is_gone_and_says_how_to_get_another(api: Api, copy: str) -> None:
    answer = api.get(link(copy, datetime.now(UTC) - timedelta(days=8)))

    assert (answer.status, answer.json["code"]) == (410, "link_expired")
    assert "retrieve job" in answer.json["details"]


def test_a_link_whose_copy_is_no_longer_there_says_how_to_get_another(api: Api) -> None:
    answer = api.get(link())

    assert (answer.status, answer.json["code"]) == (404, "no_copy")
    assert "retrieve job" in answer.json["details"]


def test_a_link_that_somebody_else_wrote_is_forbidden(api: Api, copy: str) -> None:
    answer = api.get(link(copy)[:-1])

    assert (answer.status, answer.json["code"]) == (403, "wrong_link")


def test_neither_the_link_nor_the_url_behind_it_is_logged(api: Api, copy: str, log: io.StringIO) -> None:
    paths = [link(copy), link("any/other/key"), link(copy)[:-1], f"{link(copy)}/more"]
    methods = ["GET", "HEAD", "PUT"]

    answers = [api.answer(event(method, path)) for path in paths for method in methods]

    logged = log.getvalue()
    assert {answer.status for answer in answers} == {302, 403, 404, 405}
    assert "GET /datablocks/<token>" in logged
    assert "X-Amz" not in logged
    for path in paths:
        assert path.split("/")[2] not in logged
