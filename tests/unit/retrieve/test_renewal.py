"""Copies in the retrieval bucket: their days begin anew when they are used again."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine

from archiver.aws.s3 import Bucket
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, ServiceRefused
from archiver.retrieve import renewal
from archiver.retrieve.renewal import renew
from archiver.settings import MIB
from archiver.storage import buckets
from tests.support.archive import deliver

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

KEY = "any/0.tar"
BODY = bytes(range(256)) * 4096 * 12
FOREVER = float("inf")


@pytest.fixture
def retrieval(aws: "S3Client", monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The retrieval bucket with one delivered tar of 12 MiB; S3 copies 5 MiB at a time."""
    assert aws
    monkeypatch.setattr(renewal, "_PART", 5 * MIB)
    deliver(KEY, BODY)
    return buckets.retrieval()


@pytest.fixture
def three_days_later(retrieval: Bucket) -> Iterator[Bucket]:
    with time_machine.travel(datetime.now(UTC) + timedelta(days=3)):
        yield retrieval


def modified(bucket: Bucket) -> datetime:
    head = bucket.head(KEY)
    assert head is not None
    return head.modified


def test_an_older_copy_lives_from_today_on_with_the_same_bytes(three_days_later: Bucket, aws: "S3Client") -> None:
    assert renew(KEY, three_days_later, FOREVER)

    assert modified(three_days_later).date() == datetime.now(UTC).date()
    assert aws.get_object(Bucket="retrieval", Key=KEY)["Body"].read() == BODY
    head = three_days_later.head(KEY)
    assert head is not None
    assert head.crc64nvme == crc64nvme_to_base64(crc64nvme(BODY))
    assert list(three_days_later.uploads("")) == []


def test_a_copy_of_today_is_left_as_it_is(retrieval: Bucket) -> None:
    before = modified(retrieval)

    with time_machine.travel(before + timedelta(minutes=1)):
        assert renew(KEY, retrieval, FOREVER)

    assert modified(retrieval) == before or before.date() != datetime.now(UTC).date()


def test_a_renewal_without_time_goes_on_in_the_next_call(three_days_later: Bucket) -> None:
    before = modified(three_days_later)

    assert not renew(KEY, three_days_later, time.monotonic())
    assert modified(three_days_later) == before
    ((_, upload_id),) = three_days_later.uploads("")

    assert renew(KEY, three_days_later, FOREVER)
    assert modified(three_days_later) > before
    assert three_days_later.parts(KEY, upload_id) == ()


def test_a_renewal_ends_however_late_each_of_its_calls_begins(three_days_later: Bucket) -> None:
    calls = 1
    while not renew(KEY, three_days_later, time.monotonic()):
        calls += 1
        assert calls <= 3

    assert modified(three_days_later).date() == datetime.now(UTC).date()


def test_a_copy_that_is_gone_is_refused(three_days_later: Bucket) -> None:
    three_days_later.delete([KEY])

    with pytest.raises(ServiceRefused) as refused:
        renew(KEY, three_days_later, FOREVER)

    assert refused.value.reason.code is Code.CORRUPT_DATABLOCK
