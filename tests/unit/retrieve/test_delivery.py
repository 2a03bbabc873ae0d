"""A recalled datablock reaches the retrieval bucket proven, or not at all."""

import hashlib
import io
import os
import tarfile
import time
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Literal

import pytest

from archiver.aws.s3 import Bucket
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, ServiceRefused
from archiver.keys import Keys
from archiver.lts.long_term_storage import LongTermStorage, StoredDatablock
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.retrieve import delivery
from archiver.retrieve.delivery import Delivered, Refused, Wanted, already_delivered, deliver
from archiver.settings import MIB
from tests.support.archive import ANY_PID, Notes, a_tar, our_tar

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.literals import StorageClassType

# As another archiver named it, and where this dataset's copy of it waits.
KEY = "elsewhere/5d73_0.tar"
COPY = Keys.copy(ANY_PID, KEY)
OWN_KEY = Keys.datablock(ANY_PID, "any-run-1", 1)
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
    return CatalogueDatablock(KEY, 1, len(TAR), algorithm, "1", (folder, *files))


def _checksum(body: bytes, algorithm: str | None) -> str | None:
    return algorithm and hashlib.new(algorithm, body).hexdigest()


class Shelf:
    """The LTS with one tar, the retrieval bucket, and a count of what was read."""

    def __init__(self, s3: "S3Client") -> None:
        self.s3 = s3
        self.key = KEY
        self.retrieval = Bucket(s3, "retrieval")
        self.folder = Notes()
        bucket = Bucket(s3, "lts", Code.LTS_UNAVAILABLE, offline=Code.RECALL_FAILED, changed=Code.CORRUPT_DATABLOCK)
        self.lts = LongTermStorage(bucket, storage_class="GLACIER", tier="Standard", same_account=True)
        self.bytes_read = 0
        self.s3.meta.events.register("provide-client-params.s3.GetObject", self._count)
        self.keep(TAR)

    def keep(
        self, body: bytes, recorded: str | None = CHECKSUM, storage_class: "StorageClassType" = "STANDARD"
    ) -> None:
        metadata = {"crc64nvme": recorded} if recorded else {}
        self.s3.put_object(Bucket="lts", Key=self.key, Body=body, Metadata=metadata, StorageClass=storage_class)

    def deliver(
        self, datablock: CatalogueDatablock | None = None, deadline: float = FOREVER
    ) -> Delivered | Refused | None:
        return deliver(Wanted(ANY_PID, datablock or a_datablock()), self.lts, self.retrieval, self.folder, deadline)

    def delivered(self) -> bytes:
        return self.s3.get_object(Bucket="retrieval", Key=Keys.copy(ANY_PID, self.key))["Body"].read()

    def has_delivered(self) -> bool:
        kept = self.lts.stored(self.key)
        return kept is not None and already_delivered(ANY_PID, kept, self.retrieval) is not None

    def nothing_is_left(self) -> bool:
        return not list(self.retrieval.list("")) and not list(self.retrieval.uploads(""))

    def _count(self, params: dict[str, str], **_: object) -> None:
        first, last = params.get("Range", "bytes=0--1").removeprefix("bytes=").split("-", 1)
        self.bytes_read += min(int(last) + 1, len(TAR)) - int(first)


