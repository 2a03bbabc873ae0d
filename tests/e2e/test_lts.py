"""The LTS adapter on LocalStack's S3: behind the tape mock, and as a bucket of the same account."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from botocore.exceptions import ClientError

from archiver.aws import clients
from archiver.aws.s3 import Bucket
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, ServiceRefused, ServiceUnavailable
from archiver.keys import Keys
from archiver.lts import long_term_storage
from archiver.lts.long_term_storage import LongTermStorage, StoredDatablock, TapeState
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.models.datablocks import SealedDatablock
from archiver.retrieve import delivery
from archiver.retrieve.delivery import Delivered, Refused, Wanted, deliver
from archiver.settings import MIB
from archiver.tar.format import LAYOUT_VERSION
from local.configuration import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.e2e.conftest import RunningStack
from tests.support.archive import Notes, our_tar

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

FILES = {"deep/movie ü.mrc": hashlib.shake_128(b"any").digest(12 * MIB + 321), "notes.txt": b"some notes"}
FOREVER = float("inf")
# More than the mock's migration or recall takes, in seconds.
A_WHILE = 60


TAR = our_tar(FILES, number=0)
CHECKSUM = crc64nvme_to_base64(crc64nvme(TAR))


@dataclass
class Archive:
    """TAR lies in staging under a key of its own; ``tape`` is the mock's URL, None for a bucket of the account."""

    s3: "S3Client"
    bucket: Bucket
    staging: Bucket
    retrieval: Bucket
    tape: str | None
    pid: str = field(default_factory=lambda: f"tests/{uuid4()}/any dataset +%ü")

    def __post_init__(self) -> None:
        self.key = Keys.datablock(self.pid, "any-run-1", 0)
        self.lts = LongTermStorage(
            self.bucket, storage_class="GLACIER", tier="Standard", same_account=self.tape is None
        )
        self.s3.put_object(Bucket=self.staging.name, Key=self.key, Body=TAR)

    def sealed(self, predicted: str = CHECKSUM) -> SealedDatablock:
        return SealedDatablock(0, self.key, len(FILES), sum(map(len, FILES.values())), len(TAR), predicted)

    def store(self, predicted: str = CHECKSUM) -> bool:
        return self.lts.store(self.sealed(predicted), self.staging, FOREVER)

    def deliver(self) -> Delivered | Refused | None:
        files = [
            CatalogueFile(path, len(body), "2026-11-23T08:00:00Z", hashlib.sha256(body).hexdigest())
            for path, body in FILES.items()
        ]
        record = CatalogueDatablock(
            self.key, sum(map(len, FILES.values())), len(TAR), "sha256", LAYOUT_VERSION, (*files,)
        )
        return deliver(Wanted(self.pid, record), self.lts, self.retrieval, Notes(), FOREVER)

    def stored(self) -> StoredDatablock:
        kept = self.lts.stored(self.key)
        assert kept is not None
        return kept

    def let_time_pass(self) -> None:
        """Until what the tape does is done; a bucket of the account does it at once."""
        self.tell("__clock", {"advance_s": A_WHILE})

    def tell(self, route: str, body: dict[str, Any]) -> None:
        if self.tape:
            httpx.post(f"{self.tape}/{route}", json=body).raise_for_status()

    def clear(self) -> None:
        if self.tape:
            httpx.get(f"{self.tape}/delete/{quote(self.key)}")
        for bucket in (self.staging, self.retrieval, *([] if self.tape else [self.bucket])):
            self.s3.delete_object(Bucket=bucket.name, Key=self.key)


@pytest.fixture(params=["streamed", "copied by S3"])
def archive(stack: RunningStack, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """The stack's LTS mock, to which parts are streamed, or the bucket behind it, into which S3 copies them."""
    for module, name in (
        (long_term_storage, "STREAMED_PART"),
        (long_term_storage, "COPIED_PART"),
        (delivery, "STREAMED_PART"),
    ):
        monkeypatch.setattr(module, name, 5 * MIB)
    s3 = clients.s3_at(stack.aws, ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    tape = stack.endpoints.lts if request.param == "streamed" else None
    there = clients.s3_at(tape, ACCESS_KEY_ID, SECRET_ACCESS_KEY) if tape else s3
    bucket = Bucket(
        there, stack.buckets["lts"], Code.LTS_UNAVAILABLE, offline=Code.RECALL_FAILED, changed=Code.CORRUPT_DATABLOCK
    )
    staging, retrieval = (
        Bucket(s3, stack.buckets["staging"], changed=Code.PACK_DIGEST),
        Bucket(s3, stack.buckets["retrieval"]),
    )
    archive = Archive(s3, bucket, staging, retrieval, tape)
    yield archive
    archive.clear()


def test_datablock_goes_to_tape_and_comes_back_proven(archive: Archive) -> None:
    assert archive.store()
    assert archive.lts.holds(archive.sealed())
    archive.let_time_pass()
    assert archive.stored().state is TapeState.ARCHIVED
    assert archive.stored().recorded == CHECKSUM
    assert archive.deliver() is None

    archive.lts.recall(archive.key, days=1)
    archive.lts.recall(archive.key, days=1)
    archive.let_time_pass()
    assert archive.stored().state is TapeState.READABLE
    assert archive.deliver() == Delivered(archive.key, len(TAR), CHECKSUM)
    assert archive.s3.get_object(Bucket=archive.retrieval.name, Key=archive.key)["Body"].read() == TAR


def test_wrong_prediction_is_refused_and_nothing_becomes_visible(archive: Archive) -> None:
    with pytest.raises(ServiceUnavailable) as failed:
        archive.store(predicted=crc64nvme_to_base64(1))
    assert failed.value.reason.code is Code.LTS_VERIFY
    assert archive.lts.stored(archive.key) is None
    assert not list(archive.bucket.uploads(archive.key))
    assert archive.store()


def test_stored_datablock_is_never_replaced(archive: Archive) -> None:
    assert archive.store()
    archive.let_time_pass()
    with pytest.raises(ServiceRefused) as refused:
        archive.store(predicted=crc64nvme_to_base64(1))
    assert refused.value.reason.code is Code.LTS_WRITE
    assert archive.store()
    assert archive.lts.holds(archive.sealed())


@pytest.mark.parametrize("archive", ["streamed"], indirect=True)
def test_tape_is_neither_overwritten_nor_deleted_by_its_users(archive: Archive) -> None:
    assert archive.store()
    there = clients.s3_at(archive.tape or "", ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    for change in (
        lambda: there.put_object(Bucket=archive.bucket.name, Key=archive.key, Body=b"other"),
        lambda: there.delete_object(Bucket=archive.bucket.name, Key=archive.key),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            change()
    assert archive.lts.holds(archive.sealed())


@pytest.mark.parametrize("archive", ["streamed"], indirect=True)
def test_byte_that_rots_on_tape_is_named_and_nothing_is_delivered(archive: Archive) -> None:
    assert archive.store()
    archive.let_time_pass()
    archive.tell("__flip", {"key": archive.key, "offset": 6 * MIB})
    archive.lts.recall(archive.key, days=1)
    archive.let_time_pass()
    refused = archive.deliver()
    assert isinstance(refused, Refused)
    assert (refused.reason.code, refused.reason.files) == (Code.CORRUPT_DATABLOCK, ("deep/movie ü.mrc",))
    assert archive.retrieval.head(archive.key) is None
    assert not list(archive.retrieval.uploads(archive.key))
