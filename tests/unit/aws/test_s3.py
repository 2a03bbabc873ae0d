"""The S3 wire against moto, and what each failure of S3 becomes."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import stamina
from botocore.config import Config
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ResponseStreamingError,
)
from botocore.parsers import ResponseParserError
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from moto import mock_aws
from urllib3.exceptions import ProtocolError

from archiver.aws import s3
from archiver.aws.s3 import Bucket, BucketElsewhere
from archiver.aws.s3_uploads import PinnedRange, UploadedPart
from archiver.aws.stored_checksums import StoredChecksum
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, DatasetRejected, Reason, ServiceRefused, ServiceUnavailable
from archiver.models.files import S3Object

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MIB = 1024**2
# So that a few objects fill several pages; S3's have 1,000.
KEYS_PER_PAGE = 3
ANY_TIME = datetime(2026, 11, 23, tzinfo=UTC)
ANY_KEY = "openem-network/datasets/20.500.11935/5d73/raw_files/a b/ü+~%2F&=?#.mrc"


@pytest.fixture
def client() -> Iterator["S3Client"]:
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def bucket(client: "S3Client") -> Bucket:
    client.create_bucket(Bucket="landing")
    return Bucket(client, "landing")


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def crc(body: bytes) -> str:
    return crc64nvme_to_base64(crc64nvme(body))


def xform_back(operation: str) -> str:
    return operation.title().replace("_", "")


def send(bucket: Bucket, key: str, upload_id: str, number: int, body: bytes) -> UploadedPart:
    return bucket.upload_part(key, upload_id, number, body, crc64nvme(body))


def test_an_object_comes_back_as_it_was_put(bucket: Bucket) -> None:
    assert bucket.put(ANY_KEY, b"any bytes") is True
    head = bucket.head(ANY_KEY)
    assert head is not None
    assert (head.size, head.storage_class, head.restore) == (9, "STANDARD", None)
    assert '"' not in head.etag
    assert bucket.read(ANY_KEY, limit=9) == b"any bytes"
    assert bucket.get(ANY_KEY, head.etag, 4, 5) == b"bytes"


def test_what_is_gone_meanwhile_is_not_replaced(bucket: Bucket) -> None:
    bucket.put("any", b"first")
    head = bucket.head("any")
    assert head is not None
    bucket.delete(["any"])
    assert bucket.put_if_match("any", b"second", head.etag) is False
    assert bucket.head("any") is None


def test_an_absent_object_is_none(bucket: Bucket) -> None:
    assert bucket.head("none") is None
    assert bucket.read("none", limit=10) is None


def test_a_document_over_the_limit_is_not_read(bucket: Bucket) -> None:
    bucket.put("large", bytes(100))
    with pytest.raises(ValueError, match="more than 99 bytes"):
        bucket.read("large", limit=99)


def test_d14_a_listing_has_all_pages_in_the_order_of_the_keys_bytes(client: "S3Client", bucket: Bucket) -> None:
    client.meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: params | {"MaxKeys": KEYS_PER_PAGE}
    )
    keys = [f"p/{number}" for number in range(2 * KEYS_PER_PAGE)] + ["p/Z", "p/a", "p/ä", "p/🐈"]
    for key in keys:
        bucket.put(key, b"")
    assert [found.key for found in bucket.list("p/")] == sorted(keys, key=str.encode)
    assert [found.key for found in bucket.list("p/", start_after="p/a")] == ["p/ä", "p/🐈"]
    assert list(bucket.list("none/")) == []


def test_folders_are_listed_once_over_all_pages(client: "S3Client", bucket: Bucket) -> None:
    client.meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: params | {"MaxKeys": KEYS_PER_PAGE}
    )
    folders = [f"p/{name}/" for name in ("a", "a b", "a-b", "b", "ä", "🐈", "🐈x")]
    for folder in folders:
        for name in ("1", "2", "deep/1", "\U0010fffd"):
            bucket.put(folder + name, b"")
    bucket.put("p/no-folder", b"")
    assert list(bucket.folders("p/")) == sorted(folders, key=str.encode)
    assert list(bucket.folders("p/", start_after="p/ä/")) == ["p/🐈/", "p/🐈x/"]
    assert list(bucket.folders("none/")) == []


@pytest.mark.parametrize("name", ["ctl\x01", "x\uffff", "x\ufffe", "a b+%2B ~"])
def test_c03_names_that_xml_cannot_hold_are_listed(bucket: Bucket, name: str) -> None:
    keys = [f"p/{name}/1", f"p/{name}/2", f"p/{name}3"]
    for key in keys:
        bucket.put(key, b"")
    assert [found.key for found in bucket.list("p/")] == sorted(keys, key=str.encode)
    assert list(bucket.folders("p/")) == [f"p/{name}/"]


def test_folders_are_found_behind_pages_of_objects_alone(client: "S3Client", bucket: Bucket) -> None:
    client.meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: params | {"MaxKeys": KEYS_PER_PAGE}
    )
    for number in range(2 * KEYS_PER_PAGE + 1):
        bucket.put(f"p/a{number}", b"")
    bucket.put("p/b/1", b"")
    assert list(bucket.folders("p/")) == ["p/b/"]


def test_c03_uploads_are_listed_by_the_names_that_s3_encodes(plain: "S3Client", stub: Stubber) -> None:
    def page(key: str, **more: str | bool) -> dict[str, Any]:
        uploads = [{"Key": key, "UploadId": "id", "Initiated": ANY_TIME}]
        return {"Uploads": uploads, "EncodingType": "url", "IsTruncated": False} | more

    marker = {"NextKeyMarker": "a+%2B%07", "NextUploadIdMarker": "id"}
    asked = {"Bucket": "any", "Prefix": "", "EncodingType": "url"}
    stub.add_response("list_multipart_uploads", page("a+%2B%07", IsTruncated=True, **marker), asked)
    stub.add_response("list_multipart_uploads", page("b"), asked | {"KeyMarker": "a +\x07", "UploadIdMarker": "id"})
    assert [key for key, _ in Bucket(plain, "any").uploads("")] == ["a +\x07", "b"]


def test_uploads_are_listed_by_their_plain_names_where_a_service_does_not_encode_them(
    plain: "S3Client", stub: Stubber
) -> None:
    uploads = [{"Key": "a+%2B", "UploadId": "id", "Initiated": ANY_TIME}]
    stub.add_response("list_multipart_uploads", {"Uploads": uploads, "IsTruncated": False})
    assert [key for key, _ in Bucket(plain, "any").uploads("")] == ["a+%2B"]


def test_an_object_is_created_only_once(bucket: Bucket) -> None:
    assert bucket.put("lease", b"first", only_if_absent=True) is True
    assert bucket.put("lease", b"second", only_if_absent=True) is False
    assert bucket.read("lease", limit=10) == b"first"


def test_objects_are_deleted_by_key_and_those_gone_already_are_fine(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert s3.MAX_KEYS_PER_DELETE <= 1_000, "S3 takes no more"
    monkeypatch.setattr(s3, "MAX_KEYS_PER_DELETE", KEYS_PER_PAGE)
    keys = [f"k{number}" for number in range(2 * KEYS_PER_PAGE + 1)]
    for key in keys:
        bucket.put(key, b"")
    bucket.delete(iter([*keys, "never there"]))
    assert list(bucket.list("")) == []
    bucket.delete([])


@pytest.mark.parametrize("name", ["ctl\x01", "x\uffff", "x\ufffe"])
def test_c03_what_xml_cannot_name_is_deleted_by_itself(bucket: Bucket, name: str) -> None:
    keys = ["a", name, f"{name}/b", "c"]
    for key in keys:
        bucket.put(key, b"")
    bucket.delete(keys)
    assert list(bucket.list("")) == []


def test_c03_what_xml_cannot_name_is_deleted_only_where_it_is_unchanged(plain: "S3Client", stub: Stubber) -> None:
    objects = [S3Object(key, 1, "any", "STANDARD", ANY_TIME) for key in ("same\x01", "other\x01", "gone\x01")]
    for found, code in zip(objects, (None, "PreconditionFailed", "NoSuchKey"), strict=True):
        asked = {"Bucket": "any", "Key": found.key, "IfMatch": '"any"'}
        if code is None:
            stub.add_response("delete_object", {}, asked)
        else:
            stub.add_client_error("delete_object", code, http_status_code=412, expected_params=asked)
    assert Bucket(plain, "any").delete_unchanged(objects) == (objects[1],)


def test_c03_a_list_that_s3_cannot_read_is_deleted_one_by_one(plain: "S3Client", stub: Stubber) -> None:
    stub.add_client_error("delete_objects", "MalformedXML", http_status_code=400)
    for key in ("any", "other"):
        stub.add_response("delete_object", {}, {"Bucket": "any", "Key": key})
    Bucket(plain, "any").delete(["any", "other"])
    stub.assert_no_pending_responses()


def test_a_multipart_upload_becomes_an_object_with_a_crc_of_the_whole(bucket: Bucket) -> None:
    first, last = bytes(5 * MIB), b"the end"
    upload_id = bucket.create_upload("tar", metadata={"any": "thing"})
    assert list(bucket.uploads("ta")) == [("tar", upload_id)]
    parts = [send(bucket, "tar", upload_id, 1, first), send(bucket, "tar", upload_id, 2, last)]
    assert [(part.number, part.size) for part in bucket.parts("tar", upload_id)] == [(1, 5 * MIB), (2, 7)]
    bucket.complete_upload("tar", upload_id, parts, crc(first + last))
    head = bucket.head("tar")
    assert head is not None
    assert (head.size, dict(head.metadata)) == (5 * MIB + 7, {"any": "thing"})
    assert list(bucket.uploads("")) == []


def test_an_aborted_upload_is_gone_and_may_be_aborted_again(bucket: Bucket) -> None:
    upload_id = bucket.create_upload("tar")
    bucket.abort_upload("tar", upload_id)
    bucket.abort_upload("tar", upload_id)
    assert list(bucket.uploads("")) == []
    assert bucket.parts("tar", upload_id) == ()


def test_a_part_is_copied_from_another_object(bucket: Bucket) -> None:
    bucket.put(ANY_KEY, b"a" + bytes(6 * MIB))
    head = bucket.head(ANY_KEY)
    assert head is not None
    upload_id = bucket.create_upload("tar")
    part = bucket.copy_part("tar", upload_id, 1, PinnedRange(bucket, ANY_KEY, head.etag, 1, 5 * MIB, "any"))
    assert (part.number, part.size) == (1, 5 * MIB)


def test_a_link_names_the_file_for_the_one_who_downloads_it(bucket: Bucket) -> None:
    link = bucket.presign_get(ANY_KEY, 60, "ü 1.tar")
    assert "response-content-disposition=attachment%3B%20filename%2A%3DUTF-8%27%27%25C3%25BC%25201.tar" in link
    assert "Expires" in link


# What a failure becomes. The calls are answered by botocore's stub, as S3 would.


@pytest.fixture
def plain() -> "S3Client":
    return boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def stub(plain: "S3Client") -> Iterator[Stubber]:
    with Stubber(plain) as stubber:
        yield stubber


@pytest.mark.parametrize(
    ("said", "kind", "becomes"),
    [
        (("AccessDenied", 403), ServiceRefused, Code.PERMISSION),
        (("NoSuchBucket", 404), ServiceRefused, Code.PERMISSION),
        (("KMS.DisabledException", 400), ServiceRefused, Code.KMS),
        (("KMS.ThrottlingException", 400), ServiceUnavailable, Code.S3_UNAVAILABLE),
        (("SlowDown", 503), ServiceUnavailable, Code.S3_UNAVAILABLE),
        (("InternalError", 500), ServiceUnavailable, Code.S3_UNAVAILABLE),
        (("RequestTimeTooSkewed", 403), ServiceUnavailable, Code.S3_UNAVAILABLE),
        (("TokenRefreshRequired", 400), ServiceUnavailable, Code.S3_UNAVAILABLE),
        (("InvalidToken", 400), ServiceUnavailable, Code.S3_UNAVAILABLE),
        (("RequestExpired", 400), ServiceUnavailable, Code.S3_UNAVAILABLE),
        (("InvalidAccessKeyId", 403), ServiceRefused, Code.PERMISSION),
        (("InvalidObjectState", 403), ServiceRefused, Code.LANDING_OFFLINE),
        (("NoSuchKey", 404), DatasetRejected, Code.CHANGED_AFTER_VALIDATE),
        (("PreconditionFailed", 412), DatasetRejected, Code.CHANGED_AFTER_VALIDATE),
        (("InvalidRange", 416), DatasetRejected, Code.CHANGED_AFTER_VALIDATE),
        (("InvalidArgument", 400), ServiceRefused, Code.INTERNAL),
    ],
)
@pytest.mark.parametrize("operation", ["get_object", "upload_part_copy"])
def test_d11_e10_e11_e17_each_failure_of_a_pinned_read_has_its_meaning(
    plain: "S3Client", operation: str, said: tuple[str, int], kind: type[Exception], becomes: Code
) -> None:
    bucket = Bucket(plain, "any")
    source = PinnedRange(bucket, "any key", "etag", 0, 10, "any/file")
    calls: dict[str, Callable[[], object]] = {
        "get_object": lambda: bucket.get("any key", "etag", 0, 10, name="any/file"),
        "upload_part_copy": lambda: bucket.copy_part("tar", "id", 1, source),
    }
    with Stubber(plain) as stub:
        stub.add_client_error(operation, said[0], http_status_code=said[1])
        with pytest.raises(kind) as raised:
            calls[operation]()
    reason = Reason.from_json(str(raised.value))
    assert reason.code is becomes
    if kind is DatasetRejected:
        assert reason.files == ("any/file",)


def test_another_bucket_has_codes_of_its_own(plain: "S3Client", stub: Stubber) -> None:
    bucket = Bucket(plain, "lts", Code.LTS_UNAVAILABLE, offline=Code.RECALL_FAILED, changed=Code.CORRUPT_DATABLOCK)
    stub.add_client_error("head_object", "500", http_status_code=500)
    stub.add_client_error("get_object", "InvalidObjectState", http_status_code=403)
    stub.add_client_error("get_object", "PreconditionFailed", http_status_code=412)
    with pytest.raises(ServiceUnavailable) as raised:
        bucket.head("any")
    assert raised.value.reason.code is Code.LTS_UNAVAILABLE
    for code in (Code.RECALL_FAILED, Code.CORRUPT_DATABLOCK):
        with pytest.raises(ServiceRefused) as refused:
            bucket.get("any", "etag", 0, 1)
        assert refused.value.reason.code is code


@pytest.mark.parametrize("said", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "403"])
def test_a_key_that_is_changed_in_two_places_is_waited_for(plain: "S3Client", stub: Stubber, said: str) -> None:
    stub.add_client_error("head_object", said, http_status_code=403)
    with pytest.raises(ServiceUnavailable, match="was it changed") as raised:
        BucketElsewhere(plain, "lts", Code.LTS_UNAVAILABLE).head("any")
    assert raised.value.reason.code is Code.LTS_UNAVAILABLE


CALLS: list[tuple[str, Callable[[Bucket], object]]] = [
    ("head_object", lambda bucket: bucket.head("any")),
    ("get_object", lambda bucket: bucket.read("any", 1)),
    ("put_object", lambda bucket: bucket.put("any", b"")),
    ("put_object", lambda bucket: bucket.put_if_match("any", b"", "etag")),
    ("delete_objects", lambda bucket: bucket.delete(["any"])),
    ("list_objects_v2", lambda bucket: list(bucket.list("any"))),
    ("create_multipart_upload", lambda bucket: bucket.create_upload("any")),
    ("upload_part", lambda bucket: bucket.upload_part("any", "id", 1, b"", 0)),
    ("list_parts", lambda bucket: bucket.parts("any", "id")),
    ("complete_multipart_upload", lambda bucket: bucket.complete_upload("any", "id", [], "")),
    ("abort_multipart_upload", lambda bucket: bucket.abort_upload("any", "id")),
    ("list_multipart_uploads", lambda bucket: list(bucket.uploads("any"))),
    ("restore_object", lambda bucket: bucket.restore("any", 1, "Bulk")),
]


@pytest.mark.parametrize(("operation", "call"), CALLS, ids=[operation for operation, _ in CALLS])
@pytest.mark.parametrize(("status", "kind"), [(403, ServiceRefused), (503, ServiceUnavailable)])
def test_no_failure_leaves_untranslated(
    plain: "S3Client", operation: str, call: Callable[[Bucket], object], status: int, kind: type[Exception]
) -> None:
    with Stubber(plain) as stub:
        stub.add_client_error(operation, str(status), http_status_code=status)
        with pytest.raises(kind):
            call(Bucket(plain, "any"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EndpointConnectionError(endpoint_url="http://any"), ServiceUnavailable),
        (ResponseParserError("not well-formed"), ServiceUnavailable),
        (ProtocolError("cut"), ServiceUnavailable),
        (NoCredentialsError(), ServiceRefused),
        (ParamValidationError(report="not a key"), ServiceRefused),
    ],
)
@pytest.mark.parametrize(("operation", "call"), CALLS, ids=[operation for operation, _ in CALLS])
def test_whatever_the_sdk_raises_is_one_of_our_errors(
    plain: "S3Client", operation: str, call: Callable[[Bucket], object], error: Exception, kind: type[Exception]
) -> None:
    def fail(**_: object) -> None:
        raise error

    plain.meta.events.register(f"before-send.s3.{xform_back(operation)}", fail)
    with pytest.raises(kind):
        call(Bucket(plain, "any"))


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_a_condition_that_does_not_hold_is_an_answer(plain: "S3Client", stub: Stubber, code: str) -> None:
    stub.add_client_error("put_object", code, http_status_code=412)
    stub.add_client_error("put_object", code, http_status_code=412)
    assert Bucket(plain, "any").put("any", b"", only_if_absent=True) is False
    assert Bucket(plain, "any").put_if_match("any", b"", "etag") is False


def test_a_key_that_could_not_be_deleted_is_an_error(plain: "S3Client", stub: Stubber) -> None:
    stub.add_response("delete_objects", {"Errors": [{"Key": "kept", "Code": "AccessDenied", "Message": "no"}]})
    with pytest.raises(ServiceRefused, match="kept"):
        Bucket(plain, "any").delete(["kept"])


def test_an_object_that_changed_since_it_was_listed_is_not_deleted_and_named(plain: "S3Client", stub: Stubber) -> None:
    listed = [S3Object(key, 1, f"etag of {key}", "STANDARD", ANY_TIME) for key in ("same", "changed", "racing", "gone")]
    errors = [
        {"Key": "changed", "Code": "PreconditionFailed"},
        {"Key": "racing", "Code": "ConditionalRequestConflict"},
        {"Key": "gone", "Code": "NoSuchKey"},
    ]
    asked = {"Objects": [{"Key": found.key, "ETag": found.etag} for found in listed], "Quiet": True}
    stub.add_response(
        "delete_objects", {"Errors": errors}, {"Bucket": "any", "Delete": asked, "ChecksumAlgorithm": "CRC64NVME"}
    )

    left = Bucket(plain, "any").delete_unchanged(iter(listed))

    assert [found.key for found in left] == ["changed", "racing"]


def test_an_object_that_may_not_be_deleted_is_an_error_also_under_a_condition(plain: "S3Client", stub: Stubber) -> None:
    stub.add_response("delete_objects", {"Errors": [{"Key": "kept", "Code": "AccessDenied", "Message": "no"}]})
    with pytest.raises(ServiceRefused, match="kept"):
        Bucket(plain, "any").delete_unchanged([S3Object("kept", 1, "any", "STANDARD", ANY_TIME)])


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"])
def test_e06_an_upload_completed_by_an_earlier_attempt_is_success(plain: "S3Client", stub: Stubber, code: str) -> None:
    stub.add_client_error("complete_multipart_upload", code, http_status_code=412)
    head = {
        "ContentLength": 3,
        "ETag": '"any"',
        "ChecksumCRC64NVME": crc(b"any"),
        "Metadata": {},
        "LastModified": ANY_TIME,
    }
    stub.add_response("head_object", head)
    stub.add_response("abort_multipart_upload", {}, {"Bucket": "any", "Key": "tar", "UploadId": "id"})
    Bucket(plain, "any").complete_upload("tar", "id", [], crc(b"any"))
    stub.assert_no_pending_responses()


def test_e06_e07_other_bytes_under_the_key_and_wrong_bytes_are_refused(plain: "S3Client", stub: Stubber) -> None:
    stub.add_client_error("complete_multipart_upload", "PreconditionFailed", http_status_code=412)
    stub.add_response("head_object", {"ContentLength": 3, "ETag": '"any"', "Metadata": {}, "LastModified": ANY_TIME})
    stub.add_client_error("complete_multipart_upload", "BadDigest", http_status_code=400)
    for _ in range(2):
        with pytest.raises(ServiceRefused) as refused:
            Bucket(plain, "any").complete_upload("tar", "id", [], crc(b"any"))
        assert refused.value.reason.code is Code.PACK_DIGEST


def test_an_upload_that_is_gone_without_an_object_is_tried_again_later(plain: "S3Client", stub: Stubber) -> None:
    stub.add_client_error("complete_multipart_upload", "NoSuchUpload", http_status_code=404)
    stub.add_client_error("head_object", "404", http_status_code=404)
    with pytest.raises(ServiceUnavailable):
        Bucket(plain, "any").complete_upload("tar", "id", [], crc(b"any"))


@pytest.mark.parametrize("code", ["RestoreAlreadyInProgress", "ObjectAlreadyInActiveTierError", "InvalidObjectState"])
def test_a_restore_that_is_not_needed_is_fine(plain: "S3Client", stub: Stubber, code: str) -> None:
    stub.add_client_error("restore_object", code, http_status_code=409)
    Bucket(plain, "any").restore("any", 1, "Standard")


def test_without_capacity_for_expedited_the_standard_tier_is_asked_for(plain: "S3Client", stub: Stubber) -> None:
    stub.add_client_error("restore_object", "GlacierExpeditedRetrievalNotAvailable", http_status_code=503)
    request = {"Days": 2, "GlacierJobParameters": {"Tier": "Standard"}}
    stub.add_response("restore_object", {}, {"Bucket": "any", "Key": "any", "RestoreRequest": request})
    Bucket(plain, "any").restore("any", 2, "Expedited")
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(("breaks", "succeeds"), [(2, True), (3, False)])
def test_a_body_that_breaks_off_is_asked_for_again(
    client: "S3Client", bucket: Bucket, monkeypatch: pytest.MonkeyPatch, breaks: int, succeeds: bool
) -> None:
    bucket.put("any", b"any bytes")
    left = breaks
    real = client.get_object

    def breaking(**request: Any) -> Any:
        nonlocal left
        answer = real(**request)
        if left:
            left -= 1
            monkeypatch.setattr(answer["Body"], "read", _broken)
        return answer

    monkeypatch.setattr(client, "get_object", breaking)
    if succeeds:
        assert bucket.read("any", 100) == b"any bytes"
    else:
        with pytest.raises(ServiceUnavailable):
            bucket.read("any", 100)


def _broken() -> bytes:
    raise ResponseStreamingError(error="connection broken")


def _flip(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a bit flip in the next bodies that are read: below botocore, which compares what it can by itself."""
    left = times
    real = StreamingBody.read

    def read(body: StreamingBody, amt: int | None = None) -> bytes:
        nonlocal left
        arrived = real(body, amt)
        if left and arrived == b"any bytes":
            left -= 1
            return b"bny bytes"
        return arrived

    monkeypatch.setattr(StreamingBody, "read", read)


