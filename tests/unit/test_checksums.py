"""Hashes that are saved and resumed, CRCs that add up, and the names of checksum algorithms."""

import base64
import ctypes
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver import resumable_hash
from archiver.checksums import Fingerprinting, combine_crc64nvme, crc64nvme, crc64nvme_to_base64, known_algorithm
from archiver.resumable_hash import ResumableHash

ANY_PIECES = st.lists(st.binary(max_size=400), max_size=6)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
@given(pieces=ANY_PIECES)
def test_a_hash_saved_and_resumed_between_any_two_pieces_is_that_of_the_whole(
    algorithm: str, pieces: list[bytes]
) -> None:
    running = ResumableHash(algorithm)
    for piece in pieces:
        running = ResumableHash(algorithm, running.save())
        running.update(piece)
    assert running.hexdigest() == hashlib.new(algorithm, b"".join(pieces)).hexdigest()


def test_a_hash_can_be_asked_for_before_the_last_piece() -> None:
    running = ResumableHash("sha256")
    running.update(b"any")
    assert running.hexdigest() == hashlib.sha256(b"any").hexdigest()
    running.update(b"more")
    assert running.hexdigest() == hashlib.sha256(b"anymore").hexdigest()


def test_a_saved_hash_of_another_algorithm_is_refused() -> None:
    with pytest.raises(ValueError, match="not a saved sha512"):
        ResumableHash("sha512", ResumableHash("sha256").save())


def test_the_hashes_are_found_also_where_hashlib_is_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("_hashlib.__file__")
    assert isinstance(resumable_hash._libcrypto("SHA256_Init"), ctypes.CDLL)


def test_without_libcrypto_the_error_says_what_is_missing() -> None:
    with pytest.raises(OSError, match="no libcrypto with SHA3_Init"):
        resumable_hash._libcrypto("SHA3_Init")


@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
def test_the_crcs_of_two_byte_strings_give_that_of_both(first: bytes, second: bytes) -> None:
    both = crc64nvme(first + second)
    assert combine_crc64nvme(crc64nvme(first), crc64nvme(second), len(second)) == both
    assert crc64nvme(second, crc64nvme(first)) == both


def test_a_crc_is_written_as_s3_writes_it() -> None:
    # The check value of CRC-64/NVME: https://reveng.sourceforge.io/crc-catalogue/17plus.htm
    assert crc64nvme(b"123456789") == 0xAE8B14860A799888
    assert crc64nvme_to_base64(0xAE8B14860A799888) == base64.b64encode(bytes.fromhex("ae8b14860a799888")).decode()


@pytest.mark.parametrize("algorithm", [None, "md5", "sha1", "sha256", "sha512", "crc64nvme"])
@given(pieces=ANY_PIECES)
def test_a_reading_saved_as_json_and_resumed_gives_the_fingerprint_of_the_whole(
    algorithm: str | None, pieces: list[bytes]
) -> None:
    reading = Fingerprinting(algorithm)
    for piece in pieces:
        reading = Fingerprinting.resume(json.loads(json.dumps(reading.save())))
        reading.update(piece)
    whole = b"".join(pieces)
    fingerprint = reading.fingerprint("any/path")
    assert (fingerprint.path, fingerprint.size) == ("any/path", len(whole))
    assert (fingerprint.sha256, fingerprint.crc64nvme) == (hashlib.sha256(whole).hexdigest(), crc64nvme(whole))
    if algorithm == "crc64nvme":
        assert reading.checksum() == f"{crc64nvme(whole):016x}"
    else:
        assert reading.checksum() == hashlib.new(algorithm or "sha256", whole).hexdigest()
    assert reading.resumable


def test_blake2b_is_computed_but_cannot_be_saved() -> None:
    reading = Fingerprinting("blake2b")
    reading.update(b"any")
    assert reading.checksum() == hashlib.blake2b(b"any").hexdigest()
    assert not reading.resumable


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("sha256", "sha256"),
        ("SHA-256", "sha256"),
        ("SHA_512", "sha512"),
        ("Sha1", "sha1"),
        ("MD5", "md5"),
        ("BLAKE2b", "blake2b"),
        ("blake2b-512", "blake2b"),
        ("CRC64NVME", "crc64nvme"),
        ("CRC-64/NVME", "crc64nvme"),
        ("sha3-256", None),
        ("crc32", None),
        ("", None),
    ],
)
def test_algorithms_are_known_whatever_their_case_and_punctuation(name: str, known: str | None) -> None:
    assert known_algorithm(name) == known
