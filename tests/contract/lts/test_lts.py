"""The LTS adapter against the tape mock over HTTP: storing, recalling, reading."""

import hashlib
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from archiver.aws.multipart import part_ranges
from archiver.aws.s3 import Bucket
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, ServiceRefused, ServiceUnavailable
from archiver.lts import long_term_storage as module
from archiver.lts.long_term_storage import LongTermStorage, TapeState, long_term_storage
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.models.datablocks import SealedDatablock
from archiver.retrieve.delivery import Delivered, Refused, Wanted, deliver
from archiver.settings import MIB
from archiver.tar.format import LAYOUT_VERSION
from mocks.lts.tape import Hardware
from tests.support.archive import our_tar
from tests.support.catalogue import ANY_TIME

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from tests.contract.lts.conftest import StartMock, TapeMock

MIGRATION_DELAY = 60.0
RECALL_DELAY = 600.0
KEY = "openem-network/datasets/20.500.11935/5d73/datablocks/run-1/20.500.11935-5d73_0.tar"
BODY = os.urandom(2 * 5 * MIB + 12_345)
FOREVER = float("inf")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STREAMED_PART", 5 * MIB)
    monkeypatch.setattr(module, "COPIED_PART", 5 * MIB)


def a_datablock(body: bytes = BODY) -> SealedDatablock:
    checksum = crc64nvme_to_base64(crc64nvme(body))
    return SealedDatablock(0, KEY, files=1, size=len(body), packed_size=len(body), crc64nvme=checksum)


@pytest.fixture
def staging(behind: "S3Client", lts: "TapeMock") -> Bucket:
    """A staging bucket with one tar, beside the tape."""
    name = f"staging-{lts.bucket}"
    behind.create_bucket(Bucket=name)
    behind.put_object(Bucket=name, Key=KEY, Body=BODY)
    return Bucket(behind, name, changed=Code.PACK_DIGEST)


def adapter(client: "S3Client", bucket: str, *, same_account: bool = False, tier: str = "Standard") -> LongTermStorage:
    there = Bucket(client, bucket, Code.LTS_UNAVAILABLE, offline=Code.RECALL_FAILED, changed=Code.CORRUPT_DATABLOCK)
    return LongTermStorage(there, storage_class="GLACIER", tier=tier, same_account=same_account)


@pytest.fixture
def storage(lts: "TapeMock") -> LongTermStorage:
    return adapter(lts.s3, lts.bucket)


# Storing


@pytest.mark.parametrize("same_account", [False, True], ids=["streamed", "copied by S3"])
def test_stored_datablock_is_held_with_its_size_checksum_and_class(
    lts: "TapeMock", behind: "S3Client", staging: Bucket, *, same_account: bool
) -> None:
    # A copy inside one account: the store itself, where staging is.
    storage = adapter(behind if same_account else lts.s3, lts.bucket, same_account=same_account)
    assert storage.store(a_datablock(), staging, FOREVER)
    assert storage.holds(a_datablock())
    kept = storage.stored(KEY)
    assert kept is not None
    assert (kept.size, kept.crc64nvme, kept.recorded) == (len(BODY), a_datablock().crc64nvme, a_datablock().crc64nvme)
    if same_account:
        behind.restore_object(Bucket=lts.bucket, Key=KEY, RestoreRequest={"Days": 1})
    assert behind.get_object(Bucket=lts.bucket, Key=KEY)["Body"].read() == BODY


def test_storing_again_what_is_stored_changes_nothing(
    lts: "TapeMock", staging: Bucket, storage: LongTermStorage
) -> None:
    assert storage.store(a_datablock(), staging, FOREVER)
    lts.advance(MIGRATION_DELAY)
    assert storage.store(a_datablock(), staging, FOREVER)
    assert lts.place(KEY) == "on tape"


