"""Headers, paddings and manifests, as other programs read them."""

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archiver.models import FileFingerprint, SourceFile
from archiver.settings import GIB
from archiver.tarlayout import (
    END,
    MANIFEST_PATH,
    header,
    header_size,
    manifest,
    manifest_header,
    manifest_line_size,
    padding,
)

ANY_NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=250).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) <= 1_000
)


def read_one(tar: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        (member,) = archive.getmembers()
        return member


@given(path=ANY_NAME, size=st.integers(0, 50), mode=st.integers(0, 0o7777), mtime=st.integers(-(10**9), 10**11))
@example(path="a" * 1_000, size=0, mode=0o644, mtime=0)
@example(path="ä" * 500, size=0, mode=0o644, mtime=-1)
def test_c12_c22_a_header_says_what_the_file_is(path: str, size: int, mode: int, mtime: int) -> None:
    file = SourceFile(path, size, mtime * 10**9, mode)
    member = read_one(header(file) + bytes(size + padding(size)) + END)
    assert (member.name, member.size, member.mode, int(member.mtime)) == (path, size, mode, mtime)
    assert member.isreg()
    assert len(header(file)) % 512 == 0


@given(
    path=ANY_NAME | st.text("abc/", min_size=95, max_size=105),
    size=st.integers(0, 9 * GIB),
    mtime_ns=st.integers(-(10**12), 10**20),
    kind=st.sampled_from(["file", "directory", "symlink"]),
)
@example(path="a" * 100, size=8 * GIB - 1, mtime_ns=8**11 * 10**9 - 1, kind="file")
@example(path="a" * 101, size=8 * GIB, mtime_ns=8**11 * 10**9, kind="file")
def test_the_size_of_a_header_is_known_without_making_one(
    path: str, size: int, mtime_ns: int, kind: Literal["file", "directory", "symlink"]
) -> None:
    file = SourceFile(path, size, mtime_ns, kind=kind)
    assert header_size(file) == len(header(file))


@given(st.integers(-(10**15), 10**19))
def test_c22_a_time_keeps_its_nanoseconds(mtime_ns: int) -> None:
    head = header(SourceFile("any", 0, mtime_ns))
    with tarfile.open(fileobj=io.BytesIO(head + END)) as archive:
        written = archive.getmembers()[0].pax_headers.get("mtime", "")
    if mtime_ns % 10**9:
        whole, fraction = written.lstrip("-").split(".")
        nanoseconds = int(whole) * 10**9 + int(fraction.ljust(9, "0"))
        assert nanoseconds == abs(mtime_ns)
        assert written.startswith("-") == (mtime_ns < 0)
    elif 0 <= mtime_ns < 8**11 * 10**9:
        assert len(head) == 512


def test_c12_c22_gnu_tar_reads_times_before_1970_and_long_names(tmp_path: Path) -> None:
    files = [SourceFile("n" * 250, 0, -1_500_000_000), SourceFile("ö", 0, 1_763_856_000_123_456_789)]
    subprocess.run(["tar", "-x"], input=b"".join(map(header, files)) + END, cwd=tmp_path, check=True)
    for file in files:
        assert (tmp_path / file.path).stat().st_mtime_ns == file.mtime_ns


@pytest.mark.parametrize("size", [8 * GIB - 1, 8 * GIB, 5 * 1024 * GIB - 4096])
def test_c17_a_header_says_sizes_that_eleven_octal_digits_do_not_hold(size: int) -> None:
    head = header(SourceFile("any", size, 0))
    assert (b" size=%d\n" % size in head) == (size >= 8 * GIB)


def test_c23_a_directory_has_a_header_and_a_symlink_has_none() -> None:
    directory = read_one(header(SourceFile("any/folder", 4_096, 0, 0o755, kind="directory")) + END)
    assert (directory.isdir(), directory.size, directory.mode) == (True, 0, 0o755)
    assert header(SourceFile("any/link", 10, 0, kind="symlink")) == b""


@given(st.sets(ANY_NAME, min_size=1, max_size=5))
def test_the_size_of_the_manifest_is_known_from_the_names(names: set[str]) -> None:
    files = [SourceFile(name, 1, 0) for name in sorted(names)]
    fingerprints = [FileFingerprint(file.path, 1, "f" * 64, 0) for file in files]
    assert len(manifest(fingerprints)) == sum(manifest_line_size(file) for file in files)


def test_the_manifest_lists_files_only() -> None:
    assert manifest_line_size(SourceFile("any", 0, 0, kind="directory")) == 0
    assert manifest_line_size(SourceFile("any", 0, 0, kind="symlink")) == 0


def test_lines_are_those_of_sha256sum(tmp_path: Path) -> None:
    names = ["plain", "back\\slash", "new\nline", "carriage\rreturn", "all\\\n\r", "ü 東京", " * two"]
    for name in names:
        (tmp_path / name).write_bytes(b"any")
    said = subprocess.run(["sha256sum", "--", *names], cwd=tmp_path, capture_output=True, check=True).stdout
    sha256 = said.split()[0].decode()
    assert manifest(FileFingerprint(name, 3, sha256, 0) for name in names) == said


def test_the_manifest_is_as_old_as_the_newest_file_but_not_older_than_1970() -> None:
    member = read_one(manifest_header(0, 1_763_856_000_999_999_999) + END)
    assert (member.name, member.mtime) == (MANIFEST_PATH, 1_763_856_000)
    assert read_one(manifest_header(0, -5) + END).mtime == 0
    assert len(manifest_header(20_000 * 1_100, 1_763_856_000_999_999_999)) == len(manifest_header(0, 0)) == 512
