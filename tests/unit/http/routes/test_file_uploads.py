"""Clients upload files: the requests that are signed for them, and what is believed of what they say."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from botocore.awsrequest import AWSResponse, HTTPHeaders

from archiver.aws import clients
from archiver.aws.s3 import Bucket
from archiver.keys import Keys
from archiver.settings import MIB
from archiver.storage import buckets
from archiver.uploads import file_table, quota, registry
from archiver.uploads.presigning import Inbox, Parts
from tests.support.archiver_api import Answer, Api
from tests.support.catalogue import Scicat
from tests.support.s3_faults import S3Faults
from tests.support.template import resources_of
from tests.support.uploading import PID, PREFIX, User, decoded, send
from tests.unit.uploads.test_rules import WRONG_NAMES

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Files are sent to presigned addresses.
pytestmark = pytest.mark.usefixtures("wire")
PART = 5 * MIB
KEY = f"{PREFIX}any.mrc"


def sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


@pytest.fixture
def user1(api: Api, scicat: Scicat) -> User:
    """The owner of a dataset that waits for its files; nobody knows how long they are."""
    scicat.add_dataset(PID, archiveStatusMessage="filesNotYetAvailable", archivable=False)
    user = User(api, scicat, "user1")
    user.lists(dict.fromkeys(("any.mrc", "other.mrc", "ä" * 400)))
    assert user.ask_for_space().status == 201
    return user


@pytest.fixture
def user2(user1: User) -> User:
    """Somebody of another group."""
    return User(user1.api, user1.scicat, "user2")


def open_uploads(aws: "S3Client") -> list[str]:
    """The ids of the multipart uploads that are not completed."""
    return [upload["UploadId"] for upload in aws.list_multipart_uploads(Bucket="landing").get("Uploads", [])]


def upload_parts(user: User, count: int = 2) -> tuple[str, list[dict[str, Any]]]:
    """Begin a file of many parts and send them; returns the upload's id, and the parts as completeUpload takes them."""
    begun = user.presign(parts=count).json
    parts = []
    for number, url in enumerate(decoded(begun["urls"]), start=1):
        body = bytes([number]) * (PART if number < count else 1)
        checksum = sha256(body)
        etag = send(url, body, {"x-amz-checksum-sha256": checksum})
        parts.append({"part_number": number, "etag": etag, "checksum_sha256": checksum})
    return begun["upload_id"], parts


def checksum_of(parts: list[dict[str, Any]]) -> str:
    return sha256(b"".join(base64.b64decode(part["checksum_sha256"]) for part in parts))


def test_a_small_file_is_sent_by_one_request(user1: User, aws: "S3Client") -> None:
    answer = user1.presign()
    (url,) = decoded(answer.json["urls"])
    send(url, b"any bytes")

    assert (answer.status, answer.json["upload_id"], answer.json["next_part"]) == (201, "", None)
    assert aws.get_object(Bucket="landing", Key=KEY)["Body"].read() == b"any bytes"


def test_a_file_of_one_chunk_is_completed_without_an_upload(user1: User) -> None:
    (url,) = decoded(user1.presign().json["urls"])
    etag, checksum = send(url, b"any"), sha256(b"any")
    part = {"part_number": 1, "etag": etag, "checksum_sha256": checksum}

    answers = [user1.complete("", parts=[part], checksum_sha256=checksum_of([part])) for _ in range(2)]

    assert [(answer.status, answer.json) for answer in answers] == [
        (201, {"location": f"s3://landing/{KEY}", "key": KEY})
    ] * 2


def test_a_file_of_one_chunk_that_never_arrived_is_not_completed(user1: User) -> None:
    answer = user1.complete("")

    assert (answer.status, answer.json["code"]) == (422, "file_missing")
    assert answer.json["message"] == "The file is not there."


def test_a_file_of_one_chunk_with_other_bytes_is_not_completed(user1: User) -> None:
    (url,) = decoded(user1.presign().json["urls"])
    send(url, b"any")
    part = {"part_number": 1, "etag": "0" * 32}

    assert user1.complete("", parts=[part]).json["code"] == "checksum_mismatch"


