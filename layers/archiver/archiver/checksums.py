"""Checksums: CRCs that add up, the fingerprint of a file from one reading, and how people write checksums.

A checksum is written in hexadecimal digits or in base64, with its algorithm's name in front of it or without.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from awscrt import checksums  # type: ignore[import-untyped]

from archiver.resumable_hash import PLAIN_HASHES, Hash, ResumableHash

CRC64NVME = "crc64nvme"
_CRC64NVME_BYTES = 8


def crc64nvme(data: bytes, previous: int = 0) -> int:
    """The CRC64NVME of ``data``, continuing from ``previous``."""
    value: int = checksums.crc64nvme(data, previous)
    return value


def combine_crc64nvme(first: int, second: int, second_length: int) -> int:
    """The CRC64NVME of two byte strings joined, from the CRC of each and the second's length in bytes."""
    value: int = checksums.combine_crc64nvme(first, second, second_length)
    return value


def crc64nvme_to_base64(value: int) -> str:
    """As S3 writes it: eight bytes, most significant first, in base64."""
    return base64.b64encode(value.to_bytes(_CRC64NVME_BYTES)).decode()


# hashlib's only: it can neither be saved nor resumed.
_BLAKE2B = "blake2b"
_BLAKE2B_BYTES = 64
_ALGORITHMS = {*PLAIN_HASHES, _BLAKE2B, CRC64NVME}
_OTHER_NAMES = {"blake2b512": _BLAKE2B}


def known_algorithm(name: str) -> str | None:
    """Our name of a checksum algorithm, whatever its case and punctuation ("SHA-256"); None when unknown."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain if plain in _ALGORITHMS else _OTHER_NAMES.get(plain)


def digest_bytes(algorithm: str) -> int:
    """The length of a checksum by one of the known algorithms."""
    other = {_BLAKE2B: _BLAKE2B_BYTES, CRC64NVME: _CRC64NVME_BYTES}
    return other[algorithm] if algorithm in other else PLAIN_HASHES[algorithm].digest_bytes


@dataclass(frozen=True, slots=True)
class FileFingerprint:
    """What one reading of a file's bytes gave: SHA-256 (hexadecimal) and CRC64NVME (an integer).

    ``read_twice``: only a second reading says that the bytes are right, for S3 keeps no checksum of them.
    """

    path: str
    size: int
    sha256: str
    crc64nvme: int
    read_twice: bool = False


@dataclass(slots=True)
class Fingerprinting:
    """One reading of one file: SHA-256, CRC64NVME and the uploader's algorithm, fed piece by piece."""

    algorithm: str | None = None
    crc64nvme: int = 0
    position: int = 0
    _sha256: ResumableHash = field(default_factory=lambda: ResumableHash("sha256"))
    _other: Hash | None = None

    def __post_init__(self) -> None:
        """Add the uploader's algorithm where it is another one."""
        if self._other is None and self.algorithm in PLAIN_HASHES and self.algorithm != "sha256":
            self._other = ResumableHash(self.algorithm)
        elif self._other is None and self.algorithm == _BLAKE2B:
            self._other = hashlib.blake2b()

    def update(self, data: bytes) -> None:
        """Feed the next bytes."""
        self._sha256.update(data)
        self.crc64nvme = crc64nvme(data, self.crc64nvme)
        if self._other is not None:
            self._other.update(data)
        self.position += len(data)

    def fingerprint(self, path: str, *, read_twice: bool = False) -> FileFingerprint:
        """What the reading gave."""
        return FileFingerprint(path, self.position, self._sha256.hexdigest(), self.crc64nvme, read_twice)

    def checksum(self) -> str:
        """The hash by the uploader's algorithm, hexadecimal."""
        if self.algorithm == CRC64NVME:
            return self.crc64nvme.to_bytes(_CRC64NVME_BYTES).hex()
        return (self._other or self._sha256).hexdigest()

    @property
    def resumable(self) -> bool:
        """Whether the reading can be saved; BLAKE2b cannot."""
        return self._other is None or isinstance(self._other, ResumableHash)

    def save(self) -> dict[str, Any]:
        """The state as JSON has it, for ``resume``. Only where ``resumable``."""
        return {
            "algorithm": self.algorithm,
            "crc64nvme": self.crc64nvme,
            "position": self.position,
            "sha256": self._sha256.save().hex(),
            "other": self._other.save().hex() if isinstance(self._other, ResumableHash) else None,
        }

    @classmethod
    def resume(cls, saved: Mapping[str, Any]) -> Self:
        """Go on where ``save`` was called."""
        other = saved["other"] and ResumableHash(saved["algorithm"], bytes.fromhex(saved["other"]))
        return cls(
            algorithm=saved["algorithm"],
            crc64nvme=saved["crc64nvme"],
            position=saved["position"],
            _sha256=ResumableHash("sha256", bytes.fromhex(saved["sha256"])),
            _other=other,
        )


# sha256:..., SHA-256-...
_NAMED = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9-]*)[:-](?P<rest>.+)")


def algorithm_named(tag: str) -> str | None:
    """The algorithm that BSD's tools (SHA256) or openssl (SHA2-256) mean; None when it is not known."""
    return known_algorithm(re.sub("^sha2-", "sha", tag, flags=re.IGNORECASE))


def taken_apart(written: str, algorithm: str | None) -> tuple[str | None, str]:
    """The algorithm in front of a checksum, where there is one that is known, else ``algorithm``; and the rest."""
    named = _NAMED.fullmatch(written.strip())
    found = algorithm_named(named["name"]) if named else None
    return (found, named["rest"]) if named and found else (algorithm, written.strip())


def hexadecimal(written: str, algorithm: str) -> str | None:
    """A checksum of ``algorithm`` (``known_algorithm``) in small hexadecimal digits; None when it is none of it."""
    found, rest = taken_apart(written, algorithm)
    digits = 2 * digest_bytes(algorithm)
    if found != algorithm:
        return None
    if len(rest) == digits and re.fullmatch("[0-9A-Fa-f]+", rest):
        return rest.lower()
    try:
        decoded = base64.b64decode(rest, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded.hex() if 2 * len(decoded) == digits else None
