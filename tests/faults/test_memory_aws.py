"""The account in memory answers as the one that all other tests use."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from archiver.aws import clients
from archiver.aws.s3 import Bucket
from archiver.aws.s3_uploads import PinnedRange
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.models.documents import Document
from archiver.models.states import Lease
from archiver.storage.buckets import staging
from archiver.storage.leases import take_lease
from archiver.storage.run_folder import RunFolder
from tests.faults.world import a_world

PART = b"x" * 5 * 1024**2


@pytest.fixture(params=["moto", "memory"])
def account(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "moto":
        request.getfixturevalue("wire")
        request.getfixturevalue("aws")
        yield "moto"
    else:
        with a_world(tmp_path):
            yield "memory"


def crc_of(body: bytes) -> str:
    return crc64nvme_to_base64(crc64nvme(body))


def bucket(name: str = "staging") -> Bucket:
    return Bucket(clients.s3(), name)


def refusal(do: Callable[[], object]) -> Code:
    """The code that a call is refused with."""
    try:
        do()
    except (DatasetRejected, ServiceRefused, ServiceUnavailable) as refused:
        return refused.reason.code
    raise AssertionError("it was not refused")


@pytest.mark.usefixtures("account")
class TestAnAccount:
    def test_lists_in_the_order_of_bytes(self) -> None:
        for key in ("a/b", "a", "a/ü", "a/B", "a/b/c", "z", "b/"):
            bucket().put(key, key.encode())
        assert [found.key for found in bucket().list("a/")] == ["a/B", "a/b", "a/b/c", "a/ü"]
        assert [found.key for found in bucket().list("", "a/b/c")] == ["a/ü", "b/", "z"]
        assert [found.size for found in bucket().list("a/b")] == [3, 5]

    def test_lists_folders(self) -> None:
        for key in ("in/a/1", "in/a/2", "in/b/1", "in/file", "other/c/1"):
            bucket().put(key, b"")
        assert list(bucket().folders("in/")) == ["in/a/", "in/b/"]
        assert list(bucket().folders("in/", "in/a/")) == ["in/b/"]

    def test_writes_under_conditions(self) -> None:
        assert bucket().put("key", b"first", only_if_absent=True)
        assert not bucket().put("key", b"second", only_if_absent=True)
        head = bucket().head("key")
        assert head is not None
        assert not bucket().put_if_match("key", b"third", "0" * 32)
        assert not bucket().put_if_match("absent", b"third", head.etag)
        assert bucket().put_if_match("key", b"third", head.etag)
        assert bucket().read("key", 100) == b"third"

    def test_reads_ranges_of_what_was_pinned(self) -> None:
        bucket().put("key", b"0123456789")
        head = bucket().head("key")
        assert head is not None
        assert head.size == 10
        assert bucket().get("key", head.etag, 3, 4) == b"3456"
        assert refusal(lambda: bucket().get("key", "0" * 32, 0, 1)) is Code.CHANGED_AFTER_VALIDATE
        assert refusal(lambda: bucket().get("absent", head.etag, 0, 1)) is Code.CHANGED_AFTER_VALIDATE
        assert refusal(lambda: bucket().get("key", head.etag, 10, 1)) is Code.CHANGED_AFTER_VALIDATE
        assert bucket().head("absent") is None
        assert bucket().read("absent", 1) is None

    def test_deletes_what_is_there(self) -> None:
        bucket().put("key", b"body")
        bucket().delete(["key", "absent"])
        assert list(bucket().list("")) == []

    def test_deletes_only_what_is_still_what_was_listed(self) -> None:
        for key in ("same", "changed"):
            bucket().put(key, b"body")
        listed = list(bucket().list(""))
        bucket().put("changed", b"other")
        assert [found.key for found in bucket().delete_unchanged(listed)] == ["changed"]
        assert [found.key for found in bucket().list("")] == ["changed"]

    def test_builds_objects_of_parts(self) -> None:
        bucket("landing").put("source", PART + b"more")
        head = bucket("landing").head("source")
        assert head is not None
        upload = bucket().create_upload("key", metadata={"crc64nvme": "any"})
        assert list(bucket().uploads("k")) == [("key", upload)]
        source = PinnedRange(bucket("landing"), "source", head.etag, 0, len(PART), "source")
        first = bucket().copy_part("key", upload, 1, source)
        last = bucket().upload_part("key", upload, 2, b"end", crc64nvme(b"end"))
        assert [(part.number, part.size, part.etag) for part in bucket().parts("key", upload)] == [
            (1, len(PART), first.etag),
            (2, 3, last.etag),
        ]
        bucket().complete_upload("key", upload, [first, last], crc_of(PART + b"end"))
        made = bucket().head("key")
        assert made is not None
        assert (made.size, made.crc64nvme) == (len(PART) + 3, crc_of(PART + b"end"))
        assert made.metadata == {"crc64nvme": "any"}
        assert made.etag.endswith("-2")
        assert list(bucket().uploads("")) == []
        # Once more: what is there has the same bytes.
        bucket().complete_upload("key", upload, [first, last], crc_of(PART + b"end"))

    def test_forgets_aborted_uploads(self) -> None:
        upload = bucket().create_upload("key")
        bucket().abort_upload("key", upload)
        bucket().abort_upload("key", upload)
        assert bucket().parts("key", upload) == ()
        assert list(bucket().uploads("")) == []

    def test_keeps_what_is_archived_from_being_read(self) -> None:
        upload = bucket("lts").create_upload("key", storage_class="GLACIER")
        part = bucket("lts").upload_part("key", upload, 1, b"body", crc64nvme(b"body"))
        bucket("lts").complete_upload("key", upload, [part], crc_of(b"body"))
        head = bucket("lts").head("key")
        assert head is not None
        assert head.storage_class == "GLACIER"
        assert refusal(lambda: bucket("lts").get("key", head.etag, 0, 1)) is Code.LANDING_OFFLINE
        bucket("lts").restore("key", 3, "Standard")
        assert bucket("lts").get("key", head.etag, 0, 4) == b"body"
        bucket("lts").restore("key", 3, "Standard")

    def test_gives_a_lease_to_one(self) -> None:
        first, second = (Lease(run_id=f"run-{n}", execution_arn=f"arn:{n}") for n in (1, 2))
        assert take_lease("any/pid", first, ended=lambda _: False) is None
        held = take_lease("any/pid", second, ended=lambda _: False)
        assert held is not None
        assert held.run_id == "run-1"
        assert take_lease("any/pid", second, ended=lambda _: True) is None

    def test_keeps_documents(self) -> None:
        RunFolder("any").save(Document("note.json", list[int]), [1, 2])
        assert RunFolder("any").load(Document("note.json", list[int])) == [1, 2]
        assert json.loads(staging().read("runs/any/note.json", 10) or b"") == [1, 2]
        assert RunFolder("any").names() == ["note.json"]

    def test_keeps_what_a_test_says_of_an_object(self) -> None:
        s3 = boto3.client("s3")
        said: Any = {"Metadata": {"any": "1"}, "StorageClass": "GLACIER", "ContentType": "text/plain"}
        s3.put_object(Bucket="landing", Key="ü 1", Body="text", **said)
        head: dict[str, Any] = {**s3.head_object(Bucket="landing", Key="ü 1")}
        assert {name: head[name] for name in said} == said
        assert (head["ContentLength"], "ChecksumCRC64NVME" in head) == (4, False)
        s3.put_object(Bucket="landing", Key="b", Body=b"body", ChecksumAlgorithm="CRC64NVME")
        assert s3.head_object(Bucket="landing", Key="b", ChecksumMode="ENABLED")["ChecksumCRC64NVME"] == crc_of(b"body")
        s3.copy_object(Bucket="staging", Key="copy", CopySource={"Bucket": "landing", "Key": "b"})
        assert s3.get_object(Bucket="staging", Key="copy")["Body"].read() == b"body"
        assert "Contents" not in s3.list_objects_v2(Bucket="staging", Prefix="none")
        assert [one["Key"] for one in s3.list_objects_v2(Bucket="landing", MaxKeys=1)["Contents"]] == ["b"]

    def test_says_that_a_bucket_is_not_there(self) -> None:
        s3 = boto3.client("s3")
        with pytest.raises(s3.exceptions.NoSuchBucket):
            s3.put_object(Bucket="elsewhere", Key="any", Body=b"")
        s3.delete_bucket(Bucket="retrieval")
        with pytest.raises(s3.exceptions.NoSuchBucket):
            s3.list_objects_v2(Bucket="retrieval")

    def test_keeps_secrets(self) -> None:
        secrets = boto3.client("secretsmanager")
        secrets.create_secret(Name="any", SecretString="first")
        secrets.put_secret_value(SecretId="any", SecretString="second")
        assert secrets.get_secret_value(SecretId="any")["SecretString"] == "second"
        with pytest.raises(secrets.exceptions.ResourceNotFoundException):
            secrets.get_secret_value(SecretId="unknown")


def test_a_world_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    before: Any = clients.s3
    with a_world(tmp_path):
        pass
    assert clients.s3 is before