@pytest.fixture
def shelf(aws: "S3Client", monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("FORMER_ARCHIVE_PREFIXES", "elsewhere/")
    monkeypatch.setattr(delivery, "STREAMED_PART", 5 * MIB)
    return Shelf(aws)


def flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def refusal_of(shelf: Shelf, datablock: CatalogueDatablock | None = None) -> tuple[Code, tuple[str, ...]]:
    refused = shelf.deliver(datablock)
    assert isinstance(refused, Refused)
    assert refused.archive_id == shelf.key
    assert shelf.key in refused.reason.message
    assert shelf.nothing_is_left()
    return refused.reason.code, refused.reason.files


def test_proven_datablock_is_delivered_with_its_checksum_and_every_byte_is_read_once(shelf: Shelf) -> None:
    assert shelf.deliver() == Delivered(COPY, len(TAR), CHECKSUM)
    assert shelf.bytes_read == len(TAR)
    assert shelf.delivered() == TAR
    assert shelf.has_delivered()


def test_delivered_datablock_is_not_read_again(shelf: Shelf) -> None:
    shelf.deliver()
    assert shelf.deliver() == Delivered(COPY, len(TAR), CHECKSUM)
    assert shelf.bytes_read == len(TAR)


def test_delivery_that_runs_out_of_time_goes_on_where_it_stopped(shelf: Shelf) -> None:
    calls = 1
    while (found := shelf.deliver(deadline=time.monotonic())) is None:
        calls += 1
        assert not shelf.has_delivered()
    assert found == Delivered(COPY, len(TAR), CHECKSUM)
    assert calls == 3
    assert shelf.bytes_read == len(TAR)
    assert shelf.delivered() == TAR


def test_delivery_whose_upload_was_given_up_begins_anew(shelf: Shelf) -> None:
    assert shelf.deliver(deadline=time.monotonic()) is None
    for key, upload_id in shelf.retrieval.uploads(""):
        shelf.retrieval.abort_upload(key, upload_id)
    assert shelf.deliver() == Delivered(COPY, len(TAR), CHECKSUM)
    assert shelf.delivered() == TAR


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha512", "blake2b", None])
def test_members_are_checked_by_the_algorithm_of_the_catalogue(shelf: Shelf, algorithm: str | None) -> None:
    assert shelf.deliver(a_datablock(algorithm)) == Delivered(COPY, len(TAR), CHECKSUM)


def test_g06_flipped_byte_in_a_file_names_the_file_and_nothing_becomes_visible(shelf: Shelf) -> None:
    shelf.keep(flipped(TAR, 10 * MIB))
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, ("movie.mrc",))


@pytest.mark.parametrize(
    ("flips", "found"),
    [
        ((10 * MIB,), None),
        ((10 * MIB, 0), None),
        ((10 * MIB,) * 3, Code.CORRUPT_DATABLOCK),
        ((10 * MIB, 11 * MIB, 10 * MIB), Code.TRANSPORT_CORRUPTION),
    ],
    ids=["once", "twice", "the same bit three times", "another bit each time"],
)
def test_d13_datablock_is_called_corrupt_only_when_it_arrives_wrong_in_the_same_way_each_time(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, flips: tuple[int, ...], found: Code | None
) -> None:
    left, read = list(flips), shelf.lts.read

    def altered(kept: StoredDatablock, start: int, length: int) -> bytes | None:
        body = read(kept, start, length)
        assert body is not None
        if left and start <= left[0] < start + length:
            return flipped(body, left.pop(0) - start)
        return body

    monkeypatch.setattr(LongTermStorage, "read", lambda _, *asked: altered(*asked))
    if found is None:
        assert shelf.deliver() == Delivered(COPY, len(TAR), CHECKSUM)
        assert shelf.delivered() == TAR
    else:
        assert refusal_of(shelf)[0] is found


def test_flipped_byte_outside_of_every_file_is_found_by_the_checksum_of_the_whole(shelf: Shelf) -> None:
    shelf.keep(flipped(TAR, len(TAR) - 1))
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, ())


def test_flipped_byte_in_a_header_names_the_files_that_can_no_longer_be_proven(shelf: Shelf) -> None:
    shelf.keep(flipped(TAR, 0))
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, tuple(sorted(FILES)))


def test_g25_member_that_differs_from_the_catalogue_is_named_though_the_tar_is_whole(shelf: Shelf) -> None:
    code, files = refusal_of(shelf, a_datablock(**{"notes/ünï.txt": "ab" * 32}))
    assert (code, files) == (Code.CORRUPT_DATABLOCK, ("notes/ünï.txt",))


def test_file_of_the_catalogue_that_is_not_in_the_tar_is_named(shelf: Shelf) -> None:
    without = a_tar({path: body for path, body in FILES.items() if path != "notes/empty.txt"})
    without += bytes(len(TAR) - len(without))
    shelf.keep(without, recorded=crc64nvme_to_base64(crc64nvme(without)))
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, ("notes/empty.txt",))


@pytest.mark.parametrize("body", [TAR[:-512], b""], ids=["shorter", "empty"])
def test_g07_truncated_datablock_is_refused_before_it_is_read(shelf: Shelf, body: bytes) -> None:
    shelf.keep(body)
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, tuple(sorted(FILES)))
    assert shelf.bytes_read == 0


def test_a_tar_of_another_checksum_than_recorded_is_refused_before_it_is_read(shelf: Shelf) -> None:
    recorded = {"crc64nvme": crc64nvme_to_base64(crc64nvme(b"other bytes"))}
    shelf.s3.put_object(Bucket="lts", Key=KEY, Body=TAR, Metadata=recorded, ChecksumAlgorithm="CRC64NVME")
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, tuple(sorted(FILES)))
    assert shelf.bytes_read == 0


