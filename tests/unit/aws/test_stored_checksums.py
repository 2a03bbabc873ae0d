"""What S3 keeps of an object, in every form that it writes it, is computed from the bytes alone."""

import base64
import hashlib
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.aws.stored_checksums import Comparison, StoredChecksum, checksum_of, stored_checksums

PARTS = (b"the first part, ", b"a second one, ", b"and the rest")
BODY = b"".join(PARTS)
LENGTHS = tuple(map(len, PARTS))


def base64_of(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def agrees(stored: StoredChecksum, body: bytes, *, cut: int = 7) -> bool:
    comparison = Comparison(stored)
    for start in range(0, len(body), cut):
        comparison.update(body[start : start + cut])
        comparison = Comparison.resume(stored, comparison.save())
    return comparison.agrees()


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("ChecksumCRC32", zlib.crc32(BODY).to_bytes(4)),
        ("ChecksumCRC32C", checksum_of("crc32c", BODY)),
        ("ChecksumCRC64NVME", checksum_of("crc64nvme", BODY)),
        ("ChecksumSHA1", hashlib.sha1(BODY, usedforsecurity=False).digest()),
        ("ChecksumSHA256", hashlib.sha256(BODY).digest()),
    ],
)
def test_a_checksum_of_all_bytes_is_taken_before_the_etag(name: str, digest: bytes) -> None:
    said = stored_checksums({name: base64_of(digest), "ETag": f'"{md5(BODY).hex()}"'})
    assert [one.parts for one in said] == [0, 0]
    assert all(agrees(one, BODY) and not agrees(one, BODY[1:]) for one in said)
    assert said[0].algorithm != "md5"


@pytest.mark.parametrize(
    ("answer", "algorithm"),
    [
        (
            {"ChecksumSHA256": base64_of(hashlib.sha256(b"".join(hashlib.sha256(p).digest() for p in PARTS)).digest())},
            "sha256",
        ),
        (
            {"ChecksumCRC32": base64_of(zlib.crc32(b"".join(zlib.crc32(p).to_bytes(4) for p in PARTS)).to_bytes(4))},
            "crc32",
        ),
        ({"ETag": md5(b"".join(map(md5, PARTS))).hex()}, "md5"),
    ],
    ids=["SHA-256", "CRC-32", "ETag"],
)
@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_composite_one_is_computed_over_the_checksums_of_the_parts(
    answer: dict[str, str], algorithm: str, cut: int
) -> None:
    (said,) = stored_checksums({name: f"{value}-3" for name, value in answer.items()})
    assert (said.algorithm, said.parts, said.comparable) == (algorithm, 3, False)
    stored = said.with_lengths(LENGTHS)
    assert stored.comparable
    assert agrees(stored, BODY, cut=cut)
    assert not agrees(stored, BODY[:-1] + b"T", cut=cut)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"ETag": '"any other text"'},
        {"ETag": md5(BODY).hex(), "ServerSideEncryption": "aws:kms"},
        {"ETag": md5(BODY).hex(), "SSECustomerAlgorithm": "AES256"},
        {"ChecksumCRC32": "no base64!"},
    ],
)
def test_what_cannot_be_computed_from_the_bytes_says_nothing(answer: dict[str, Any]) -> None:
    assert stored_checksums(answer) == []


@given(st.binary(max_size=200), st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(1, 60))
def test_bytes_that_come_in_any_pieces_agree_with_parts_of_any_lengths(
    body: bytes, lengths: list[int], cut: int
) -> None:
    body = (body * 240)[: sum(lengths)].ljust(sum(lengths), b".")
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    digests = b"".join(md5(body[start : start + length]) for start, length in zip(starts, lengths, strict=True))
    stored = StoredChecksum("md5", md5(digests), len(lengths)).with_lengths(lengths)
    assert agrees(stored, body, cut=cut)
