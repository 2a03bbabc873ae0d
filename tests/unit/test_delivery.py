"""A recalled datablock reaches the retrieval bucket proven, or not at all."""

import hashlib
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from archiver import delivery
from archiver.delivery import Delivered, deliver, is_delivered
from archiver.digests import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, ServiceRefused
from archiver.lts import LongTermStorage
from archiver.models import CatalogueDatablock, CatalogueFile
from archiver.s3 import Bucket
from archiver.settings import MIB
from tests.archive import Notes, a_tar

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.literals import StorageClassType

KEY = "openem-network/datasets/20.500.11935/5d73/datablocks/run-1/20.500.11935-5d73_0.tar"
FILES = {"movie.mrc": os.urandom(11 * MIB + 321), "notes/ünï.txt": b"some notes", "notes/empty.txt": b""}
FOREVER = float("inf")


TAR = a_tar(FILES)
CHECKSUM = crc64nvme_to_base64(crc64nvme(TAR))


def a_datablock(algorithm: str | None = "sha256", **wrong: str) -> CatalogueDatablock:
    """The catalogue's record of TAR; ``wrong`` gives a file another checksum."""
    files = [
        CatalogueFile(path, len(body), "2026-11-23T08:00:00Z", wrong.get(path) or _checksum(body, algorithm))
        for path, body in FILES.items()
    ]
    folder = CatalogueFile("notes", 0, "2026-11-23T08:00:00Z", perm="drwxr-xr-x")
    return CatalogueDatablock("any-id", KEY, 1, len(TAR), algorithm, "1", (folder, *files))


def _checksum(body: bytes, algorithm: str | None) -> str | None:
    return algorithm and hashlib.new(algorithm, body).hexdigest()


class Shelf:
    """The LTS with one tar, the retrieval bucket, and a count of what was read."""

    def __init__(self, s3: "S3Client") -> None:
        self.s3 = s3
        self.retrieval = Bucket(s3, "retrieval")
        self.folder = Notes()
        bucket = Bucket(s3, "lts", Code.LTS_UNAVAILABLE, offline=Code.RECALL_FAILED, changed=Code.CORRUPT_DATABLOCK)
        self.lts = LongTermStorage(bucket, storage_class="GLACIER", tier="Standard", same_account=True)
        self.bytes_read = 0
        self.s3.meta.events.register("before-call.s3.GetObject", self._count)
        self.keep(TAR)

    def keep(self, body: bytes, recorded: str = CHECKSUM, storage_class: "StorageClassType" = "STANDARD") -> None:
        metadata = {"crc64nvme": recorded}
        self.s3.put_object(Bucket="lts", Key=KEY, Body=body, Metadata=metadata, StorageClass=storage_class)

    def deliver(self, datablock: CatalogueDatablock | None = None, deadline: float = FOREVER) -> Delivered | None:
        return deliver(datablock or a_datablock(), self.lts, self.retrieval, self.folder, deadline)

    def delivered(self) -> bytes:
        return self.s3.get_object(Bucket="retrieval", Key=KEY)["Body"].read()

    def nothing_is_left(self) -> bool:
        return not list(self.retrieval.list("")) and not list(self.retrieval.uploads(""))

    def _count(self, params: dict[str, dict[str, str]], **_: object) -> None:
        first, last = params["headers"].get("Range", "bytes=0--1").removeprefix("bytes=").split("-", 1)
        self.bytes_read += min(int(last) + 1, len(TAR)) - int(first)