def test_a_tar_that_is_replaced_between_two_calls_is_read_from_its_beginning(shelf: Shelf) -> None:
    assert shelf.deliver(deadline=time.monotonic()) is None
    bucket = Bucket(shelf.s3, "lts")
    upload = bucket.create_upload(KEY, metadata={"crc64nvme": CHECKSUM})
    part = bucket.upload_part(KEY, upload, 1, TAR, crc64nvme(TAR))
    there = bucket.head(KEY)
    assert there is not None
    bucket.complete_upload(KEY, upload, [part], CHECKSUM, replaces=there.etag)
    shelf.bytes_read = 0
    assert shelf.deliver() == Delivered(COPY, len(TAR), CHECKSUM)
    assert shelf.bytes_read == len(TAR)


def test_lost_datablock_is_refused_with_all_its_files(shelf: Shelf) -> None:
    shelf.s3.delete_object(Bucket="lts", Key=KEY)
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, tuple(sorted(FILES)))


def test_g23_another_datablock_under_the_key_is_refused_though_it_is_a_whole_tar(shelf: Shelf) -> None:
    swapped = a_tar({path: os.urandom(len(body)) for path, body in FILES.items()})
    assert len(swapped) == len(TAR)
    shelf.keep(swapped, recorded=crc64nvme_to_base64(crc64nvme(swapped)))
    assert refusal_of(shelf) == (Code.CORRUPT_DATABLOCK, ("movie.mrc", "notes/ünï.txt"))


def test_datablock_on_tape_is_left_for_later(shelf: Shelf) -> None:
    shelf.keep(TAR, storage_class="GLACIER")
    assert shelf.deliver() is None
    assert shelf.nothing_is_left()


def test_refused_datablock_can_be_delivered_once_it_is_right(shelf: Shelf) -> None:
    refusal_of(shelf, a_datablock(**{"movie.mrc": "ab" * 32}))
    assert shelf.deliver() == Delivered(COPY, len(TAR), CHECKSUM)


def test_g23_datablock_that_is_replaced_while_it_is_read_is_refused(shelf: Shelf) -> None:
    assert shelf.deliver(deadline=time.monotonic()) is None
    kept = shelf.lts.stored(KEY)
    assert kept is not None
    shelf.keep(flipped(TAR, 0))
    with pytest.raises(ServiceRefused) as refused:
        delivery._Delivery(a_datablock(), None, kept, shelf.lts, shelf.retrieval, COPY, shelf.folder).work(FOREVER)
    assert refused.value.reason.code is Code.CORRUPT_DATABLOCK
    assert shelf.nothing_is_left()


def test_datablock_without_an_end_is_refused_though_it_is_as_recorded(shelf: Shelf) -> None:
    body = TAR[: 11 * MIB]
    shelf.keep(body, recorded=crc64nvme_to_base64(crc64nvme(body)))
    refused = refusal_of(shelf, replace(a_datablock(None), packed_size=len(body)))
    assert refused == (Code.CORRUPT_DATABLOCK, tuple(sorted(FILES)))


# Hashes that cannot be saved


def calls_until_settled(shelf: Shelf, datablock: CatalogueDatablock) -> tuple[int, Delivered | Refused]:
    """How many calls of one part each it takes, and what comes out."""
    for calls in range(1, 20):
        if settled := shelf.deliver(datablock, deadline=time.monotonic()):
            return calls, settled
    raise AssertionError("it goes on for ever")


def test_file_whose_hash_outlasts_every_call_is_covered_by_the_checksum_of_the_tar(shelf: Shelf) -> None:
    calls, settled = calls_until_settled(shelf, a_datablock("blake2b"))
    assert settled == Delivered(COPY, len(TAR), CHECKSUM)
    assert calls == 5  # two in vain, then one for each part
    assert shelf.delivered() == TAR


def test_file_whose_hash_outlasts_every_call_is_refused_where_nothing_else_proves_it(shelf: Shelf) -> None:
    shelf.keep(TAR, recorded=None)
    _, settled = calls_until_settled(shelf, a_datablock("blake2b"))
    assert isinstance(settled, Refused)
    assert settled.reason.code is Code.TIMEOUT
    assert "movie.mrc" in settled.reason.message
    assert shelf.nothing_is_left()


