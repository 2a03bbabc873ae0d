"""A link leads to the tar for as long as its copy is kept, and its holder is told when it no longer does."""

import io
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
import requests
import time_machine
from types_boto3_s3 import S3Client

from archiver.keys import Keys
from archiver.retrieve import links, renewal
from archiver.storage import buckets
from tests.support.account import forget_what_processes_remember
from tests.support.archive import deliver
from tests.support.archiver_api import Answer, Api, event

ANY_PID = "20.500.11935/any"
KEY = Keys.datablock(ANY_PID, "any-run-1", 0)
OTHER_KEY = Keys.datablock(ANY_PID, "any-run-1", 1)
BYTES = b"any tar"


@pytest.fixture
def copy(aws: S3Client) -> str:
    """The key of a recalled tar."""
    assert aws
    deliver(KEY, BYTES)
    return KEY


def link(key: str = KEY, now: datetime | None = None) -> str:
    """The path of a link."""
    return path_of(links.url(links.issue(key, ANY_PID, now or datetime.now(UTC))))


def path_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/api/v1")


def follow(answer: Answer, method: str, **headers: str) -> requests.Response:
    """What S3 (moto's) answers to the redirect."""
    assert answer.status == 302
    return requests.request(method, answer.headers["location"], headers=headers, timeout=5, stream=True)


@pytest.mark.usefixtures("wire")
def test_a_link_leads_to_the_tar(api: Api, copy: str) -> None:
    got = follow(api.get(link(copy)), "GET")

    assert (got.status_code, got.content) == (200, BYTES)


@pytest.mark.usefixtures("wire")
def test_a_link_leads_to_a_part_of_the_tar(api: Api, copy: str) -> None:
    got = follow(api.get(link(copy), {"Range": "bytes=4-"}), "GET", Range="bytes=4-")

    assert (got.status_code, got.content) == (206, b"tar")


@pytest.mark.parametrize(
    ("pid", "key"),
    [
        (ANY_PID, Keys.datablock("20.500.11935/others", "any-run-1", 0)),
        (ANY_PID, Keys.selection("20.500.11935/others", "any-run-1", 0)),
        (ANY_PID, Keys.copy("20.500.11935/others", "elsewhere/any.tar")),
        (ANY_PID, Keys.copy(ANY_PID, "not/allowed/any.tar")),
        (ANY_PID, "elsewhere/any.tar"),
        (ANY_PID, Keys.result("any-job")),
        ("", KEY),
    ],
)
def test_h02_a_link_that_a_dataset_should_never_have_had_opens_nothing(
    api: Api, aws: S3Client, environment: pytest.MonkeyPatch, pid: str, key: str
) -> None:
    environment.setenv("FORMER_ARCHIVE_PREFIXES", "elsewhere/")
    aws.put_object(Bucket="retrieval", Key=key, Body=BYTES, ChecksumAlgorithm="CRC64NVME")
    path = path_of(links.url(links.issue(key, pid, datetime.now(UTC))))

    assert [api.get(path).status, api.answer(event("POST", f"{path}/renewal")).status] == [403, 403]


@pytest.mark.parametrize(
    ("pid", "key"),
    [
        (ANY_PID, Keys.selection(ANY_PID, "any-run-1", 0)),
        (ANY_PID, Keys.second_copy(KEY)),
        (ANY_PID, Keys.copy(ANY_PID, "elsewhere/any.tar")),
        ("", Keys.result("any-job")),
    ],
)
def test_a_link_leads_to_whatever_a_job_may_give(
    api: Api, aws: S3Client, environment: pytest.MonkeyPatch, pid: str, key: str
) -> None:
    environment.setenv("FORMER_ARCHIVE_PREFIXES", "elsewhere/")
    aws.put_object(Bucket="retrieval", Key=key, Body=BYTES)

    assert api.get(path_of(links.url(links.issue(key, pid, datetime.now(UTC))))).status == 302


@pytest.mark.usefixtures("wire")
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


@pytest.mark.usefixtures("wire")
def test_a_link_works_after_the_functions_credentials_were_replaced(
    api: Api, copy: str, environment: pytest.MonkeyPatch
) -> None:
    path = link(copy)
    before = api.get(path).headers["location"]
    environment.setenv("AWS_ACCESS_KEY_ID", "ANOTHERKEY")
    environment.setattr(boto3, "DEFAULT_SESSION", None)
    forget_what_processes_remember()

    answer = api.get(path)

    assert follow(answer, "GET").content == BYTES
    assert "ANOTHERKEY" in answer.headers["location"]
    assert "ANOTHERKEY" not in before


def test_h02_a_link_that_was_changed_anywhere_is_forbidden(api: Api, copy: str) -> None:
    path = link(copy)
    token = path.removeprefix("/datablocks/")
    # The last letter of the signature holds two bits that mean nothing.
    places = range(0, len(token) - 1, 7)
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in places]

    assert {api.get(f"/datablocks/{one}").status for one in changed} == {403}