def test_a_large_file_is_completed_as_often_as_the_client_likes(user1: User, aws: "S3Client") -> None:
    upload_id, parts = upload_parts(user1)

    answers = [user1.complete(upload_id, parts=parts, checksum_sha256=checksum_of(parts)) for _ in range(3)]

    assert [(answer.status, answer.json["key"]) for answer in answers] == [(201, KEY)] * 3
    assert aws.head_object(Bucket="landing", Key=KEY)["ContentLength"] == PART + 1
    assert open_uploads(aws) == []


def test_whoever_names_no_parts_means_all_that_s3_has(user1: User, aws: "S3Client") -> None:
    upload_id, _ = upload_parts(user1)

    assert user1.complete(upload_id).status == 201
    assert aws.head_object(Bucket="landing", Key=KEY)["ContentLength"] == PART + 1


def test_b29_the_parts_of_a_file_are_read_in_pages(
    user1: User, aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    read = Inbox.client_parts

    def two_at_once(inbox: Inbox, key: str, upload_id: str, after: int = 0, limit: int = 2) -> Parts | None:
        return read(inbox, key, upload_id, after, min(limit, 2))

    environment.setattr(Inbox, "client_parts", two_at_once)
    upload_id, parts = upload_parts(user1, 5)

    assert user1.complete(upload_id, checksum_sha256=checksum_of(parts)).status == 201
    assert aws.head_object(Bucket="landing", Key=KEY)["ContentLength"] == 4 * PART + 1


def without(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return parts[:1]


def with_one_more(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*parts, parts[1] | {"part_number": 3}]


def with_another_etag(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [parts[0], parts[1] | {"etag": "0" * 32}]


@pytest.mark.parametrize(
    ("change", "code", "part"),
    [(without, "other_parts", "2"), (with_another_etag, "other_parts", "2"), (with_one_more, "unknown_parts", "3")],
)
def test_parts_that_are_not_those_of_s3_complete_nothing(
    user1: User,
    aws: "S3Client",
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    code: str,
    part: str,
) -> None:
    upload_id, parts = upload_parts(user1)

    answer = user1.complete(upload_id, parts=change(parts), checksum_sha256=checksum_of(parts))

    assert (answer.status, answer.json["code"], answer.json["details"]) == (422, code, part)
    assert open_uploads(aws) == [upload_id]


def test_a_part_that_was_not_sent_is_named(user1: User) -> None:
    begun = user1.presign(parts=3).json
    send(decoded(begun["urls"])[1], b"any")

    answer = user1.complete(begun["upload_id"])

    assert (answer.status, answer.json["code"], answer.json["details"]) == (422, "missing_parts", "1, 3")


def test_parts_that_are_too_short_are_refused(user1: User) -> None:
    begun = user1.presign(parts=2).json
    for url in decoded(begun["urls"]):
        send(url, b"any")

    answer = user1.complete(begun["upload_id"])

    assert (answer.status, answer.json["code"]) == (422, "parts_too_small")
    assert "5242880 bytes" in answer.json["message"]


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ("EntityTooSmall", "parts_too_small"),
        ("BadDigest", "checksum_mismatch"),
        ("InvalidPart", "other_parts"),
        ("InvalidPartOrder", "other_parts"),
        ("InvalidRequest", "parts_refused"),
    ],
)
def test_what_s3_refuses_is_told_by_its_own_code(user1: User, s3_faults: S3Faults, refusal: str, code: str) -> None:
    upload_id, parts = upload_parts(user1)
    s3_faults.refuse("CompleteMultipartUpload", refusal, 400)

    answer = user1.complete(upload_id, parts=parts)

    assert (answer.status, answer.json["code"]) == (422, code)
    assert user1.complete(upload_id, parts=parts).status == 201


def test_a_checksum_that_is_not_the_parts_own_makes_no_file(user1: User) -> None:
    upload_id, parts = upload_parts(user1)
    assert user1.complete(upload_id, parts=parts, checksum_sha256=checksum_of(parts)).status == 201

    answer = user1.complete(upload_id, parts=parts, checksum_sha256=sha256(b"other"))

    assert (answer.status, answer.json["code"]) == (422, "checksum_mismatch")


def test_b24_asking_again_gives_urls_of_the_same_upload(user1: User, aws: "S3Client") -> None:
    first, second = user1.presign(parts=2).json, user1.presign(parts=2).json

    assert first["upload_id"] == second["upload_id"]
    assert open_uploads(aws) == [first["upload_id"]]


def test_b24_of_requests_at_the_same_time_one_upload_stays(
    user1: User, aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    begin = Inbox.begin
    others: list[str] = []

    def begin_after_another(inbox: Inbox, key: str) -> str:
        """Another request comes through while this one waits for S3."""
        if not others:
            others.append("begins")
            others.append(registry.begin_upload(PID, key, 2).upload_id)
        return begin(inbox, key)

    environment.setattr(Inbox, "begin", begin_after_another)

    assert user1.presign(parts=2).json["upload_id"] == others[-1]
    assert open_uploads(aws) == [others[-1]]


def test_b24_a_request_whose_answer_was_lost_keeps_its_upload(
    user1: User, aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    put = Bucket.put

    def put_twice(bucket: Bucket, key: str, body: bytes, *, only_if_absent: bool = False, **more: Any) -> bool:
        """The first answer is lost, and botocore repeats the request."""
        put(bucket, key, body, only_if_absent=only_if_absent, **more)
        return put(bucket, key, body, only_if_absent=only_if_absent, **more)

    environment.setattr(Bucket, "put", put_twice)

    assert [user1.presign(parts=2).json["upload_id"]] == open_uploads(aws)


def test_another_number_of_parts_begins_another_upload(user1: User, aws: "S3Client") -> None:
    first, second = user1.presign(parts=2).json, user1.presign(parts=3).json

    assert first["upload_id"] != second["upload_id"]
    assert open_uploads(aws) == [second["upload_id"]]


def test_a_file_may_be_uploaded_again_after_its_upload_ended(user1: User) -> None:
    upload_id, _ = upload_parts(user1)
    assert user1.complete(upload_id).status == 201

    assert user1.presign(parts=2).json["upload_id"] != upload_id


def test_b25_a_name_outside_of_the_dataset_is_refused_and_nothing_begins(user1: User, aws: "S3Client") -> None:
    for name in WRONG_NAMES:
        answer = user1.post("/s3/presignedUrls", dataset_id=PID, object_name=name, parts=2)

        assert answer.status == 422
        assert {"code", "message", "details"} <= set(answer.json)
    assert open_uploads(aws) == []


# Every route about a file, as a client asks it of an upload that user1 began.
ROUTES: Mapping[str, Callable[[User, str], Answer]] = {
    "presign": lambda user, _: user.presign(parts=2),
    "parts": lambda user, upload_id: user.parts(upload_id),
    "complete": lambda user, upload_id: user.complete(upload_id),
    "abort": lambda user, upload_id: user.abort(upload_id),
}
FOR_INGESTOR = {"presign", "complete"}


@pytest.mark.parametrize("route", ROUTES)
def test_b26_another_groups_user_can_do_nothing_to_the_file(
    user1: User, user2: User, aws: "S3Client", route: str
) -> None:
    upload_id, _ = upload_parts(user1)

    answer = ROUTES[route](user2, upload_id)

    assert (answer.status, answer.json["code"]) == (422 if route in FOR_INGESTOR else 403, "forbidden")
    assert open_uploads(aws) == [upload_id]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "lifecycle",
    [
        {"archiveStatusMessage": "started", "archivable": False},
        {"archiveStatusMessage": "datasetOnArchiveDisk", "archivable": False, "retrievable": True},
    ],
)
def test_b27_while_the_dataset_is_archived_its_files_are_locked(
    api: Api, scicat: Scicat, route: str, lifecycle: dict[str, Any]
) -> None:
    scicat.add_dataset(PID, **lifecycle)

    answer = ROUTES[route](User(api, scicat, "user1"), "any")

    assert (answer.status, answer.json["code"]) == (422 if route in FOR_INGESTOR else 409, "dataset_locked")


@pytest.mark.parametrize("parts", [0, -1, 10_001, "2", 1.5, True, None])
def test_b28_a_number_of_parts_that_s3_does_not_take_is_refused(user1: User, parts: Any) -> None:
    answer = user1.presign(parts=parts)

    assert answer.status == 422
    assert answer.json["detail"][0]["loc"] == ["body", "parts"]


@pytest.mark.parametrize(
    ("size", "parts"), [(0, 1), (-1, 1), (10_000 * 5 * 1024 * MIB + 1, 10_000), (9 * MIB, 2), (6 * 1024 * MIB, 1)]
)
def test_b28_a_size_that_the_parts_cannot_hold_is_refused(user1: User, aws: "S3Client", size: int, parts: int) -> None:
    answer = user1.presign(parts=parts, size=size)

    assert answer.status == 422
    assert open_uploads(aws) == []


def test_b28_the_server_says_how_long_a_part_is(user1: User) -> None:
    assert user1.presign(parts=3, size=300 * MIB).json["part_size"] == 100 * MIB


def test_b29_ten_thousand_urls_come_in_pages(user1: User, aws: "S3Client") -> None:
    numbers: list[int] = []
    first_part: int | None = 1
    while first_part:
        answer = user1.presign(parts=10_000, first_part=first_part)
        assert len(answer.body) < 2_000_000
        assert 0 < len(answer.json["urls"]) <= 1_000
        numbers += [int(parse_qs(urlsplit(url).query)["partNumber"][0]) for url in decoded(answer.json["urls"])]
        first_part = answer.json["next_part"]

    assert numbers == list(range(1, 10_001))
    assert len(open_uploads(aws)) == 1


def test_b29_long_keys_and_credentials_make_shorter_pages(user1: User, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_SESSION_TOKEN", "any+long/token=" * 100)
    clients.s3.cache_clear()

    answer = user1.presign("ä" * 400, parts=1_000)

    assert len(answer.body) < 2_000_000
    assert answer.json["next_part"] == len(answer.json["urls"]) + 1 < 1_000


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"first_part": 3}, "first_part"),
        ({"first_part": 2, "checksums_sha256": [sha256(b"")] * 2}, "checksums_sha256"),
        ({"checksums_sha256": ["no checksum"]}, "checksums_sha256"),
        ({"checksums_sha256": []}, "checksums_sha256"),
    ],
)
def test_a_page_that_the_file_does_not_have_is_refused(user1: User, more: dict[str, Any], field: str) -> None:
    answer = user1.presign(parts=2, **more)

    assert answer.status == 422
    assert answer.json["detail"][0]["loc"][:2] == ["body", field]