@pytest.fixture
def shelf(aws: "S3Client", monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(delivery, "STREAMED_PART", 5 * MIB)
    return Shelf(aws)


def flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def refusal_of(shelf: Shelf, datablock: CatalogueDatablock | None = None) -> tuple[Code, tuple[str, ...]]:
    with pytest.raises(ServiceRefused) as refused:
        shelf.deliver(datablock)
    assert KEY in refused.value.reason.message
    assert shelf.nothing_is_left()
    return refused.value.reason.code, refused.value.reason.files


def test_proven_datablock_is_delivered_with_its_checksum_and_every_byte_is_read_once(shelf: Shelf) -> None:
    assert shelf.deliver() == Delivered(KEY, len(TAR), CHECKSUM)
    assert shelf.bytes_read == len(TAR)
    assert shelf.delivered() == TAR
    assert is_delivered(KEY, shelf.lts, shelf.retrieval)


def test_delivered_datablock_is_not_read_again(shelf: Shelf) -> None:
    shelf.deliver()
    assert shelf.deliver() == Delivered(KEY, len(TAR), CHECKSUM)
    assert shelf.bytes_read == len(TAR)


def test_delivery_that_runs_out_of_time_goes_on_where_it_stopped(shelf: Shelf) -> None:
    calls = 1
    while (found := shelf.deliver(deadline=time.monotonic())) is None:
        calls += 1
        assert not is_delivered(KEY, shelf.lts, shelf.retrieval)
    assert found.crc64nvme == CHECKSUM
    assert calls == 3
    assert shelf.bytes_read == len(TAR)
    assert shelf.delivered() == TAR


def test_delivery_whose_upload_was_given_up_begins_anew(shelf: Shelf) -> None:
    assert shelf.deliver(deadline=time.monotonic()) is None
    for key, upload_id in shelf.retrieval.uploads(""):
        shelf.retrieval.abort_upload(key, upload_id)
    assert shelf.deliver() == Delivered(KEY, len(TAR), CHECKSUM)
    assert shelf.delivered() == TAR


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha512", "blake2b", None])
def test_members_are_checked_by_the_algorithm_of_the_catalogue(shelf: Shelf, algorithm: str | None) -> None:
    assert shelf.deliver(a_datablock(algorithm)) == Delivered(KEY, len(TAR), CHECKSUM)


def test_flipped_byte_in_a_file_names_the_file_and_nothing_becomes_visible(shelf: Shelf) -> None:
    shelf.keep(flipped(TAR, 10 * MIB))
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, ("movie.mrc",))


def test_flipped_byte_outside_of_every_file_is_found_by_the_checksum_of_the_whole(shelf: Shelf) -> None:
    shelf.keep(flipped(TAR, len(TAR) - 1))
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, ())


def test_flipped_byte_in_a_header_names_the_files_that_can_no_longer_be_proven(shelf: Shelf) -> None:
    shelf.keep(flipped(TAR, 0))
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, tuple(sorted(FILES)))


def test_member_that_differs_from_the_catalogue_is_named_though_the_tar_is_whole(shelf: Shelf) -> None:
    code, files = refusal_of(shelf, a_datablock(**{"notes/ünï.txt": "ab" * 32}))
    assert (code, files) == (Code.CORRUPT_DATABLOCK, ("notes/ünï.txt",))


def test_file_of_the_catalogue_that_is_not_in_the_tar_is_named(shelf: Shelf) -> None:
    without = a_tar({path: body for path, body in FILES.items() if path != "notes/empty.txt"})
    without += bytes(len(TAR) - len(without))
    shelf.keep(without, recorded=crc64nvme_to_base64(crc64nvme(without)))
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, ("notes/empty.txt",))


def test_shorter_datablock_is_refused_before_it_is_read(shelf: Shelf) -> None:
    shelf.keep(TAR[:-512])
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, ())
    assert shelf.bytes_read == 0


def test_lost_datablock_is_refused(shelf: Shelf) -> None:
    shelf.s3.delete_object(Bucket="lts", Key=KEY)
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, ())


def test_datablock_on_tape_is_left_for_later(shelf: Shelf) -> None:
    shelf.keep(TAR, storage_class="GLACIER")
    assert shelf.deliver() is None
    assert shelf.nothing_is_left()


def test_refused_datablock_can_be_delivered_once_it_is_right(shelf: Shelf) -> None:
    refusal_of(shelf, a_datablock(**{"movie.mrc": "ab" * 32}))
    assert shelf.deliver() == Delivered(KEY, len(TAR), CHECKSUM)


def test_datablock_that_is_replaced_while_it_is_read_is_refused(shelf: Shelf) -> None:
    assert shelf.deliver(deadline=time.monotonic()) is None
    kept = shelf.lts.stored(KEY)
    assert kept is not None
    shelf.keep(flipped(TAR, 0))
    with pytest.raises(ServiceRefused) as refused:
        delivery._Delivery(a_datablock(), kept, shelf.lts, shelf.retrieval, shelf.folder).work(FOREVER)
    assert refused.value.reason.code is Code.CORRUPT_DATABLOCK
    assert shelf.nothing_is_left()


def test_datablock_without_an_end_is_refused_though_it_is_as_recorded(shelf: Shelf) -> None:
    body = TAR[: 11 * MIB]
    shelf.keep(body, recorded=crc64nvme_to_base64(crc64nvme(body)))
    assert refusal_of(shelf, replace(a_datablock(None), packed_size=len(body))) == (Code.CORRUPT_DATABLOCK, ())
