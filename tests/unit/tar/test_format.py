"""Headers, paddings and manifests, as other programs read them."""

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archiver.checksums import FileFingerprint
from archiver.models.files import SourceFile
from archiver.settings import GIB
from archiver.tar.format import (
    END,
    attributes_line,
    attributes_line_size,
    header,
    header_size,
    manifest,
    manifest_line_size,
    own_members,
    own_members_size,
    padding,
)

ANY_NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=250).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) <= 1_000
)


def in_folders(name: str, ends: set[int]) -> str:
    """The same letters as a path, whose folders end at some of these places."""
    letters = list(name)
    for end in sorted(ends):
        if 0 < end < len(letters) - 1 and letters[end - 1] != "/":
            letters[end] = "/"
    return "".join(letters)


ANY_LONG_NAME = st.builds(
    in_folders, st.text("abü", min_size=90, max_size=300), st.sets(st.integers(1, 298), max_size=20)
)


def read_one(tar: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        (member,) = archive.getmembers()
        return member


def read_as_busybox_does(head: bytes) -> tuple[str, int]:
    """Name and size of a member for a reader that knows ustar, GNU's long names and large numbers, and no pax."""
    long_name = None
    while head[156:157] in b"xL":
        size = int(head[124:135], 8)
        if head[156:157] == b"L":
            long_name = head[512 : 512 + size].rstrip(b"\0")
        head = head[512 + size + padding(size) :]
    prefix, name = (head[start:end].partition(b"\0")[0] for start, end in ((345, 500), (0, 100)))
    size = int.from_bytes(head[125:136]) if head[124] == 0x80 else int(head[124:135], 8)
    assert int(head[148:154], 8) == sum(head[:148]) + 8 * 32 + sum(head[156:])
    return (long_name or (prefix + b"/" + name if prefix else name)).decode(), size


@given(path=ANY_NAME, size=st.integers(0, 50), mode=st.integers(0, 0o7777), mtime=st.integers(-(10**9), 10**11))
@example(path="a" * 1_000, size=0, mode=0o644, mtime=0)
@example(path="ä" * 500, size=0, mode=0o644, mtime=-1)
def test_c12_c22_a_header_says_what_the_file_is(path: str, size: int, mode: int, mtime: int) -> None:
    file = SourceFile(path, size, mtime * 10**9, mode)
    member = read_one(header(file) + bytes(size + padding(size)) + END)
    assert (member.name, member.size, int(member.mtime)) == (path, size, mtime)
    assert member.isreg()
    assert len(header(file)) % 512 == 0
    assert read_as_busybox_does(header(file)) == (path, size)


@given(path=ANY_LONG_NAME, kind=st.sampled_from(["file", "directory"]))
@example(path="n" * 150, kind="file")
@example(path="a" * 155 + "/" + "b" * 100, kind="file")
@example(path="a" * 155 + "/" + "b" * 99, kind="directory")
@example(path="a" * 156 + "/" + "b" * 99, kind="file")
@example(path="a" * 101, kind="directory")
@example(path="a" * 99 + "/" + "b" * 101, kind="directory")
def test_c12_a_long_name_is_read_with_and_without_pax(path: str, kind: Literal["file", "directory"]) -> None:
    head = header(SourceFile(path, 0, 0, kind=kind))
    assert read_one(head + END).name == path
    assert read_as_busybox_does(head)[0].removesuffix("/") == path


@pytest.mark.parametrize(("path", "blocks"), [("a" * 155 + "/" + "b" * 100, 1), ("a/" + "b" * 101, 5), ("ü", 3)])
def test_only_a_name_that_the_header_cannot_hold_has_blocks_of_its_own(path: str, blocks: int) -> None:
    assert len(header(SourceFile(path, 0, 0))) == blocks * 512


@given(st.integers(0, 0o7777), st.sampled_from(["file", "directory"]))
def test_an_ordinary_user_can_unpack_and_read_and_nobody_else_can_do_more_than_was_recorded(
    mode: int, kind: Literal["file", "directory"]
) -> None:
    written = read_one(header(SourceFile("any", 0, 0, mode, kind=kind)) + END).mode
    assert written & 0o077 == mode & 0o077
    assert written & 0o700 == mode & 0o700 | (0o400 if kind == "file" else 0o700)
    assert written < 0o1000


@given(
    path=ANY_NAME | st.text("abc/", min_size=95, max_size=105),
    size=st.integers(0, 20 * GIB),
    mtime_ns=st.integers(-(10**12), 10**20),
    kind=st.sampled_from(["file", "directory", "symlink", "special"]),
)
@example(path="a" * 100, size=8 * GIB - 1, mtime_ns=8**11 * 10**9 - 1, kind="file")
@example(path="a" * 101, size=8 * GIB, mtime_ns=8**11 * 10**9, kind="file")
def test_the_size_of_a_header_is_known_without_making_one(
    path: str, size: int, mtime_ns: int, kind: Literal["file", "directory", "symlink", "special"]
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
    assert read_as_busybox_does(head) == ("any", size)
    assert tarfile.TarInfo.frombuf(head[-512:], "utf-8", "strict").size == size


def test_c23_a_directory_has_a_header_and_a_symlink_has_none() -> None:
    directory = read_one(header(SourceFile("any/folder", 4_096, 0, 0o755, kind="directory")) + END)
    assert (directory.isdir(), directory.size, directory.mode) == (True, 0, 0o755)
    assert read_one(header(SourceFile("any/folder/", 0, 0, kind="directory")) + END).name == "any/folder"
    assert header(SourceFile("any/link", 10, 0, kind="symlink")) == b""


@given(st.sets(ANY_NAME, min_size=1, max_size=5))
def test_the_size_of_the_manifest_is_known_from_the_names(names: set[str]) -> None:
    files = [SourceFile(name, 1, 0) for name in sorted(names)]
    fingerprints = [FileFingerprint(file.path, 1, "f" * 64, 0) for file in files]
    assert len(manifest(fingerprints)) == sum(manifest_line_size(file) for file in files)


def test_the_manifest_lists_files_only() -> None:
    assert manifest_line_size(SourceFile("any", 0, 0, kind="directory")) == 0
    assert manifest_line_size(SourceFile("any", 0, 0, kind="symlink")) == 0


@pytest.mark.parametrize("check", [["sha256sum", "-c", "--strict"], ["shasum", "-a", "256", "-c"]], ids=" ".join)
def test_sha256sum_reads_the_lines_from_a_file_and_from_a_pipe(tmp_path: Path, check: list[str]) -> None:
    names = ["plain", "-", "-n", "back\\slash", "ends with \\", " leads", "trails ", " * two", "ü 東京", "|ls", ">a"]
    names += ["new\nline", "carriage\rreturn", "all\\\n\r"] if check[0] == "sha256sum" else []
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    listed = manifest(FileFingerprint(one, 3, hashlib.sha256(one.encode()).hexdigest(), 0) for one in names)
    (tmp_path / "list").write_bytes(listed)
    for source, given_by in (("list", b""), ("-", listed)):
        said = subprocess.run([*check, source], cwd=tmp_path, input=given_by, capture_output=True, check=True)
        assert said.stdout.count(b": OK\n") == len(names)


def test_a_line_without_line_ends_is_not_escaped_so_that_busybox_reads_it() -> None:
    assert manifest([FileFingerprint("back\\slash", 3, "f" * 64, 0)]) == b"f" * 64 + b"  back\\slash\n"


ANY_FILES = st.builds(
    SourceFile,
    path=ANY_NAME,
    size=st.just(1),
    mtime_ns=st.integers(-(10**15), 10**20),
    mode=st.integers(0, 0o7777),
    kind=st.sampled_from(["file", "directory", "symlink", "special"]),
    perm=st.sampled_from([None, "", "-rw-r--r--"]),
)


@given(ANY_FILES)
def test_the_size_of_an_attributes_line_is_known_without_making_one(file: SourceFile) -> None:
    assert attributes_line_size(file) == len(attributes_line(file))


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (SourceFile("a/b", 1, 1, 0o400, perm="0400"), "0400 1970-01-01T00:00:00.000000001Z ./a/b\n"),
        (SourceFile("-x", 1, -1, 0o6755, perm="any"), "0755 1969-12-31T23:59:59.999999999Z ./-x\n"),
        (SourceFile("d", 0, 0, 0o6750, kind="directory", perm="any"), "2750 1970-01-01T00:00:00.000000000Z ./d/\n"),
        (SourceFile("d/", 0, 0, 0o1777, kind="directory", perm="any"), "1777 1970-01-01T00:00:00.000000000Z ./d/\n"),
        (SourceFile("d", 0, 0, 0o755, kind="directory"), "---- 1970-01-01T00:00:00.000000000Z ./d/\n"),
        (SourceFile("a", 1, 0, 0o644), ""),
        (SourceFile("a", 1, 0, 0o777, kind="symlink", perm="any"), ""),
    ],
)
def test_what_was_recorded_is_listed_but_for_what_would_let_others_act_as_the_owner(
    file: SourceFile, line: str
) -> None:
    assert attributes_line(file) == line.encode()


