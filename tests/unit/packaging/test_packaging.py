"""Packaging on a bucket in memory: whatever the files, the crashes and the deadlines, the same right tar."""

import base64
import builtins
import errno
import hashlib
import io
import math
import os
import subprocess
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver import packaging
from archiver.aws.s3_uploads import PinnedRange
from archiver.checksums import crc64nvme
from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.models.datablocks import SealedDatablock
from archiver.models.documents import Document
from archiver.models.files import SourceFile
from archiver.packaging import Packager, SliceOfDatablock, Source, slices, transfers
from archiver.tar.format import ATTRIBUTES, MANIFEST, own_path
from archiver.tar.layout import Limits, Part, layout_of
from tests.support.memory_bucket import MemoryBucket, MemoryFolder, crc64nvme_of, etag_of

# A thousand times smaller than in earnest.
SMALL = Limits(
    datablock_bytes=300_000,
    min_part=5_000,
    max_part=60_000,
    glue_part=8_000,
    copied_from=10_000,
    copy_part=20_000,
    slice_bytes=40_000,
    file_cost=200,
)
PREFIX = "incoming/any dataset/"
NEVER = math.inf
AT_ONCE = 0.0

ANY_SIZE = st.one_of(
    st.just(0),
    st.integers(1, 3_000),
    st.integers(3_000, 40_000),
    st.sampled_from([512, 4_999, 5_000, 9_999, 10_000, 10_001, 20_000, 60_000]),
)
# What may stand in a name, with what a tar, a shell and sha256sum might stumble over; up to 1,000 bytes.
ANY_PART = st.text("aZ09 ._-~%+&='\"\\:*?ßéñ東京🐈\n", min_size=1, max_size=60).filter(
    lambda part: part not in {".", ".."}
)
ANY_PATH = st.lists(ANY_PART, min_size=1, max_size=8).map("/".join).filter(lambda path: len(path.encode()) <= 1_000)


@pytest.fixture(autouse=True)
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "READ_BYTES", 7_000)
    monkeypatch.setattr(transfers, "READ_AHEAD_BYTES", 1_500_000)


def any_body(size: int, seed: str = "any") -> bytes:
    return hashlib.shake_128(seed.encode()).digest(size)


def flipped(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]


class Crash(BaseException):
    pass


@dataclass(slots=True)
class Bench:
    """A dataset in the landing bucket and a packager at work on it."""

    bodies: dict[str, bytes]
    limits: Limits = SMALL
    files: list[SourceFile] = field(default_factory=list)
    landing: MemoryBucket = field(default_factory=lambda: MemoryBucket("landing"))
    staging: MemoryBucket = field(default_factory=lambda: MemoryBucket("staging", SMALL.min_part))
    folder: MemoryFolder = field(default_factory=MemoryFolder)

    def __post_init__(self) -> None:
        for path in sorted(self.bodies, key=str.encode):
            body = self.bodies[path]
            self.landing.put(PREFIX + path, body)
            mtime_ns = zlib.crc32(path.encode()) * 10**9 + len(body) % 2
            self.files.append(SourceFile(path, len(body), mtime_ns, 0o640, etag_of(body)))
        self.folder = MemoryFolder(self.files)

    def packager(self) -> Packager:
        """A new one, as each invocation makes it."""
        return Packager(self.folder, Source(self.landing, PREFIX), self.staging, "{}.tar".format, self.limits)

    def build(self, deadline: float = NEVER) -> list[SealedDatablock]:
        planned = self.packager().plan()
        for work in self.packager().slices():
            while not self.packager().package(work, deadline):
                pass
        return [self.packager().seal(one.number) for one in planned]

    def complete(self, deadline: float = NEVER) -> None:
        """Build as the steps do: a tar that S3 refuses is built once more."""
        planned = self.packager().plan()
        for work in self.packager().slices():
            while not self.packager().package(work, deadline):
                pass
        for one in planned:
            while not self.packager().complete(one.number, deadline):
                pass

    def tars(self) -> list[bytes]:
        return [self.staging.objects[datablock.key] for datablock in packaging.sealed_datablocks(self.folder)]

    def describe(self, path: str, **properties: Any) -> None:
        self.files[:] = [replace(file, **properties) if file.path == path else file for file in self.files]