def test_b32_an_error_under_the_status_200_is_a_failure_and_repeated(user1: User, aws: "S3Client") -> None:
    upload_id, parts = upload_parts(user1)
    asked: list[str] = []

    def answer(request: Any, **_: object) -> Any:
        """The first attempt fails, in the middle of a good answer."""
        asked.append(request.url)
        if len(asked) > 1:
            return None
        body = b"<Error><Code>InternalError</Code><Message>any</Message></Error>"
        raw: Any = SimpleNamespace(stream=lambda *_, **__: iter([body]))
        return AWSResponse(request.url, 200, HTTPHeaders(), raw)

    clients.s3().meta.events.register_first("before-send.s3.CompleteMultipartUpload", answer)
    completed = user1.complete(upload_id, parts=parts, checksum_sha256=checksum_of(parts))

    assert (completed.status, len(asked)) == (201, 2)
    assert aws.head_object(Bucket="landing", Key=KEY)["ContentLength"] == PART + 1


def test_b33_an_upload_may_be_aborted_again(user1: User, aws: "S3Client") -> None:
    upload_id, _ = upload_parts(user1)

    answers = [user1.abort(upload_id) for _ in range(2)]

    assert [(answer.status, answer.json) for answer in answers] == [
        (201, {"message": "The upload is aborted.", "upload_id": upload_id, "object_name": KEY})
    ] * 2
    assert open_uploads(aws) == []