@given(st.lists(ANY_FILES, min_size=1, max_size=5))
def test_the_size_of_the_own_members_is_known_from_the_files(files: list[SourceFile]) -> None:
    fingerprints = [FileFingerprint(file.path, 1, "f" * 64, 0) for file in files if file.kind == "file"]
    sizes = sum(map(attributes_line_size, files)), sum(map(manifest_line_size, files))
    assert len(own_members("1", files, fingerprints)) == own_members_size(*sizes)


@pytest.mark.parametrize(
    ("mtime_ns", "mtime"),
    [(1_763_856_000_999_999_999, 1_763_856_000), (-5, 0), (253_402_300_799 * 10**9, 8**11 - 1)],
)
def test_a_tars_own_members_lie_in_its_own_folder_and_are_as_old_as_the_newest_file(mtime_ns: int, mtime: int) -> None:
    files = [SourceFile("any", 0, mtime_ns - 1, perm="0600"), SourceFile("other", 0, mtime_ns, perm="0600")]
    with tarfile.open(fileobj=io.BytesIO(own_members("12", files, []))) as archive:
        found = [(member.name, member.mtime) for member in archive]
    assert found == [(".datablock/12/modes-and-times.txt", mtime), (".datablock/12/manifest-sha256.txt", mtime)]


def test_a_tar_whose_files_have_no_recorded_modes_has_a_manifest_alone() -> None:
    assert read_one(own_members("1", [SourceFile("any", 0, 0)], [])).name == ".datablock/1/manifest-sha256.txt"