@pytest.mark.parametrize("wrong", [False, True])
def test_call_that_ends_within_a_hash_goes_on_where_that_hash_began(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, *, wrong: bool
) -> None:
    # The first file ends with the first part; the second, three parts long, is what one call can do.
    files = {"a.mrc": os.urandom(5 * MIB - tarfile.BLOCKSIZE), "b.mrc": os.urandom(12 * MIB)}
    monkeypatch.setattr(delivery, "_until", lambda _, numbers: islice(numbers, 3))
    tar = a_tar(files)
    shelf.keep(tar, recorded=crc64nvme_to_base64(crc64nvme(tar)))
    entries = [CatalogueFile(path, len(body), "", hashlib.blake2b(body).hexdigest()) for path, body in files.items()]
    if wrong:
        entries[1] = replace(entries[1], chk="ab" * 64)
    calls, settled = calls_until_settled(shelf, CatalogueDatablock(KEY, 1, len(tar), "blake2b", "1", tuple(entries)))
    assert calls == 2
    assert isinstance(settled, Refused) is wrong


def test_without_any_checksum_names_and_sizes_are_compared(shelf: Shelf) -> None:
    shelf.keep(TAR, recorded=None)
    known = a_datablock(None)
    assert isinstance(shelf.deliver(known), Delivered)
    shelf.s3.delete_object(Bucket="retrieval", Key=COPY)
    more = replace(known, files=(*known.files, CatalogueFile("lost.txt", 1, "")))
    assert refusal_of(shelf, more) == (Code.CORRUPT_DATABLOCK, ("lost.txt",))
    longer = replace(known, files=tuple(replace(file, size=file.size + 1) for file in known.files))
    assert refusal_of(shelf, longer) == (Code.CORRUPT_DATABLOCK, tuple(sorted(FILES)))


# What another archiver wrote


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_tar_of_another_archiver_is_proven_by_the_md5_of_its_files(shelf: Shelf, tar_format: Literal[0, 1]) -> None:
    tar, datablock = a_foreign_datablock(tar_format)
    shelf.keep(tar, recorded=None)
    assert shelf.deliver(datablock) == Delivered(COPY, len(tar), crc64nvme_to_base64(crc64nvme(tar)))
    assert shelf.delivered() == tar


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_flipped_byte_in_a_tar_of_another_archiver_names_the_file(shelf: Shelf, tar_format: Literal[0, 1]) -> None:
    tar, datablock = a_foreign_datablock(tar_format)
    shelf.keep(flipped(tar, 2 * MIB), recorded=None)
    assert refusal_of(shelf, datablock) == (Code.CORRUPT_DATABLOCK, ("movie.mrc",))


def test_hard_link_has_the_bytes_of_the_file_before_it(shelf: Shelf) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        first, second = tarfile.TarInfo("./first"), tarfile.TarInfo("./second")
        first.size, second.type, second.linkname = 4, tarfile.LNKTYPE, "./first"
        tar.addfile(first, io.BytesIO(b"both"))
        tar.addfile(second)
    files = tuple(CatalogueFile(path, 4, "", hashlib.md5(b"both").hexdigest()) for path in ("first", "second"))
    datablock = CatalogueDatablock(KEY, 4, len(made.getvalue()), "md5", "1", files)
    shelf.keep(made.getvalue(), recorded=None)
    assert isinstance(shelf.deliver(datablock), Delivered)
    shelf.s3.delete_object(Bucket="retrieval", Key=COPY)
    other = replace(datablock, files=(files[0], replace(files[1], chk=hashlib.md5(b"else").hexdigest())))
    assert refusal_of(shelf, other) == (Code.CORRUPT_DATABLOCK, ("second",))