def contents(tar: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {one.name: body.read() for one in archive if (body := archive.extractfile(one)) is not None}


def three_files() -> dict[str, bytes]:
    return {"a/big": any_body(70_000, "1"), "b/small": any_body(900, "2"), "c/big": any_body(50_000, "3")}


@given(st.dictionaries(ANY_PATH, ANY_SIZE, min_size=1, max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_tars_hold_every_file_and_s3_confirms_the_predicted_crc(sizes: dict[str, int]) -> None:
    bodies = {path: any_body(size, path) for path, size in sizes.items()}
    bench = Bench(bodies)
    sealed = bench.build()
    found: dict[str, bytes] = {}
    for datablock, tar in zip(sealed, bench.tars(), strict=True):
        assert (datablock.packed_size, datablock.crc64nvme) == (len(tar), crc64nvme_of(tar))
        members = contents(tar)
        manifest = members.pop(own_path(str(datablock.number), MANIFEST))
        assert list(members) == [file.path for file in packaging.files_of(bench.folder, datablock.number)]
        assert manifest.count(b"\n") >= len(members)
        assert datablock.size == sum(map(len, members.values()))
        found |= members
    assert found == bodies


@given(st.dictionaries(ANY_PATH, ANY_SIZE, min_size=1, max_size=12))
# Fewer: each is packed twice, once in calls of no length.
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_e03_every_byte_is_read_once_and_the_fingerprints_are_right_even_when_every_call_is_cut_short(
    sizes: dict[str, int],
) -> None:
    bodies = {path: any_body(size, path) for path, size in sizes.items()}
    bench = Bench(bodies)
    for datablock in bench.build(AT_ONCE):
        for one in packaging.fingerprints_of(bench.folder, datablock.number):
            body = bodies[one.path]
            assert (one.size, one.sha256, one.crc64nvme) == (
                len(body),
                hashlib.sha256(body).hexdigest(),
                crc64nvme(body),
            )
    at_once = Bench(bodies)
    at_once.build()
    assert bench.tars() == at_once.tars()
    assert at_once.landing.passed["get bytes"] == sum(sizes.values())


def test_c12_gnu_tar_extracts_the_files_and_sha256sum_finds_them_right(tmp_path: Path) -> None:
    names = [
        "plain.mrc",
        "empty",
        "ein Ordner/Ümläut ß.tif",
        "東京/🐈.mrc",
        "back\\slash",
        "new\nline",
        "c" * 200 + "/" + "d" * 250 + "/" + "e" * 250 + "/" + "f" * 250,
        "ends with space ",
        "-rf",
        "*",
    ]
    bodies = {name: any_body(0 if name == "empty" else 1_000 + 3_000 * number) for number, name in enumerate(names)}
    bench = Bench(bodies)
    bench.build()
    for tar in bench.tars():
        subprocess.run(["tar", "--extract"], input=tar, cwd=tmp_path, check=True)
    check = "sha256sum -c --strict .datablock/*/manifest-sha256.txt"
    said = subprocess.run(["sh", "-c", check], cwd=tmp_path, capture_output=True, check=True).stdout
    assert said.count(b": OK\n") == len(names)
    for file in bench.files:
        extracted = tmp_path / file.path
        assert extracted.read_bytes() == bodies[file.path]
        assert extracted.stat().st_mode & 0o777 == 0o640
        assert extracted.stat().st_mtime_ns == file.mtime_ns


def test_big_files_are_copied_and_send_less_than_the_smallest_part_through_the_function() -> None:
    bench = Bench({f"{number:02d}": any_body(70_000, str(number)) for number in range(16)})
    bench.build()
    sent, copied = bench.staging.passed["upload_part bytes"], bench.staging.passed["copy_part bytes"]
    assert sent <= 16 * (SMALL.min_part + 1_024) + 16_384
    assert sent + copied == sum(map(len, bench.tars()))


@dataclass(slots=True)
class AlteredReads:
    """Lets a bit flip, in so many readings, in the first bytes of ``body`` that are read from ``beyond`` on."""

    body: bytes
    beyond: int
    times: int
    seen: int = 0

    def __call__(self, read: bytes) -> bytes:
        start = self.body.find(read[:100])
        if self.seen == self.times or start < self.beyond:
            return read
        self.beyond = start
        self.body = self.body[: start + 1_000]  # the same bytes in each reading
        self.seen += 1
        return flipped(read)


# What is read, and from where on in it: the first bytes of a big file may be borrowed, the others S3 copies.
ALTERED_READS = {
    "a small file": ("b/small", 0),
    "the borrowed first bytes of a big file": ("c/big", 0),
    "a part that S3 copies": ("c/big", 20_000),
}


@pytest.mark.parametrize("checksum", [True, False], ids=["with the catalogue's checksum", "without"])
@pytest.mark.parametrize("keeps_checksums", [True, False], ids=["S3 keeps one", "S3 keeps none"])
@pytest.mark.parametrize("read", ALTERED_READS)
def test_d13_a_bit_that_flips_on_the_way_here_is_read_again(read: str, keeps_checksums: bool, checksum: bool) -> None:
    path, beyond = ALTERED_READS[read]
    bench = Bench(three_files())
    if checksum:
        bench.describe(path, chk=hashlib.sha256(bench.bodies[path]).hexdigest(), chk_alg="sha256")
    altered = AlteredReads(bench.bodies[path], beyond, times=1)
    bench.landing.alter, bench.landing.keeps_checksums = altered, keeps_checksums
    bench.complete()
    assert altered.seen == 1
    found = {name: body for tar in bench.tars() for name, body in contents(tar).items()}
    assert {name: found[name] for name in bench.bodies} == bench.bodies
    twice = 0 if keeps_checksums else len(bench.bodies)
    assert sum(datablock.read_twice for datablock in packaging.sealed_datablocks(bench.folder)) == twice


@pytest.mark.parametrize("checksum", [True, False], ids=["with the catalogue's checksum", "without"])
@pytest.mark.parametrize("read", ALTERED_READS)
def test_d13_bits_that_flip_three_times_are_the_systems_fault_and_nothing_is_visible(read: str, checksum: bool) -> None:
    path, beyond = ALTERED_READS[read]
    bench = Bench(three_files())
    if checksum:
        bench.describe(path, chk=hashlib.sha256(bench.bodies[path]).hexdigest(), chk_alg="sha256")
    bench.landing.alter = AlteredReads(bench.bodies[path], beyond, times=3)
    with pytest.raises(ServiceRefused) as refused:
        bench.complete()
    assert (refused.value.reason.code, refused.value.reason.files) == (Code.TRANSPORT_CORRUPTION, (path,))
    assert not bench.staging.objects


def test_a_file_that_is_another_one_at_each_reading_is_refused_where_s3_keeps_no_checksum() -> None:
    bench = Bench({"any": any_body(900)})
    bench.landing.keeps_checksums = False
    bench.landing.alter = lambda read: os.urandom(8) + read[8:]
    with pytest.raises(ServiceRefused) as refused:
        bench.complete()
    assert (refused.value.reason.code, refused.value.reason.files) == (Code.TRANSPORT_CORRUPTION, ("any",))


def test_what_is_stored_otherwise_than_the_catalogue_says_is_the_users_to_mend_and_read_once() -> None:
    bench = Bench(three_files())
    bench.describe("a/big", chk="ab" * 32, chk_alg="sha256")
    with pytest.raises(DatasetRejected) as rejected:
        bench.complete()
    assert rejected.value.reason.code is Code.CHECKSUM_MISMATCH
    assert bench.landing.passed["get bytes"] <= sum(map(len, bench.bodies.values()))


@pytest.mark.parametrize("chk", ["sha256:{}", "{}"])
def test_checksums_in_base64_and_with_a_prefix_are_compared(chk: str) -> None:
    right, wrong = (base64.b64encode(hashlib.sha256(body).digest()).decode() for body in (b"any", b"other"))
    bench = Bench({"any": b"any"})
    bench.describe("any", chk=chk.format(right), chk_alg="sha256")
    bench.build()
    bench = Bench({"any": b"any"})
    bench.describe("any", chk=chk.format(wrong), chk_alg="sha256")
    with pytest.raises(DatasetRejected, match="expected"):
        bench.complete()


def test_what_is_no_checksum_is_said_to_be_none() -> None:
    bench = Bench({"any": b"any"})
    bench.describe("any", chk="unknown", chk_alg="sha256")
    with pytest.raises(DatasetRejected, match="'unknown' is none, in hexadecimal digits or base64"):
        bench.complete()


def test_small_files_cost_no_request_but_their_reading_and_a_long_one_costs_one_more() -> None:
    bench = Bench({"a/long": any_body(50_000), "b/small": any_body(900), "c/small": any_body(6_999)})
    bench.build()
    assert bench.landing.passed["head"] == 1


def test_slices_may_be_done_in_any_order_and_beside_each_other() -> None:
    bodies = {f"{number:02d}": any_body(15_000 + number * 1_000, str(number)) for number in range(16)}
    bench, other = Bench(bodies), Bench(bodies)
    planned = bench.packager().plan()
    work = bench.packager().slices()
    assert len(work) > 4
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda one: bench.packager().package(one, NEVER), reversed(work)))
    for one in planned:
        bench.packager().seal(one.number)
    other.build()
    assert bench.tars() == other.tars()


@pytest.mark.parametrize("after", range(12))
def test_e01_after_a_crash_at_any_request_the_work_goes_on_and_sends_no_part_twice(after: int) -> None:
    bench = Bench(three_files() | {f"d/{number:03d}": any_body(600, str(number)) for number in range(30)})
    seen = 0

    def crash(request: str) -> None:
        nonlocal seen
        seen += request in {"upload_part", "copy_part", "complete_upload", "head"}
        if seen == after + 1:
            raise Crash

    bench.staging.before = crash
    with pytest.raises(Crash):
        bench.build()
    bench.staging.before = lambda _: None
    bench.build()
    (tar,) = bench.tars()
    members = contents(tar)
    del members[own_path("1", MANIFEST)]
    assert members == bench.bodies
    assert bench.staging.passed["copy_part"] == sum(part.copied for part in layout_of(bench.files, SMALL).parts)
    assert bench.staging.passed["create_upload"] == 1


def test_a_datablock_sealed_already_is_not_built_again() -> None:
    bench = Bench(three_files())
    first = bench.build()
    sent = bench.staging.passed["upload_part"]
    assert bench.build() == first
    assert bench.staging.passed["upload_part"] == sent


def test_a_datablock_completed_before_a_crash_is_recognised_by_its_crc() -> None:
    bench = Bench(three_files())
    first = bench.build()
    del bench.folder.documents["datablocks/000001/sealed.json"]
    assert bench.build() == first
    assert bench.staging.passed["complete_upload"] == 1


def test_g04_a_bit_that_flips_on_the_way_is_refused_by_s3_and_the_tar_never_visible() -> None:
    bench = Bench(three_files())
    bench.staging.corrupt = flipped
    with pytest.raises(ServiceRefused) as refused:
        bench.build()
    assert refused.value.reason.code is Code.PACK_DIGEST
    assert bench.staging.objects == {}


@pytest.mark.parametrize("deadline", [NEVER, AT_ONCE])
@pytest.mark.parametrize("wrong", [1, 2])
def test_e07_a_tar_that_s3_refuses_is_built_once_more_and_not_a_third_time(wrong: int, deadline: float) -> None:
    bench = Bench(three_files())
    uploads = bench.staging.passed
    bench.staging.corrupt = lambda body: flipped(body) if uploads["create_upload"] <= wrong else body
    if wrong == 1:
        bench.complete(deadline)
        (tar,) = bench.tars()
        assert contents(tar)["a/big"] == bench.bodies["a/big"]
    else:
        with pytest.raises(ServiceRefused) as refused:
            bench.complete(deadline)
        assert refused.value.reason.code is Code.PACK_DIGEST
        assert bench.staging.objects == {}
    assert uploads["create_upload"] == 2


@pytest.mark.parametrize("after", range(14))
def test_e07_a_worker_that_dies_while_it_builds_once_more_goes_on(after: int) -> None:
    bench = Bench(three_files())
    bench.staging.corrupt = flipped
    requests = 0

    def crash(request: str) -> None:
        nonlocal requests
        if request == "complete_upload":
            bench.staging.corrupt = lambda body: body
        requests += bench.staging.passed["complete_upload"] > 0
        if requests == after + 1:
            raise Crash

    bench.staging.before = crash
    with suppress(Crash):
        bench.complete()
    bench.staging.before = lambda _: None
    bench.complete()
    (tar,) = bench.tars()
    assert contents(tar)["a/big"] == bench.bodies["a/big"]


@pytest.mark.parametrize("path", ["a/big", "b/small"])
@pytest.mark.parametrize("fate", ["replaced", "removed"])
def test_d06_d07_a_file_changed_since_the_snapshot_is_refused_by_name(path: str, fate: str) -> None:
    bench = Bench(three_files())
    if fate == "replaced":
        bench.landing.put(PREFIX + path, any_body(len(bench.bodies[path]), "other"))
    else:
        bench.landing.delete([PREFIX + path])
    with pytest.raises(DatasetRejected) as refused:
        bench.build()
    assert refused.value.reason.code is Code.CHANGED_AFTER_VALIDATE
    assert refused.value.reason.files == (path,)
    assert bench.staging.objects == {}


@pytest.mark.parametrize("path", ["a/big", "b/small"])
@pytest.mark.parametrize("deadline", [NEVER, AT_ONCE])
@pytest.mark.parametrize("algorithm", ["md5", "SHA-1", "sha256", "SHA512"])
def test_d04_a_right_checksum_passes_and_a_wrong_one_is_refused_naming_file_expected_and_actual(
    path: str, algorithm: str, deadline: float
) -> None:
    bench = Bench(three_files())
    right = hashlib.new(algorithm.replace("-", ""), bench.bodies[path]).hexdigest()
    bench.describe(path, chk=right.upper(), chk_alg=algorithm)
    bench.build(deadline)
    wrong = Bench(three_files())
    wrong.describe(path, chk="0" * len(right), chk_alg=algorithm)
    with pytest.raises(DatasetRejected) as refused:
        wrong.build(deadline)
    assert refused.value.reason.code is Code.CHECKSUM_MISMATCH
    assert refused.value.reason.files == (path,)
    assert "0" * len(right) in refused.value.reason.message
    assert right in refused.value.reason.message
    assert wrong.staging.objects == {}


def test_an_unknown_algorithm_is_refused() -> None:
    bench = Bench(three_files())
    bench.describe("b/small", chk="1234", chk_alg="xor")
    with pytest.raises(DatasetRejected) as refused:
        bench.build()
    assert refused.value.reason.code is Code.BAD_CHECKSUM_ALGORITHM


def test_a_file_checked_by_blake2b_is_begun_again_when_a_call_ends_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench({"a": any_body(9_000), "b": any_body(70_000)})
    bench.describe("b", chk=hashlib.blake2b(bench.bodies["b"]).hexdigest(), chk_alg="BLAKE2b")
    packager = bench.packager()
    packager.plan()
    (work,) = packager.slices()
    clock = iter(range(1_000))
    monkeypatch.setattr(slices, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    assert packager.package(work, deadline=4.0) is False
    assert packager.package(work, deadline=NEVER) is True
    monkeypatch.undo()
    bench.build()
    assert contents(bench.tars()[0])["b"] == bench.bodies["b"]


def test_a_file_too_long_for_one_call_cannot_be_checked_by_blake2b() -> None:
    bench = Bench({"b": any_body(70_000)})
    bench.describe("b", chk=hashlib.blake2b(bench.bodies["b"]).hexdigest(), chk_alg="blake2b")
    with pytest.raises(DatasetRejected) as refused:
        bench.build(AT_ONCE)
    assert refused.value.reason.code is Code.BAD_CHECKSUM_ALGORITHM
    assert refused.value.reason.files == ("b",)


def test_c23_directories_are_members_and_symlinks_are_left_to_the_catalogue() -> None:
    bench = Bench({"d/file": b"any"})
    bench.files.insert(0, SourceFile("d", 4_096, 0, 0o550, kind="directory", perm="dr-xr-x---"))
    bench.files.append(SourceFile("link", 7, 0, kind="symlink"))
    (sealed,) = bench.build()
    with tarfile.open(fileobj=io.BytesIO(bench.tars()[0])) as archive:
        assert [(one.name, one.isdir(), oct(one.mode)) for one in archive][:2] == [
            ("d", True, "0o750"),
            ("d/file", False, "0o640"),
        ]
        assert archive.getnames()[2:] == [own_path("1", ATTRIBUTES), own_path("1", MANIFEST)]
        listed = archive.extractfile(own_path("1", ATTRIBUTES))
        assert listed is not None
        assert listed.read() == b"0550 1970-01-01T00:00:00.000000000Z ./d/\n"
    assert (sealed.files, sealed.size) == (1, 3)


def test_a_datablock_with_an_unfinished_slice_is_not_sealed() -> None:
    bench = Bench(three_files())
    bench.packager().plan()
    with pytest.raises(LookupError):
        bench.packager().seal(1)
    bench.packager().package(SliceOfDatablock(1, 0), AT_ONCE)
    with pytest.raises(LookupError, match="not finished"):
        bench.packager().seal(1)


def test_a_datablock_whose_parts_are_gone_is_not_sealed() -> None:
    bench = Bench(three_files())
    (planned,) = bench.packager().plan()
    for work in bench.packager().slices():
        bench.packager().package(work, NEVER)
    bench.staging.open_uploads.clear()
    with pytest.raises(ServiceRefused) as refused:
        bench.packager().seal(planned.number)
    assert refused.value.reason.code is Code.PACK_DIGEST


def test_e20_a_plan_made_with_other_limits_is_not_continued() -> None:
    bench = Bench(three_files())
    bench.packager().plan()
    bench.limits = replace(SMALL, copy_part=30_000)
    with pytest.raises(ValueError, match="other limits"):
        bench.build()


def test_when_s3_does_not_answer_the_call_fails_and_the_next_goes_on() -> None:
    bench = Bench(three_files())

    def down(request: str) -> None:
        if request == "get":
            raise ServiceUnavailable(Code.S3_UNAVAILABLE, "down")

    bench.landing.before = down
    with pytest.raises(ServiceUnavailable):
        bench.build()
    bench.landing.before = lambda _: None
    bench.build()


def test_progress_is_saved_while_a_long_slice_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench({"long": any_body(300_000)}, replace(SMALL, slice_bytes=10**9))
    positions = list[int]()
    monkeypatch.setattr(slices, "_SAVE_SECONDS", 0.0)
    save = bench.folder.save

    def record(document: Document[object], value: object) -> None:
        if isinstance(value, packaging.SliceProgress):
            positions.append(value.position)
        save(document, value)

    monkeypatch.setattr(bench.folder, "save", record)
    bench.build()
    assert len(positions) > 20
    assert positions == sorted(positions)


def test_e05_nothing_is_written_to_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    Bench(three_files()).build()  # what is imported only when it is needed is read now

    for module, name in ((builtins, "open"), (os, "open"), (io, "open")):
        monkeypatch.setattr(module, name, full)
    bench = Bench(three_files())
    bench.build()
    assert len(bench.tars()) == 1


def test_a_part_of_another_length_is_copied_again() -> None:
    landing, staging = MemoryBucket("landing"), MemoryBucket("staging")
    landing.put("any", any_body(100))
    upload_id = staging.create_upload("tar")
    staging.upload_part("tar", upload_id, 1, b"short", crc64nvme(b"short"))
    source = PinnedRange(landing, "any", etag_of(any_body(100)), 0, 100, "any")

    slices.DatablockUpload(staging, "tar", upload_id).copy(Part(1, 0, 100, copied=True), source)

    assert [part.size for part in staging.parts("tar", upload_id)] == [100]
