"""Reading a tar as it streams by."""

import hashlib
import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.members import Member, MemberReader

any_path = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=200).filter(
    lambda path: path not in (".", "..")
)
any_files = st.dictionaries(any_path, st.binary(max_size=1500), max_size=6)


def a_tar(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo("a folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for path, body in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(body), 1.5
            tar.addfile(member, io.BytesIO(body))
    return made.getvalue()


def members_of(files: dict[str, bytes], algorithm: str) -> list[Member]:
    return [Member(path, len(body), hashlib.new(algorithm, body).hexdigest()) for path, body in files.items()]


@given(any_files, st.sampled_from(["sha256", "md5", "sha512"]), st.integers(61, 3000))
def test_every_member_is_found_with_its_checksum_wherever_the_reading_is_cut_and_resumed(
    files: dict[str, bytes], algorithm: str, length: int
) -> None:
    tar = a_tar(files)
    algorithms = dict.fromkeys(files, algorithm)
    reader, found = MemberReader(algorithms), []
    for position in range(0, len(tar), length):
        found += reader.feed(tar[position : position + length])
        reader = MemberReader.resume(algorithms, json.loads(json.dumps(reader.save())))
    assert found == members_of(files, algorithm)


def test_members_that_are_not_asked_for_go_by() -> None:
    reader = MemberReader({"b": "sha256"})
    assert reader.feed(a_tar({"a": b"1", "b": b"22", "c": b"333"})) == members_of({"b": b"22"}, "sha256")


def test_member_longer_than_eight_gibibytes_is_measured_by_its_pax_record() -> None:
    member = tarfile.TarInfo("big")
    member.size = 9 * 1024**3
    reader = MemberReader({})
    reader.feed(member.tobuf(tarfile.PAX_FORMAT))
    assert reader.save()["left"] == 9 * 1024**3


def test_hash_that_cannot_be_saved_is_said_to_be_so_while_it_runs() -> None:
    tar = a_tar({"a": b"1" * 2000})
    reader = MemberReader({"a": "blake2b"})
    places = [reader.resumable for at in range(0, len(tar), 512) if reader.feed(tar[at : at + 512]) is not None]
    assert False in places
    assert places[0]
    assert places[-1]


@pytest.mark.parametrize("at", [0, 100, 148])
def test_damaged_header_is_an_error(at: int) -> None:
    tar = bytearray(a_tar({"a": b"1"}))
    tar[at] ^= 0xFF
    with pytest.raises(ValueError, match="header"):
        MemberReader({}).feed(bytes(tar))


def test_pax_header_of_a_gigabyte_is_an_error() -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1024**3
    with pytest.raises(ValueError, match="pax header"):
        MemberReader({}).feed(header.tobuf(tarfile.USTAR_FORMAT))