def test_g02_storing_that_runs_out_of_time_goes_on_with_the_next_call(
    lts: "TapeMock", staging: Bucket, storage: LongTermStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STREAMS", 1)
    calls = 0
    while not storage.store(a_datablock(), staging, deadline=time.monotonic()):
        calls += 1
        (upload,) = lts.s3.list_multipart_uploads(Bucket=lts.bucket)["Uploads"]
        parts = lts.s3.list_parts(Bucket=lts.bucket, Key=KEY, UploadId=upload["UploadId"])["Parts"]
        assert len(parts) == calls
    assert calls == 2
    assert storage.holds(a_datablock())


def test_g23_other_bytes_under_the_key_are_never_replaced(
    lts: "TapeMock", staging: Bucket, storage: LongTermStorage
) -> None:
    lts.put(KEY, b"somebody else's")
    with pytest.raises(ServiceRefused) as refused:
        storage.store(a_datablock(), staging, FOREVER)
    assert refused.value.reason.code is Code.LTS_WRITE
    assert lts.get(KEY) == b"somebody else's"


def test_datablock_that_left_staging_is_refused(lts: "TapeMock", behind: "S3Client", staging: Bucket) -> None:
    behind.delete_object(Bucket=staging.name, Key=KEY)
    with pytest.raises(ServiceRefused) as refused:
        adapter(lts.s3, lts.bucket).store(a_datablock(), staging, FOREVER)
    assert refused.value.reason.code is Code.LTS_WRITE


def test_g05_bytes_that_arrive_wrong_are_dropped_and_sent_anew(
    lts: "TapeMock", staging: Bucket, storage: LongTermStorage
) -> None:
    lts.tell("__faults", [{"match": r"^POST .*uploadId", "nth": 1, "status": 400}])
    with pytest.raises(ServiceUnavailable) as failed:
        storage.store(a_datablock(), staging, FOREVER)
    assert failed.value.reason.code is Code.LTS_VERIFY
    assert "Uploads" not in lts.s3.list_multipart_uploads(Bucket=lts.bucket)
    assert storage.store(a_datablock(), staging, FOREVER)


def test_g02_completion_whose_answer_is_lost_is_success_the_next_time(
    lts: "TapeMock", staging: Bucket, storage: LongTermStorage
) -> None:
    lts.tell("__faults", [{"match": r"^POST .*uploadId", "nth": 1, "drop": "after_commit"}])
    with pytest.raises(ServiceUnavailable) as failed:
        storage.store(a_datablock(), staging, FOREVER)
    assert failed.value.reason.code is Code.LTS_UNAVAILABLE
    assert storage.store(a_datablock(), staging, FOREVER)


@pytest.mark.parametrize("status", [500, 503])
def test_g01_lts_that_does_not_answer_is_unavailable(
    lts: "TapeMock", staging: Bucket, storage: LongTermStorage, status: int
) -> None:
    lts.tell("__faults", [{"match": ".", "status": status}])
    with pytest.raises(ServiceUnavailable) as failed:
        storage.store(a_datablock(), staging, FOREVER)
    assert failed.value.reason.code is Code.LTS_UNAVAILABLE
    with pytest.raises(ServiceUnavailable):
        storage.ping()


def test_lts_that_answers_is_pinged(storage: LongTermStorage) -> None:
    storage.ping()


@pytest.mark.parametrize("size", [1, 16 * MIB, 16 * MIB + 1, 20 * 1024 * MIB, 10_000 * 16 * MIB + 1, 5 * 1024**4])
def test_parts_cover_the_object_and_are_never_more_than_ten_thousand(size: int) -> None:
    ranges = part_ranges(size, 16 * MIB)
    assert len(ranges) <= 10_000
    assert sum(length for _, length in ranges) == size
    assert all(length >= 5 * MIB for _, length in ranges[:-1])
    assert [start + length for start, length in ranges[:-1]] == [start for start, _ in ranges[1:]]


# Recalling and reading


@pytest.fixture
def archived(lts: "TapeMock", staging: Bucket, storage: LongTermStorage) -> LongTermStorage:
    """An LTS with one datablock on tape."""
    storage.store(a_datablock(), staging, FOREVER)
    lts.advance(MIGRATION_DELAY)
    return storage


def state_of(storage: LongTermStorage) -> TapeState:
    kept = storage.stored(KEY)
    assert kept is not None
    return kept.state


def test_datablock_is_archived_then_recalling_then_readable_until_its_expiry(
    lts: "TapeMock", archived: LongTermStorage
) -> None:
    assert state_of(archived) is TapeState.ARCHIVED
    archived.recall(KEY, days=7)
    assert state_of(archived) is TapeState.RECALLING
    lts.advance(RECALL_DELAY)
    kept = archived.stored(KEY)
    assert kept is not None
    assert kept.state is TapeState.READABLE
    assert kept.expiry is not None
    assert timedelta(days=7) <= kept.expiry - datetime.now(UTC) <= timedelta(days=7, hours=1)
    assert archived.read(kept, 5, 10) == BODY[5:15]
    lts.advance(8 * 86_400)
    assert archived.read(kept, 5, 10) is None
    assert state_of(archived) is TapeState.ARCHIVED


def test_g15_asking_twice_for_a_recall_is_fine_while_it_runs_and_moves_the_expiry_after(
    lts: "TapeMock", archived: LongTermStorage
) -> None:
    archived.recall(KEY, days=1)
    archived.recall(KEY, days=1)
    lts.advance(RECALL_DELAY)
    archived.recall(KEY, days=3)
    lts.advance(2 * 86_400)
    assert state_of(archived) is TapeState.READABLE


def test_g18_datablock_that_has_not_reached_the_tape_needs_no_recall(staging: Bucket, storage: LongTermStorage) -> None:
    storage.store(a_datablock(), staging, FOREVER)
    storage.recall(KEY, days=1)
    assert state_of(storage) is TapeState.READABLE


def test_g17_expedited_without_capacity_becomes_standard(start_mock: "StartMock") -> None:
    with start_mock(Hardware(MIGRATION_DELAY, 2, RECALL_DELAY, expedited=False)) as lts:
        lts.put_on_tape(KEY, BODY)
        adapter(lts.s3, lts.bucket, tier="Expedited").recall(KEY, days=1)
        assert (lts.place(KEY), lts.state(KEY)["tier"]) == ("recalling", "Standard")


def test_recall_of_what_is_not_there_fails(storage: LongTermStorage) -> None:
    assert storage.stored(KEY) is None
    with pytest.raises(ServiceRefused) as refused:
        storage.recall(KEY, days=1)
    assert refused.value.reason.code is Code.RECALL_FAILED


def test_datablock_that_was_lost_after_it_was_seen_is_corrupt(lts: "TapeMock", storage: LongTermStorage) -> None:
    lts.put(KEY, BODY)
    kept = storage.stored(KEY)
    assert kept is not None
    lts.tell("__lose", {"key": KEY})
    with pytest.raises(ServiceRefused) as refused:
        storage.read(kept, 0, 10)
    assert refused.value.reason.code is Code.CORRUPT_DATABLOCK


# The deployment's own


def test_lts_with_an_endpoint_is_used_with_the_credentials_of_its_secret(
    lts: "TapeMock", environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LTS_ENDPOINT_URL", lts.url)
    environment.setenv("LTS_BUCKET", lts.bucket)
    environment.setenv("LTS_SECRET", "lts")
    environment.setattr(
        "archiver.aws.secrets.fields", {"lts": {"access_key_id": "a", "secret_access_key": "b"}}.__getitem__
    )
    lts.put_on_tape(KEY)
    kept = long_term_storage().stored(KEY)
    assert kept is not None
    assert kept.state is TapeState.ARCHIVED


def test_lts_without_an_endpoint_is_a_bucket_of_this_account(aws: "S3Client") -> None:
    aws.put_object(Bucket="lts", Key=KEY, Body=b"here", StorageClass="GLACIER")
    kept = long_term_storage().stored(KEY)
    assert kept is not None
    assert (kept.size, kept.state) == (4, TapeState.ARCHIVED)


# Delivering


class Notes(dict[str, bytes]):
    """A run's folder in memory."""

    def read(self, name: str) -> bytes | None:
        return self.get(name)

    def write(self, name: str, body: bytes) -> None:
        self[name] = body


TAR = our_tar({"any.mrc": b"any"}, number=0) + bytes(2 * 5 * MIB)


@pytest.fixture
def delivery(
    lts: "TapeMock", behind: "S3Client", storage: LongTermStorage, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float], Delivered | Refused | None]:
    """Delivers a tar that is online; its argument is the deadline."""
    monkeypatch.setattr("archiver.retrieve.delivery.STREAMED_PART", 5 * MIB)
    retrieval, notes = f"retrieval-{lts.bucket}", Notes()
    behind.create_bucket(Bucket=retrieval)
    lts.put(KEY, TAR, ChecksumAlgorithm="CRC64NVME")
    lts.advance(MIGRATION_DELAY)
    lts.recall(KEY)
    lts.advance(RECALL_DELAY)
    files = (CatalogueFile("any.mrc", 3, ANY_TIME, hashlib.sha256(b"any").hexdigest()),)
    record = CatalogueDatablock(KEY, 3, len(TAR), "sha256", LAYOUT_VERSION, files)
    return lambda deadline: deliver(
        Wanted("20.500.11935/5d73", record), storage, Bucket(behind, retrieval), notes, deadline
    )


def test_g06_byte_that_rots_on_tape_keeps_the_datablock_from_being_delivered(
    lts: "TapeMock", behind: "S3Client", delivery: Callable[[float], Delivered | Refused | None]
) -> None:
    lts.tell("__flip", {"key": KEY, "offset": 7 * MIB})
    refused = delivery(FOREVER)
    assert isinstance(refused, Refused)
    assert refused.reason.code is Code.CORRUPT_DATABLOCK
    assert "Contents" not in behind.list_objects_v2(Bucket=f"retrieval-{lts.bucket}")


def test_datablock_that_tape_lets_go_half_way_is_delivered_after_the_next_recall(
    lts: "TapeMock", delivery: Callable[[float], Delivered | Refused | None]
) -> None:
    assert delivery(time.monotonic()) is None
    lts.advance(2 * 86_400)
    assert delivery(FOREVER) is None
    lts.recall(KEY)
    lts.advance(RECALL_DELAY)
    delivered = delivery(FOREVER)
    assert isinstance(delivered, Delivered)
    assert delivered.size == len(TAR)
