"""Reading any plain tar as it passes by, in pieces of any size, saved between any two."""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.digests import crc64nvme
from archiver.errors import Code, ServiceRefused
from archiver.tarreader import TarReader

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
FILES = {
    "plain": b"any bytes",
    "empty": b"",
    "block": b"x" * 512,
    "ü/東京": b"y" * 1_300,
    "folder/" * 20 + "long": b"z" * 700,
}


def a_tar(tar_format: int, files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tar_format) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        link = tarfile.TarInfo("link" * 40)
        link.type, link.linkname = tarfile.SYMTYPE, "to/" * 40
        if tar_format != tarfile.USTAR_FORMAT:
            archive.addfile(link)
        for path, body in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return written.getvalue()


def expected(files: dict[str, bytes]) -> list[tuple[str, int, str, int]]:
    return [(path, len(body), hashlib.sha256(body).hexdigest(), crc64nvme(body)) for path, body in files.items()]


@pytest.mark.parametrize("tar_format", FORMATS)
@given(cuts=st.lists(st.integers(0, 12_000), max_size=8))
def test_every_member_is_hashed_whatever_the_pieces(tar_format: int, cuts: list[int]) -> None:
    tar = a_tar(tar_format, FILES)
    reader = TarReader()
    found = []
    bounds = [0, *sorted(cuts), len(tar)]
    for start, end in zip(bounds, bounds[1:], strict=False):
        reader = TarReader.resume(json.loads(json.dumps(reader.save())))
        found += reader.feed(tar[start:end])
    reader.finish()
    assert [(one.path, one.size, one.sha256, one.crc64nvme) for one in found] == expected(FILES)
    assert (reader.size, reader.crc64nvme) == (len(tar), crc64nvme(tar))


def test_what_gnu_tar_wrote_is_read(tmp_path: Path) -> None:
    files = {"n" * 150: b"long name", "ü": b"any", "s": b""}
    for path, body in files.items():
        (tmp_path / path).write_bytes(body)
    command = ["tar", "--create", "--format=gnu", "--file=-", *files]
    tar = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    reader = TarReader()
    assert [(one.path, one.size, one.sha256, one.crc64nvme) for one in reader.feed(tar)] == expected(files)
    reader.finish()


@given(st.integers(0, 1_000_000))
def test_a_tar_that_was_cut_off_is_corrupt(length: int) -> None:
    tar = a_tar(tarfile.PAX_FORMAT, FILES).rstrip(b"\0")
    reader = TarReader()
    with pytest.raises(ServiceRefused) as refused:
        reader.feed(tar[: length % len(tar)])
        reader.finish()
    assert refused.value.reason.code is Code.CORRUPT_DATABLOCK


@pytest.mark.parametrize("offset", [0, 100, 124, 148, 156])
def test_a_header_with_a_flipped_bit_is_corrupt(offset: int) -> None:
    tar = bytearray(a_tar(tarfile.PAX_FORMAT, {"any": b"any"}))
    tar[offset] ^= 4
    with pytest.raises(ServiceRefused) as refused:
        TarReader().feed(bytes(tar))
    assert refused.value.reason.code is Code.CORRUPT_DATABLOCK


@pytest.mark.parametrize("records", [b"nonsense", b"99 path=a\n", b"5 a=b\n", b"3 path=a\n", b"x path=a\n"])
def test_a_broken_extended_header_is_corrupt(records: bytes) -> None:
    head = tarfile.TarInfo("any")
    head.type, head.size = tarfile.XHDTYPE, len(records)
    tar = head.tobuf(tarfile.USTAR_FORMAT) + records.ljust(512, b"\0")
    with pytest.raises(ServiceRefused) as refused:
        TarReader().feed(tar)
    assert refused.value.reason.code is Code.CORRUPT_DATABLOCK


def test_an_extended_header_that_would_fill_the_memory_is_refused() -> None:
    head = tarfile.TarInfo("any")
    head.type, head.size = tarfile.XHDTYPE, 10**9
    with pytest.raises(ServiceRefused, match="too long"):
        TarReader().feed(head.tobuf(tarfile.USTAR_FORMAT))


@pytest.mark.parametrize("tar_format", ["gnu", "posix"])
def test_a_sparse_file_is_refused_because_its_bytes_are_not_all_there(tmp_path: Path, tar_format: str) -> None:
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(10_000_000)
    command = ["tar", "--create", "--sparse", f"--format={tar_format}", "--file=-", "sparse"]
    tar = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    with pytest.raises(ServiceRefused, match="sparse"):
        TarReader().feed(tar)