def a_link(path: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = a_member(path, kind)
    member.linkname = to
    return member


def a_member(path: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type = kind
    return member


def a_tar_with(*more: tarfile.TarInfo) -> tuple[bytes, tuple[CatalogueFile, ...]]:
    """A tar of one file, "a" in a folder, and then of ``more`` empty members; and the record of the file."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(a_member("folder", tarfile.DIRTYPE))
        tar.addfile(a_member("folder/a"))
        for member in more:
            tar.addfile(member)
    return made.getvalue(), (CatalogueFile("folder/a", 0, "", hashlib.md5(b"").hexdigest(), "MD5"),)


HARMFUL = {
    "is there twice": [a_member("./folder/a")],
    "leads out of the folder": [a_member("folder/../../b")],
    "lies beyond a link": [a_link("b", "/etc"), a_member("b/passwd")],
    "is no plain file": [a_member("b", tarfile.FIFOTYPE)],
    "has the bytes of a file that is not in the tar": [a_link("b", "/etc/passwd", tarfile.LNKTYPE)],
    "lies in the archiver's own folder": [a_member(".datablock/1/manifest-sha256.txt")],
}


@pytest.mark.parametrize("why", HARMFUL)
def test_another_archivers_tar_that_does_harm_is_not_handed_over(shelf: Shelf, why: str) -> None:
    tar, files = a_tar_with(*HARMFUL[why])
    shelf.keep(tar, recorded=None)
    refused = shelf.deliver(CatalogueDatablock(KEY, 0, len(tar), None, "0.2.0", files))
    assert isinstance(refused, Refused)
    assert (refused.reason.code, why in refused.reason.message) == (Code.CORRUPT_DATABLOCK, True)
    assert shelf.nothing_is_left()


def test_another_archivers_tar_may_have_links_and_files_that_are_not_recorded(shelf: Shelf) -> None:
    tar, files = a_tar_with(a_link("folder/b", "/etc"), a_link("c", "folder/a", tarfile.LNKTYPE), a_member("d"))
    shelf.keep(tar, recorded=None)
    assert isinstance(shelf.deliver(CatalogueDatablock(KEY, 0, len(tar), None, "0.2.0", files)), Delivered)


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (a_link("b", "a"), "is no plain file"),
        (a_link("b", "folder/a", tarfile.LNKTYPE), "is no plain file"),
        (a_member("b"), "is not recorded"),
        (a_member(".datablock/1/else.txt"), "is not recorded"),
        (a_member(".datablock/1"), "is not recorded"),
    ],
)
def test_a_tar_of_ours_has_nothing_but_what_is_recorded(shelf: Shelf, member: tarfile.TarInfo, why: str) -> None:
    tar, (file,) = a_tar_with(member)
    shelf.key = OWN_KEY
    shelf.keep(tar, recorded=crc64nvme_to_base64(crc64nvme(tar)))
    files = (replace(file, chk=hashlib.sha256(b"").hexdigest(), chk_alg="sha256"),)
    refused = shelf.deliver(CatalogueDatablock(OWN_KEY, 0, len(tar), "sha256", "2", files))
    assert isinstance(refused, Refused)
    assert (refused.reason.code, why in refused.reason.message) == (Code.CORRUPT_DATABLOCK, True)


def test_a_tar_of_ours_is_its_datasets_by_the_list_with_which_it_ends(shelf: Shelf) -> None:
    files = {"a.mrc": b"first", "b.mrc": b"second"}
    tar = our_tar(files)
    shelf.key = OWN_KEY
    shelf.keep(tar, recorded=crc64nvme_to_base64(crc64nvme(tar)))
    listed = tuple(CatalogueFile(path, len(body), "", hashlib.sha256(body).hexdigest()) for path, body in files.items())
    right = CatalogueDatablock(OWN_KEY, 11, len(tar), "sha256", "2", listed)

    refused = shelf.deliver(replace(right, archive_id=Keys.datablock("any/others", "any-run-1", 1)))
    assert isinstance(refused, Refused)
    # Whoever knows one file of it may list that.
    refused = shelf.deliver(replace(right, files=listed[:1]))
    assert isinstance(refused, Refused)
    assert refused.reason.code is Code.CORRUPT_DATABLOCK
    assert shelf.nothing_is_left()
    assert isinstance(shelf.deliver(right), Delivered)


def test_what_a_tar_may_hold_is_remembered_from_call_to_call(shelf: Shelf) -> None:
    size = 11 * MIB
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        tar.addfile(a_link("b", "/etc"))
        movie = tarfile.TarInfo("movie.mrc")
        movie.size = size
        tar.addfile(movie, io.BytesIO(bytes(size)))
        tar.addfile(a_member("b/passwd"))
    shelf.keep(made.getvalue(), recorded=None)
    files = (CatalogueFile("movie.mrc", size, ""),)
    calls, settled = calls_until_settled(
        shelf, CatalogueDatablock(KEY, size, len(made.getvalue()), None, "0.2.0", files)
    )
    assert isinstance(settled, Refused)
    assert "lies beyond a link" in settled.reason.message
    assert calls > 1


def a_foreign_datablock(tar_format: Literal[0, 1]) -> tuple[bytes, CatalogueDatablock]:
    """A tar without a manifest, its names with a leading ``./``, and a record with an MD5 for each file."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tar_format) as tar:
        for path, body in FILES.items():
            member = tarfile.TarInfo(f"./{path}")
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    entries = tuple(
        CatalogueFile(path, len(body), "", hashlib.md5(body).hexdigest().upper()) for path, body in FILES.items()
    )
    return made.getvalue(), CatalogueDatablock(KEY, 1, len(made.getvalue()), "MD5", "0.2.0", entries)