def test_b33_a_file_that_was_sent_in_one_piece_has_nothing_to_abort(user1: User) -> None:
    assert user1.abort("").status == 201


@pytest.mark.parametrize("route", ["parts", "complete", "abort"])
def test_b33_an_upload_that_nobody_began_here_is_not_found(user1: User, aws: "S3Client", route: str) -> None:
    foreign = aws.create_multipart_upload(Bucket="landing", Key=KEY)["UploadId"]

    for upload_id in ("any", foreign):
        answer = ROUTES[route](user1, upload_id)
        assert (answer.status, answer.json["code"]) == (422 if route in FOR_INGESTOR else 404, "upload_unknown")
    assert open_uploads(aws) == [foreign]


def test_b33_an_upload_is_one_files_alone(user1: User, aws: "S3Client") -> None:
    upload_id, _ = upload_parts(user1)

    assert user1.abort(upload_id, "other.mrc").status == 404
    assert open_uploads(aws) == [upload_id]


def test_b34_uploads_that_are_never_completed_go_after_a_week() -> None:
    for name, bucket in resources_of("AWS::S3::Bucket").items():
        rules = bucket["LifecycleConfiguration"]["Rules"]
        days = [rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation") for rule in rules]
        assert 7 in days, name


def test_b35_an_interrupted_upload_goes_on_with_new_urls_of_what_is_missing(user1: User, aws: "S3Client") -> None:
    begun = user1.presign(parts=3).json
    body = b"1" * PART
    etag = send(decoded(begun["urls"])[0], body, {"x-amz-checksum-sha256": sha256(body)})

    shown = user1.parts(begun["upload_id"]).json

    assert [(part["part_number"], part["etag"], part["size"]) for part in shown["parts"]] == [(1, etag, PART)]
    assert [missing["part_number"] for missing in shown["missing"]] == [2, 3]
    assert (shown["total"], shown["next_part"]) == (3, None)
    for missing, sent in zip(shown["missing"], (b"2" * PART, b"3"), strict=True):
        send(decoded([missing["url"]])[0], sent)
    assert user1.complete(begun["upload_id"]).status == 201
    assert aws.head_object(Bucket="landing", Key=KEY)["ContentLength"] == 2 * PART + 1


def test_b35_a_url_works_for_half_a_day(user1: User) -> None:
    (url,) = decoded(user1.presign().json["urls"])

    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["43200"]


def test_parts_are_shown_in_pages(user1: User) -> None:
    begun = user1.presign(parts=5).json
    for number in (1, 2, 4):
        send(decoded(begun["urls"])[number - 1], b"any")

    shown: list[tuple[list[int], list[int]]] = []
    first_part = 1
    while first_part:
        page = user1.parts(begun["upload_id"], first_part=str(first_part), limit="2").json
        shown.append(([one["part_number"] for one in page["parts"]], [one["part_number"] for one in page["missing"]]))
        first_part = page["next_part"]

    assert shown == [([1, 2], []), ([4], [3]), ([], [5])]


def test_of_a_completed_upload_no_parts_are_shown(user1: User) -> None:
    upload_id, _ = upload_parts(user1)
    user1.complete(upload_id)

    assert user1.parts(upload_id).status == 404


def test_b37_checksums_that_are_stated_are_signed_and_must_be_sent(user1: User) -> None:
    checksums = [sha256(b"1"), sha256(b"2")]

    answer = user1.presign(parts=2, checksums_sha256=checksums).json

    assert answer["required_headers"] == [{"x-amz-checksum-sha256": checksum} for checksum in checksums]
    assert [signed_headers(url) for url in decoded(answer["urls"])] == ["host;x-amz-checksum-sha256"] * 2


def test_who_sends_the_required_headers_replaces_only_what_lay_there(user1: User, aws: "S3Client") -> None:
    answers = [user1.presign(checksums_sha256=[sha256(body)]).json for body in (b"first", b"other")]
    (headers,), (url,) = answers[0]["required_headers"], decoded(answers[0]["urls"])
    assert headers == {"x-amz-checksum-sha256": sha256(b"first"), "If-None-Match": "*"}
    assert signed_headers(url) == "host;if-none-match;x-amz-checksum-sha256"
    etag = send(url, b"first", headers)

    (late,) = decoded(answers[1]["urls"])
    assert requests.put(late, data=b"other", headers=answers[1]["required_headers"][0], timeout=30).status_code == 412

    again = user1.presign(checksums_sha256=[sha256(b"other")]).json
    (headers,), (url,) = again["required_headers"], decoded(again["urls"])
    assert headers == {"x-amz-checksum-sha256": sha256(b"other"), "If-Match": f'"{etag}"'}
    send(url, b"other", headers)
    assert aws.get_object(Bucket="landing", Key=KEY)["Body"].read() == b"other"


def test_b37_without_a_checksum_no_header_is_signed(user1: User) -> None:
    answer = user1.presign().json

    assert answer["required_headers"] is None
    assert [signed_headers(url) for url in decoded(answer["urls"])] == ["host"]


def test_without_a_grant_nothing_can_be_sent(user1: User, aws: "S3Client") -> None:
    quota.release(PID)
    buckets.staging().delete([Keys.upload(PID)])

    answers = [user1.presign(parts=2), user1.complete("any"), user1.parts("any")]

    assert [(answer.status, answer.json["code"]) for answer in answers] == [
        (422, "no_space_granted"),
        (422, "no_space_granted"),
        (409, "no_space_granted"),
    ]
    assert open_uploads(aws) == []


def test_a_grant_ends_and_can_be_had_again(user1: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(quota, "GRANTED_FOR", timedelta(seconds=-1))
        assert user1.ask_for_space().status == 201
        assert user1.presign().json["code"] == "no_space_granted"

    assert user1.ask_for_space().status == 201
    assert user1.presign().status == 201


@pytest.mark.parametrize("path", ["not listed.mrc", "any.mrc2", "any", "folder"])
def test_a_file_that_scicat_does_not_list_cannot_be_sent(user1: User, aws: "S3Client", path: str) -> None:
    user1.scicat.add_files(PID, {"path": "folder", "size": 4096, "perm": "drwxr-xr-x"})
    assert user1.ask_for_space().status == 201

    answers = [user1.presign(path, parts=2), user1.complete("any", path), user1.parts("any", path)]

    assert {(answer.status, answer.json["code"]) for answer in answers} == {(422, "file_not_listed")}
    assert open_uploads(aws) == []


@pytest.mark.parametrize("size", [-1, 0.5, 1e30])
def test_a_file_whose_listed_size_is_none_cannot_be_sent(user1: User, size: float) -> None:
    user1.scicat.add_files(PID, {"path": "odd.mrc", "size": size})
    assert user1.ask_for_space().status == 201

    assert user1.presign("odd.mrc").json["code"] == "file_not_listed"


def test_a_file_that_scicat_lists_since_can_be_sent_when_space_was_asked_for_again(user1: User) -> None:
    user1.lists({"new.mrc": 3})
    assert user1.presign("new.mrc").json["code"] == "file_not_listed"

    assert user1.ask_for_space().status == 201

    assert user1.presign("new.mrc").status == 201


def test_many_thousand_files_are_listed_once_and_found_by_one_request(
    user1: User, s3_faults: S3Faults, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(file_table, "_RECORDS_PER_SHARD", 10)
    user1.lists({f"grids/{number}.mrc": number for number in range(1, 101)})
    assert user1.ask_for_space().status == 201
    s3_faults.requests.clear()

    urls = [decoded(user1.presign(f"grids/{number}.mrc").json["urls"])[0] for number in (1, 50, 100)]

    assert [signed_headers(url) for url in urls] == ["content-length;host"] * 3
    read = [asked.key for asked in s3_faults.requests if asked.operation == "GetObject" and "/files/" in asked.key]
    assert 1 <= len(read) <= 3
    assert user1.presign("grids/101.mrc").json["code"] == "file_not_listed"


def test_the_size_that_scicat_lists_is_signed(user1: User) -> None:
    user1.lists({"known.mrc": 9, "empty.mrc": 0})
    user1.ask_for_space()

    for path in ("known.mrc", "empty.mrc"):
        (url,) = decoded(user1.presign(path).json["urls"])
        assert signed_headers(url) == "content-length;host"


def test_a_size_that_the_client_states_is_signed_with_each_part(user1: User) -> None:
    urls = decoded(user1.presign(parts=2, size=2 * PART - 1).json["urls"])
    assert [signed_headers(url) for url in urls] == ["content-length;host"] * 2

    (whole,) = decoded(user1.presign(size=7).json["urls"])
    assert signed_headers(whole) == "content-length;host"


def test_a_size_that_is_not_scicats_gets_no_url(user1: User, aws: "S3Client") -> None:
    user1.lists({"known.mrc": 2 * PART})
    user1.ask_for_space()

    assert user1.presign("known.mrc", parts=2, size=2 * PART + 1).json["code"] == "size_mismatch"
    assert user1.presign("known.mrc", parts=2, size=2 * PART).status == 201
    assert len(open_uploads(aws)) == 1


@pytest.mark.parametrize(("size", "parts"), [(9, 2), (2 * PART, 3), (2 * PART, 10_000), (6 * 1024 * MIB, 1)])
def test_more_or_fewer_parts_than_a_file_can_have_are_refused(
    user1: User, aws: "S3Client", size: int, parts: int
) -> None:
    user1.lists({"known.mrc": size})
    user1.ask_for_space()

    answer = user1.presign("known.mrc", parts=parts)

    assert (answer.status, answer.json["detail"][0]["type"]) == (422, "bad_size")
    assert open_uploads(aws) == []


def test_parts_of_any_size_are_a_file_of_the_listed_size(user1: User) -> None:
    user1.lists({"any size.mrc": PART + 1})
    user1.ask_for_space()

    assert user1.presign("any size.mrc", parts=2).status == 201


def test_parts_that_are_not_as_many_bytes_as_scicat_lists_make_no_file(user1: User, aws: "S3Client") -> None:
    user1.lists({"known.mrc": PART + 2})
    user1.ask_for_space()
    begun = user1.presign("known.mrc", parts=2).json
    for url, body in zip(decoded(begun["urls"]), (b"1" * PART, b"2"), strict=True):
        send(url, body)

    answer = user1.complete(begun["upload_id"], "known.mrc")

    assert (answer.status, answer.json["code"]) == (422, "size_mismatch")
    assert open_uploads(aws) == [begun["upload_id"]]


def test_a_file_in_one_piece_that_has_not_the_listed_size_is_not_complete(user1: User, aws: "S3Client") -> None:
    user1.lists({"known.mrc": 3})
    user1.ask_for_space()
    aws.put_object(Bucket="landing", Key=f"{PREFIX}known.mrc", Body=b"four")

    assert user1.complete("", "known.mrc").json["code"] == "size_mismatch"


def test_another_owner_goes_on_with_an_upload_and_ends_it(user1: User, aws: "S3Client") -> None:
    colleague = User(user1.api, user1.scicat, "colleague", frozenset({"group1"}))
    upload_id, _ = upload_parts(user1)

    assert colleague.presign(parts=2).json["upload_id"] == upload_id
    assert len(colleague.parts(upload_id).json["parts"]) == 2
    assert colleague.abort(upload_id).status == 201
    assert open_uploads(aws) == []


def signed_headers(url: str) -> str:
    return parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"][0]


def test_b38_a_pid_that_was_encoded_twice_is_not_found(user1: User) -> None:
    twice = PID.replace("/", "%2F")
    name = f"openem-network/datasets/{twice}/raw_files/any.mrc"

    assert user1.get("/s3/uploads/any/parts", dataset_id=twice, object_name=name).status == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/s3/presignedUrls", {"dataset_id": PID, "object_name": KEY, "parts": 1}),
        ("/s3/completeUpload", {"dataset_id": PID, "object_name": KEY, "upload_id": ""}),
        ("/s3/abortMultipartUpload", {"dataset_id": PID, "object_name": KEY, "upload_id": ""}),
        ("/s3/requestDatasetUpload", {"dataset_id": PID, "dataset_size_gib": 0}),
        ("/s3/finalizeDatasetUpload", {"dataset_id": PID, "create_archiving_job": False}),
        ("/s3/abortDatasetUpload", {"dataset_id": PID}),
    ],
)
def test_b19_a_field_that_the_route_does_not_know_is_refused(user1: User, path: str, body: dict[str, Any]) -> None:
    answer = user1.post(path, **body, ownerGroup="admin", status="ok", key=KEY)

    assert answer.status == 422
    assert {wrong["loc"][1] for wrong in answer.json["detail"]} == {"ownerGroup", "status", "key"}