@pytest.mark.parametrize("checksum", ["CRC64NVME", "CRC32", "SHA1", "SHA256", "none but the ETag"])
@pytest.mark.parametrize("times", [2, 3])
def test_d13_a_small_object_that_is_altered_on_its_way_is_asked_for_again(
    client: "S3Client", bucket: Bucket, monkeypatch: pytest.MonkeyPatch, checksum: Any, times: int
) -> None:
    algorithm = {} if " " in checksum else {"ChecksumAlgorithm": checksum}
    client.put_object(Bucket="landing", Key="any", Body=b"any bytes", **algorithm)
    etag = client.head_object(Bucket="landing", Key="any")["ETag"].strip('"')
    _flip(times, monkeypatch)
    if times == 2:
        assert bucket.get_whole("any", etag, 9) == (b"any bytes", True)
    else:
        with pytest.raises(ServiceRefused) as refused:
            bucket.get_whole("any", etag, 9, "any file")
        assert (refused.value.reason.code, refused.value.reason.files) == (Code.TRANSPORT_CORRUPTION, ("any file",))


def test_a_note_that_is_altered_on_its_way_is_asked_for_again(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("any", b"any bytes")
    _flip(2, monkeypatch)
    assert bucket.read("any", 100) == b"any bytes"
    _flip(3, monkeypatch)
    with pytest.raises(ServiceRefused):
        bucket.read("any", 100)


def test_an_answer_that_is_too_short_is_asked_for_again(
    client: "S3Client", bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("any", b"any bytes")
    head = bucket.head("any")
    assert head is not None
    real, ranges = client.get_object, ["bytes=0-3", None]

    def short(**request: Any) -> Any:
        return real(**request | {"Range": ranges.pop(0) or request["Range"]})

    monkeypatch.setattr(client, "get_object", short)
    assert bucket.get("any", head.etag, 0, 9) == b"any bytes"
    assert ranges == []


@pytest.mark.parametrize(("times", "arrives"), [(2, True), (3, False)])
def test_bytes_that_are_altered_on_their_way_to_s3_are_sent_again(
    plain: "S3Client", stub: Stubber, times: int, arrives: bool
) -> None:
    for _ in range(times):
        stub.add_client_error("put_object", "BadDigest", http_status_code=400)
    if arrives:
        stub.add_response("put_object", {})
        assert Bucket(plain, "any").put("any", b"any bytes") is True
    else:
        with pytest.raises(ServiceRefused) as refused:
            Bucket(plain, "any").put("any", b"any bytes")
        assert refused.value.reason.code is Code.TRANSPORT_CORRUPTION


def test_what_s3_keeps_of_an_object_in_parts_is_told_with_the_length_of_each(plain: "S3Client", stub: Stubber) -> None:
    etag = f"{'ab' * 16}-2"
    asked = {"Bucket": "any", "Key": "any", "IfMatch": f'"{etag}"'}
    stub.add_response("head_object", {"ETag": f'"{etag}"'}, asked | {"ChecksumMode": "ENABLED"})
    # They are asked for at once, in any order.
    for _ in range(2):
        stub.add_response("head_object", {"ContentLength": 5 * MIB}, asked | {"PartNumber": ANY})
    found = Bucket(plain, "any").stored_checksum("any", etag, "any file")
    assert found == StoredChecksum("md5", b"\xab" * 16, 2, (5 * MIB, 5 * MIB))