@pytest.mark.usefixtures("wire")
def test_a_link_is_renewed_without_credentials_while_it_works(api: Api, copy: str) -> None:
    six_days_ago = datetime.now(UTC) - timedelta(days=6)
    renewed = api.answer(event("POST", f"{link(copy, six_days_ago)}/renewal"))

    assert renewed.status == 201
    assert datetime.fromisoformat(renewed.json["expires"]) > datetime.now(UTC) + timedelta(days=6.9)
    assert follow(api.get(path_of(renewed.json["url"])), "GET").content == BYTES


def test_the_copy_behind_a_renewed_link_is_kept_as_long(api: Api, copy: str, aws: S3Client) -> None:
    path = link(copy)
    with time_machine.travel(datetime.now(UTC) + timedelta(days=6)):
        renewed = api.answer(event("POST", f"{path}/renewal"))
        kept = aws.head_object(Bucket="retrieval", Key=copy)["LastModified"].date()

        assert (renewed.status, kept) == (201, datetime.now(UTC).date())


def test_a_tar_that_is_not_renewed_in_time_is_asked_for_again(
    api: Api, copy: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(renewal, "renew", lambda *_: False)

    answer = api.answer(event("POST", f"{link(copy)}/renewal"))

    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "renewing", "1")


def test_a_renewed_link_has_the_address_that_its_caller_used(
    api: Api, copy: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("PUBLIC_API_URL", "")
    forget_what_processes_remember()
    asked = event("POST", f"{_link_without_address(copy)}/renewal")
    asked["requestContext"]["domainName"] = "any.host"

    assert api.answer(asked).json["url"].startswith("https://any.host/api/v1/datablocks/ey")


def _link_without_address(key: str) -> str:
    return path_of(links.url(links.issue(key, ANY_PID, datetime.now(UTC)), "http://127.0.0.1:9/api/v1"))


@pytest.mark.parametrize(("days", "status"), [(8, 410), (0, 404)])
def test_a_link_that_does_not_work_is_not_renewed(api: Api, days: int, status: int) -> None:
    path = link(OTHER_KEY, datetime.now(UTC) - timedelta(days=days))

    assert api.answer(event("POST", f"{path}/renewal")).status == status


def test_revoked_links_of_a_dataset_are_gone_and_cannot_be_renewed(api: Api, copy: str) -> None:
    path = link(copy)

    answer = api.post("/datablocks/revocations", {"dataset_id": ANY_PID})

    assert (answer.status, answer.json["dataset_id"]) == (201, ANY_PID)
    assert (api.get(path).status, api.get(path).json["code"]) == (410, "link_revoked")
    assert api.answer(event("POST", f"{path}/renewal")).status == 410
    assert api.get(link(copy, datetime.now(UTC) + timedelta(seconds=2))).status == 302


def test_a_link_that_is_revoked_while_it_is_renewed_has_no_successor(
    api: Api, copy: str, environment: pytest.MonkeyPatch
) -> None:
    def renew_meanwhile(*_: object) -> bool:
        links.revoke(ANY_PID, buckets.retrieval(), datetime.now(UTC))
        return True

    environment.setattr(renewal, "renew", renew_meanwhile)
    yesterday = datetime.now(UTC) - timedelta(days=1)

    answer = api.answer(event("POST", f"{link(copy, yesterday)}/renewal"))

    assert (answer.status, answer.json["code"]) == (410, "link_revoked")


@pytest.mark.parametrize("body", [{}, {"dataset_id": ""}, {"dataset_id": "any", "more": 1}])
def test_a_wrong_revocation_is_refused(api: Api, body: dict[str, object]) -> None:
    assert api.post("/datablocks/revocations", body).status == 422


def test_only_the_job_account_revokes_links(api: Api, copy: str) -> None:
    path = link(copy)

    assert api.post("/datablocks/revocations", {"dataset_id": ANY_PID}, {"Authorization": "Basic YTpi"}).status == 401
    assert api.get(path).status == 302


def test_h05_a_link_whose_copy_is_no_longer_there_says_how_to_get_another(api: Api) -> None:
    answer = api.get(link())

    assert (answer.status, answer.json["code"]) == (404, "no_copy")
    assert "retrieve job" in answer.json["details"]


def test_h02_a_link_that_somebody_else_wrote_is_forbidden(api: Api, copy: str) -> None:
    answer = api.get(link(copy)[:-1])

    assert (answer.status, answer.json["code"]) == (403, "wrong_link")


def test_neither_the_link_nor_the_url_behind_it_is_logged(api: Api, copy: str, log: io.StringIO) -> None:
    paths = [link(copy), link(OTHER_KEY), link(copy)[:-1], f"{link(copy)}/more"]
    methods = ["GET", "HEAD", "PUT"]

    answers = [api.answer(event(method, path)) for path in paths for method in methods]

    logged = log.getvalue()
    assert {answer.status for answer in answers} == {302, 403, 404, 405}
    assert "GET /datablocks/<token>" in logged
    assert "X-Amz" not in logged
    for path in paths:
        assert path.split("/")[2] not in logged
