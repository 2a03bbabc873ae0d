"""Handing tars over: two attempts, and a copy is proven by what the storage says or gives back."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine

from archiver.archive import storing
from archiver.archive.storing import HandOver
from archiver.errors import Code, ServiceRefused
from archiver.keys import Keys
from archiver.lts.long_term_storage import long_term_storage
from archiver.models.datablocks import SealedDatablock
from archiver.packaging import sealed_datablocks
from archiver.settings import MIB
from archiver.storage import buckets
from tests.support.account import LambdaContext
from tests.support.catalogue import Scicat
from tests.support.dataset import TO_SEALED, ADataset, do_steps
from tests.support.s3_faults import ALWAYS, Exchange, S3Faults, S3Request, Send

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

NOW = "2026-11-23T08:00:00Z"
FOREVER, AT_ONCE = float("inf"), 0.0
FILES = {"a.mrc": bytes(9 * MIB), "b.mrc": b"second"}


@pytest.fixture
def disks(environment: pytest.MonkeyPatch) -> None:
    """A storage that needs no recall."""
    environment.setenv("LTS_STORAGE_CLASS", "STANDARD")


@pytest.fixture
def dataset(aws: "S3Client", scicat: Scicat, s3_faults: S3Faults, lambda_context: LambdaContext) -> ADataset:
    """A dataset whose only tar, of more than one part to be read back, is sealed."""
    assert s3_faults
    dataset = ADataset(aws, scicat, FILES)
    do_steps(dataset, *TO_SEALED, context=lambda_context)
    return dataset


@pytest.fixture
def sealed(dataset: ADataset) -> SealedDatablock:
    (sealed,) = sealed_datablocks(dataset.folder)
    return sealed


def hand_over(dataset: ADataset, deadline: float = FOREVER) -> int | None:
    """What a worker is told: None when it is done, else when to call again."""
    hand_over = HandOver(long_term_storage(), buckets.staging(), dataset.folder, deadline)
    return hand_over.share(sealed_datablocks(dataset.folder), lane=0)


def verified(dataset: ADataset) -> SealedDatablock | None:
    (sealed,) = sealed_datablocks(dataset.folder)
    return HandOver(long_term_storage(), buckets.staging(), dataset.folder, FOREVER).verified(sealed)


def refusal(dataset: ADataset) -> ServiceRefused:
    with pytest.raises(ServiceRefused) as refused:
        hand_over(dataset)
    return refused.value


def archived() -> set[str]:
    """The keys that lie in the storage."""
    return {found.key for found in long_term_storage().bucket.list("")}


def store_wrongly(s3: "S3Client", faults: S3Faults, body: Callable[[bytes], bytes], times: int) -> None:
    """Let the storage keep other bytes than it was given, and confirm them."""

    def befall(asked: S3Request, send: Send) -> Exchange:
        answer = send()
        found = s3.head_object(Bucket="lts", Key=asked.key)
        s3.put_object(
            Bucket="lts", Key=asked.key, Body=body(bytes(found["ContentLength"])), ChecksumAlgorithm="CRC64NVME"
        )
        return answer

    faults.intercept(befall, "CompleteMultipartUpload", bucket="lts", times=times)


def say_no_checksum(faults: S3Faults) -> None:
    """Let the storage not tell any checksum of its own."""

    def befall(_: S3Request, send: Send) -> Exchange:
        answer, error = send()
        if answer is not None:
            answer[1].pop("ChecksumCRC64NVME", None)
        return answer, error

    faults.intercept(befall, "HeadObject", bucket="lts")


def the_same_size(body: bytes) -> bytes:
    return body


def truncated(body: bytes) -> bytes:
    return body[:-1]


def nothing(_: bytes) -> bytes:
    return b""


def test_g05_a_copy_that_proves_wrong_is_left_where_it_is_and_a_second_one_is_made(
    dataset: ADataset, sealed: SealedDatablock, s3_faults: S3Faults
) -> None:
    store_wrongly(dataset.s3, s3_faults, the_same_size, times=1)
    assert hand_over(dataset) is None
    stored = verified(dataset)
    assert stored is not None
    assert stored.key == Keys.second_copy(sealed.key)
    assert long_term_storage().holds(stored)
    assert archived() == {sealed.key, stored.key}


@pytest.mark.parametrize("body", [the_same_size, truncated, nothing])
def test_g07_two_copies_that_are_not_what_was_given_are_both_named(
    dataset: ADataset, sealed: SealedDatablock, s3_faults: S3Faults, body: Callable[[bytes], bytes]
) -> None:
    store_wrongly(dataset.s3, s3_faults, body, times=2)
    before = dataset.landing()
    reason = refusal(dataset).reason
    assert reason.code is Code.LTS_VERIFY
    assert reason.files == (sealed.key, Keys.second_copy(sealed.key))
    assert archived() == set(reason.files)
    assert dataset.landing() == before


def test_bytes_that_the_storage_itself_finds_wrong_are_sent_twice_at_most(
    dataset: ADataset, s3_faults: S3Faults
) -> None:
    s3_faults.refuse("CompleteMultipartUpload", "BadDigest", 400, bucket="lts", times=2)
    assert refusal(dataset).reason.code is Code.LTS_VERIFY
    assert archived() == set()
    assert list(long_term_storage().bucket.uploads("")) == []


@pytest.mark.usefixtures("disks")
def test_g11_a_copy_whose_checksum_is_not_told_is_read_back(
    dataset: ADataset, sealed: SealedDatablock, s3_faults: S3Faults
) -> None:
    say_no_checksum(s3_faults)
    calls = 1
    while hand_over(dataset, AT_ONCE) is not None:
        calls += 1
    assert calls > 1, "one part for each call that comes too late"
    read = [asked for asked in s3_faults.requests if (asked.operation, asked.bucket) == ("GetObject", "lts")]
    assert len(read) == 2, "each part once"
    stored = verified(dataset)
    assert stored is not None
    assert stored.key == sealed.key
    dataset.s3.put_object(Bucket="lts", Key=sealed.key, Body=b"x" * sealed.packed_size)
    assert verified(dataset) is None


@pytest.mark.usefixtures("disks")
def test_g11_a_wrong_byte_is_found_also_where_no_checksum_is_told(
    dataset: ADataset, sealed: SealedDatablock, s3_faults: S3Faults
) -> None:
    say_no_checksum(s3_faults)
    store_wrongly(dataset.s3, s3_faults, the_same_size, times=2)
    assert refusal(dataset).reason.files == (sealed.key, Keys.second_copy(sealed.key))


def test_g11_a_copy_that_went_to_tape_before_it_was_read_back_is_recalled_and_waited_for(
    dataset: ADataset, s3_faults: S3Faults
) -> None:
    say_no_checksum(s3_faults)
    assert (hand_over(dataset) or 0) > 0
    assert verified(dataset) is None
    assert [asked.operation for asked in s3_faults.requests].count("RestoreObject") == 1
    assert hand_over(dataset) is None  # moto's tape is quick
    assert verified(dataset) is not None


def test_g10_a_storage_in_maintenance_is_waited_for_ever_less_often(dataset: ADataset, s3_faults: S3Faults) -> None:
    s3_faults.refuse("*", "ServiceUnavailable", 503, bucket="lts", times=ALWAYS)
    looks = 0
    with time_machine.travel(NOW, tick=False) as clock:
        elapsed = timedelta()
        while elapsed < timedelta(days=3):
            seconds = hand_over(dataset)
            assert seconds is not None
            assert 2 <= seconds <= 3_600
            clock.shift(seconds)
            elapsed += timedelta(seconds=seconds)
            looks += 1
    assert looks < 120, "of the 25,000 events of an execution each look costs some ten, in each of four lanes"


def test_g10_what_was_waited_for_is_stored_when_the_maintenance_is_over(dataset: ADataset, s3_faults: S3Faults) -> None:
    s3_faults.refuse("HeadObject", "ServiceUnavailable", 503, bucket="lts", times=5)
    assert hand_over(dataset) == 2
    assert hand_over(dataset) is None
    assert verified(dataset) is not None


def test_g10_after_four_days_the_run_gives_up(dataset: ADataset, s3_faults: S3Faults) -> None:
    s3_faults.refuse("*", "ServiceUnavailable", 503, bucket="lts", times=ALWAYS)
    with time_machine.travel(NOW, tick=False) as clock:
        hand_over(dataset)
        clock.shift(storing.HAND_OVER_TIMEOUT)
        assert refusal(dataset).reason.code is Code.LTS_DEADLINE


@pytest.mark.parametrize(("code", "status"), [("InsufficientStorage", 507), ("QuotaExceeded", 403)])
@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload"])
def test_g08_a_full_storage_is_no_matter_of_patience(
    dataset: ADataset, s3_faults: S3Faults, operation: str, code: str, status: int
) -> None:
    s3_faults.refuse(operation, code, status, bucket="lts", times=ALWAYS)
    before = dataset.landing()
    assert refusal(dataset).reason.code is Code.LTS_FULL
    assert dataset.landing() == before


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPartCopy"])
def test_g01_a_write_that_is_refused_for_good_is_told_so(
    dataset: ADataset, s3_faults: S3Faults, operation: str
) -> None:
    s3_faults.refuse(operation, "InvalidRequest", 400, bucket="lts", times=ALWAYS)
    assert refusal(dataset).reason.code is Code.LTS_WRITE


def test_g02_a_write_that_breaks_off_goes_on_where_it_was(
    dataset: ADataset, s3_faults: S3Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.lts.long_term_storage.COPIED_PART", 5 * MIB)
    monkeypatch.setattr("archiver.lts.long_term_storage._COPIES", 1)
    s3_faults.drop("UploadPartCopy", bucket="lts", nth=2, times=5)
    assert hand_over(dataset) == 2
    assert archived() == set()
    assert hand_over(dataset) is None
    assert verified(dataset) is not None
    sent = [asked for asked in s3_faults.requests if (asked.operation, asked.bucket) == ("UploadPartCopy", "lts")]
    assert len(sent) == 1 + 5 + 1, "the first part once, the second until it arrived"


@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("TooManyRequests", 429)])
def test_g09_a_storage_that_throttles_is_asked_again(
    dataset: ADataset, s3_faults: S3Faults, code: str, status: int
) -> None:
    s3_faults.refuse("*", code, status, bucket="lts", nth=2, times=2)
    assert hand_over(dataset) is None
    assert verified(dataset) is not None


def test_a_datablock_that_is_proven_is_not_looked_at_again(dataset: ADataset, s3_faults: S3Faults) -> None:
    assert hand_over(dataset) is None
    asked = sum(request.bucket == "lts" for request in s3_faults.requests)
    assert hand_over(dataset) is None
    assert sum(one.bucket == "lts" for one in s3_faults.requests) == asked
