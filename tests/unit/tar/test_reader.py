"""Reading any plain tar as it goes by, in pieces of any size, saved between any two."""

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.checksums import crc64nvme
from archiver.errors import Code, ServiceRefused
from archiver.tar.reader import Member, TarReader, plain_path

type Format = Literal[0, 1, 2]
FORMATS: dict[str, Format] = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
ALGORITHMS = ["sha256", "md5", "sha1", "sha512", "crc64nvme"]
FILES = {
    "plain": b"any bytes",
    "empty": b"",
    "block": b"x" * 512,
    "ü/東京": b"y" * 1_300,
    "folder/" * 20 + "long": b"z" * 700,
}
any_path = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=200).filter(
    lambda path: path not in (".", "..")
)
any_files = st.dictionaries(any_path, st.binary(max_size=1500), max_size=6)


def a_tar(files: dict[str, bytes], tar_format: Format = tarfile.PAX_FORMAT) -> bytes:
    """A tar of a folder, a link with a long name (ustar has none) and ``files``."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tar_format) as archive:
        folder = tarfile.TarInfo("a folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        link = tarfile.TarInfo("link" * 40)
        link.type, link.linkname = tarfile.SYMTYPE, "to/" * 40
        if tar_format != tarfile.USTAR_FORMAT:
            archive.addfile(link)
        for path, body in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(body), 1.5
            archive.addfile(member, io.BytesIO(body))
    return written.getvalue()


def a_header(
    path: str, kind: bytes = tarfile.REGTYPE, size: int = 0, tar_format: Format = tarfile.USTAR_FORMAT
) -> bytes:
    header = tarfile.TarInfo(path)
    header.type, header.size = kind, size
    return header.tobuf(tar_format)


def a_pax_header(records: bytes) -> bytes:
    return a_header("any", tarfile.XHDTYPE, len(records)) + records + bytes(-len(records) % 512)


def gnu_tar(folder: Path, *options: str) -> bytes:
    return subprocess.run(["tar", "--create", "--file=-", *options], cwd=folder, capture_output=True, check=True).stdout


def members_of(files: dict[str, bytes], algorithm: str = "sha256") -> list[Member]:
    return [Member(path, len(body), checksum(body, algorithm)) for path, body in files.items()]


def checksum(body: bytes, algorithm: str) -> str:
    return f"{crc64nvme(body):016x}" if algorithm == "crc64nvme" else hashlib.new(algorithm, body).hexdigest()


def saved_and_resumed(reader: TarReader, wanted: Mapping[str, str | None]) -> TarReader:
    return TarReader.resume(wanted, orjson.loads(orjson.dumps(reader.save())))


def read_in_pieces(tar: bytes, cuts: list[int], wanted: Mapping[str, str | None]) -> tuple[TarReader, list[Member]]:
    """The finished reader, saved and resumed at each cut, and what it found."""
    reader, found = TarReader(wanted), []
    bounds = [0, *sorted(cut % len(tar) for cut in cuts), len(tar)]
    for start, end in pairwise(bounds):
        reader = saved_and_resumed(reader, wanted)
        found += reader.feed(tar[start:end])
    reader.finish()
    return reader, found


def refusal_of(tar: bytes) -> str:
    """How ``tar`` is refused, whether in its midst or at its end."""
    with pytest.raises(ServiceRefused) as refused:
        read_in_pieces(tar, [], {})
    assert refused.value.reason.code is Code.CORRUPT_DATABLOCK
    return refused.value.reason.message


# What is read


@pytest.mark.parametrize("tar_format", FORMATS)
@given(algorithm=st.sampled_from(ALGORITHMS), cuts=st.lists(st.integers(0), max_size=8))
def test_every_member_is_hashed_wherever_the_reading_is_cut_and_resumed(
    tar_format: str, algorithm: str, cuts: list[int]
) -> None:
    tar = a_tar(FILES, FORMATS[tar_format])
    reader, found = read_in_pieces(tar, cuts, dict.fromkeys(FILES, algorithm))
    assert found == members_of(FILES, algorithm)
    assert (reader.size, reader.crc64nvme) == (len(tar), crc64nvme(tar))


@given(any_files, st.sampled_from(ALGORITHMS), st.lists(st.integers(0), max_size=60))
def test_members_of_any_name_and_length_are_found(files: dict[str, bytes], algorithm: str, cuts: list[int]) -> None:
    _, found = read_in_pieces(a_tar(files), cuts, dict.fromkeys(files, algorithm))
    assert found == members_of(files, algorithm)


@pytest.mark.parametrize("tar_format", FORMATS)
def test_tar_can_be_cut_between_any_two_bytes(tar_format: str) -> None:
    files = {"folder/" * 15 + "long": b"z" * 600, "b": b"22"}
    tar = a_tar(files, FORMATS[tar_format])
    algorithms = dict.fromkeys(files, "sha256")
    reader, found = TarReader(algorithms), []
    for at in range(len(tar)):
        found += reader.feed(tar[at : at + 1])
        reader = saved_and_resumed(reader, algorithms)
    assert found == members_of(files)


@pytest.mark.parametrize("tar_format", ["gnu", "posix", "ustar", "v7"])
def test_what_gnu_tar_wrote_is_read(tmp_path: Path, tar_format: str) -> None:
    files = {"n" * (90 if tar_format in ("ustar", "v7") else 150): b"any name", "ü": b"any", "s": b""}
    for path, body in files.items():
        (tmp_path / path).write_bytes(body)
    tar = gnu_tar(tmp_path, f"--format={tar_format}", *files)
    _, found = read_in_pieces(tar, [], dict.fromkeys(files, "sha256"))
    assert found == members_of(files)


def test_each_member_is_hashed_by_its_own_algorithm_and_others_go_by() -> None:
    reader = TarReader({"b": "md5", "c": "blake2b"})
    found = reader.feed(a_tar({"a": b"1", "b": b"22", "c": b"333"}))
    assert found == members_of({"b": b"22"}, "md5") + members_of({"c": b"333"}, "blake2b")


def test_member_longer_than_eight_gibibytes_is_measured_by_its_pax_record() -> None:
    reader = TarReader({})
    reader.feed(a_header("big", size=9 * 1024**3, tar_format=tarfile.PAX_FORMAT))
    assert reader.save()["left"] == 9 * 1024**3


@pytest.mark.parametrize("record", [b"14 path=other\n", b"19 linkpath=/other\n", b"9 size=9\n"])
def test_a_global_header_that_renames_what_follows_is_refused(record: bytes) -> None:
    tar = a_header("g", tarfile.XGLTYPE, len(record)) + record.ljust(512, b"\0") + a_tar({"a": b"1"})
    with pytest.raises(ServiceRefused, match="says of all its members what can be of one alone"):
        TarReader({}).feed(tar)


def test_global_header_says_nothing_of_the_files() -> None:
    comment = b"15 comment=any\n"
    tar = a_header("g", tarfile.XGLTYPE, len(comment)) + comment.ljust(512, b"\0") + a_tar({"a": b"1"})
    assert TarReader({"a": "sha256"}).feed(tar) == members_of({"a": b"1"})


def test_member_of_an_unknown_kind_goes_by_with_its_body() -> None:
    unknown = a_header("a", b"Q", 3) + b"any".ljust(512, b"\0")
    assert TarReader({"a": "sha256"}).feed(unknown + a_tar({"a": b"1"})) == members_of({"a": b"1"})


def test_link_has_no_body_though_its_header_says_a_size() -> None:
    link = a_header("link", tarfile.LNKTYPE, 3)
    assert TarReader({"a": "sha256"}).feed(link + a_tar({"a": b"1"})) == members_of({"a": b"1"})


def test_member_whose_checksum_is_not_asked_for_is_measured_wherever_the_reading_is_cut() -> None:
    _, found = read_in_pieces(a_tar(FILES), [700, 1_300, 3_000], dict.fromkeys(FILES))
    assert found == [Member(path, len(body), None) for path, body in FILES.items()]


@pytest.mark.parametrize("tar_format", ["gnu", "posix"])
def test_names_have_no_leading_dots_and_a_hard_link_names_the_member_whose_bytes_it_shares(
    tmp_path: Path, tar_format: str
) -> None:
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    first, second = deep / ("a" * 60), deep / ("b" * 60)
    first.write_bytes(b"shared")
    second.hardlink_to(first)
    a, b = (str(path.relative_to(tmp_path)) for path in (first, second))
    tar = gnu_tar(tmp_path, f"--format={tar_format}", "--sort=name", ".")
    _, found = read_in_pieces(tar, [], {a: "md5", b: "md5"})
    assert found == [*members_of({a: b"shared"}, "md5"), Member(b, 0, None, link=a)]


@pytest.mark.parametrize("name", ["./a", "/a", ".//./a", "a"])
def test_plain_path_has_no_leading_dots_and_slashes(name: str) -> None:
    assert plain_path(name) == "a"


def test_plain_path_keeps_names_that_begin_with_a_dot() -> None:
    assert plain_path("./.hidden") == ".hidden"


@pytest.mark.parametrize("tar_format", ["gnu", "pax"])
def test_name_that_is_no_utf8_goes_by_wherever_the_reading_is_cut(tar_format: str) -> None:
    tar = a_tar({"\udcff" * 120: b"any", "a": b"1"}, FORMATS[tar_format])
    _, found = read_in_pieces(tar, list(range(0, len(tar), 256)), {"a": "sha256"})
    assert found == members_of({"a": b"1"})


def test_hash_that_cannot_be_saved_is_said_to_be_so_while_it_runs() -> None:
    tar = a_tar({"a": b"1" * 2000})
    reader = TarReader({"a": "blake2b"})
    places = [reader.resumable for at in range(0, len(tar), 512) if reader.feed(tar[at : at + 512]) is not None]
    assert False in places
    assert places[0]
    assert places[-1]


# What is refused


@given(st.integers(0))
def test_tar_that_was_cut_off_is_corrupt(length: int) -> None:
    tar = a_tar(FILES)
    end_of_members = len(tar.rstrip(b"\0"))
    assert "ends too early" in refusal_of(tar[: length % end_of_members])


@pytest.mark.parametrize("offset", [0, 100, 124, 148, 156])
@pytest.mark.parametrize("flip", [0x04, 0xFF])
def test_damaged_header_is_corrupt(offset: int, flip: int) -> None:
    tar = bytearray(a_tar({"any": b"any"}))
    tar[offset] ^= flip
    assert "header" in refusal_of(bytes(tar))


@pytest.mark.parametrize("records", [b"nonsense", b"99 path=a\n", b"5 a=b\n", b"3 path=a\n", b"x path=a\n"])
def test_broken_extended_header_is_corrupt(records: bytes) -> None:
    assert "broken extended header" in refusal_of(a_pax_header(records))


@pytest.mark.parametrize("records", [b"11 size=-1\n", b"10 size=x\n", b"28 size=9999999999999999999\n"])
def test_member_of_an_impossible_size_is_corrupt(records: bytes) -> None:
    assert "impossible size" in refusal_of(a_pax_header(records) + a_header("any"))


@pytest.mark.parametrize("size", [10**9, -1])
def test_extended_header_that_would_fill_the_memory_is_refused(size: int) -> None:
    assert "extended header of" in refusal_of(a_header("any", tarfile.XHDTYPE, size, tarfile.GNU_FORMAT))


@pytest.mark.parametrize("tar_format", ["gnu", "posix"])
def test_sparse_file_is_refused_because_its_bytes_are_not_all_there(tmp_path: Path, tar_format: str) -> None:
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(10_000_000)
    assert "sparse" in refusal_of(gnu_tar(tmp_path, "--sparse", f"--format={tar_format}", "sparse"))
