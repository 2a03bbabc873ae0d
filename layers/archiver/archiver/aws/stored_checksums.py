"""What S3 itself says of an object's bytes, and whether bytes that arrived here are those.

S3 keeps a checksum with an object: one of all its bytes, or, where it came in parts, one over the checksums of the
parts (a *composite* one); and an ETag, which often is an MD5, of the whole or over the parts.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html (ETag)
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from awscrt import checksums  # type: ignore[import-untyped]

from archiver.resumable_hash import ResumableHash

# What S3 calls its checksums, the cheapest to compute first.
_NAMES: Mapping[str, str] = {
    "ChecksumCRC64NVME": "crc64nvme",
    "ChecksumCRC32C": "crc32c",
    "ChecksumCRC32": "crc32",
    "ChecksumSHA1": "sha1",
    "ChecksumSHA256": "sha256",
}
_CRCS: Mapping[str, tuple[Callable[[bytes, int], int], int]] = {
    "crc64nvme": (checksums.crc64nvme, 8),
    "crc32c": (checksums.crc32c, 4),
    "crc32": (checksums.crc32, 4),
}
_ETAG = re.compile(r'"?(?P<md5>[0-9a-f]{32})(-(?P<parts>[1-9][0-9]*))?"?', re.IGNORECASE)
# Under these encryptions an ETag is no MD5.
_OPAQUE_ETAGS = frozenset({"aws:kms", "aws:kms:dsse"})


@dataclass(frozen=True, slots=True)
class StoredChecksum:
    """A checksum that S3 keeps of an object: its algorithm and its raw bytes.

    ``parts`` counts the parts whose checksums a composite one is made of; 0: it is one of all bytes. ``lengths`` are
    the bytes of each of these parts, where they are known: without them a composite one cannot be compared.
    """

    algorithm: str
    digest: bytes
    parts: int = 0
    lengths: tuple[int, ...] = ()

    @property
    def comparable(self) -> bool:
        """Whether all that is needed to compute it from the bytes is known."""
        return len(self.lengths) == self.parts

    def with_lengths(self, lengths: Iterable[int]) -> "StoredChecksum":
        """The same, with the bytes of each of its parts."""
        return StoredChecksum(self.algorithm, self.digest, self.parts, tuple(lengths))


def stored_checksums(answer: Mapping[str, Any]) -> list[StoredChecksum]:
    """What an answer of S3 (HeadObject, GetObject) says of its object's bytes; those of all bytes first.

    Empty, when it says nothing that can be computed from the bytes.
    """
    said = [_checksum(algorithm, answer[name]) for name, algorithm in _NAMES.items() if answer.get(name)]
    etag = _ETAG.fullmatch(answer.get("ETag", ""))
    is_md5 = answer.get("ServerSideEncryption") not in _OPAQUE_ETAGS and not answer.get("SSECustomerAlgorithm")
    if etag is not None and is_md5:
        said.append(StoredChecksum("md5", bytes.fromhex(etag["md5"]), int(etag["parts"] or 0)))
    return sorted((checksum for checksum in said if checksum is not None), key=lambda one: one.parts > 0)


def _checksum(algorithm: str, text: str) -> StoredChecksum | None:
    """A checksum as S3 writes it: base64, with ``-<number of parts>`` when it is a composite one."""
    encoded, _, parts = text.partition("-")
    try:
        return StoredChecksum(algorithm, base64.b64decode(encoded, validate=True), int(parts or 0))
    except (binascii.Error, ValueError):
        return None


class _Running(Protocol):
    """A checksum of bytes that arrive in pieces."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...

    def save(self) -> str: ...


class _Crc:
    def __init__(self, algorithm: str, saved: str | None) -> None:
        self._continued, self._bytes = _CRCS[algorithm]
        self._value = int(saved, 16) if saved is not None else 0

    def update(self, data: bytes, /) -> None:
        self._value = self._continued(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._bytes)

    def save(self) -> str:
        return f"{self._value:x}"


class _Hash:
    def __init__(self, algorithm: str, saved: str | None) -> None:
        self._hash = ResumableHash(algorithm, None if saved is None else bytes.fromhex(saved))

    def update(self, data: bytes, /) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        return bytes.fromhex(self._hash.hexdigest())

    def save(self) -> str:
        return self._hash.save().hex()


def _running(algorithm: str, saved: str | None = None) -> _Running:
    return _Crc(algorithm, saved) if algorithm in _CRCS else _Hash(algorithm, saved)


def checksum_of(algorithm: str, data: bytes) -> bytes:
    """The raw checksum of ``data`` by one of S3's algorithms, or MD5."""
    running = _running(algorithm)
    running.update(data)
    return running.digest()


class Comparison:
    """Bytes of one object as they arrive, from its first to its last, against what S3 keeps of them.

    It can be saved between two pieces, and resumed elsewhere.
    """

    def __init__(self, stored: StoredChecksum) -> None:
        """``stored`` must be ``comparable``."""
        self._stored = stored
        self._running = _running(stored.algorithm)
        self._digests = b""
        self._left = stored.lengths[0] if stored.parts else 0

    def update(self, data: bytes) -> None:
        """Feed the next bytes."""
        if not self._stored.parts:
            self._running.update(data)
            return
        view = memoryview(data)
        while view:
            taken = view[: self._left]
            self._running.update(bytes(taken))
            view, self._left = view[len(taken) :], self._left - len(taken)
            if not self._left and not self._end_part():
                return

    def _end_part(self) -> bool:
        """Keep the checksum of the part that is complete; whether another one follows."""
        self._digests += self._running.digest()
        done = len(self._digests) // len(self._stored.digest)
        if done == self._stored.parts:
            return False
        self._running, self._left = _running(self._stored.algorithm), self._stored.lengths[done]
        return True

    def agrees(self) -> bool:
        """Whether all bytes, now that they have arrived, are those that S3 has."""
        if not self._stored.parts:
            return self._running.digest() == self._stored.digest
        return checksum_of(self._stored.algorithm, self._digests) == self._stored.digest

    def save(self) -> dict[str, Any]:
        """The state as JSON has it, for ``resume``."""
        return {"running": self._running.save(), "digests": self._digests.hex(), "left": self._left}

    @classmethod
    def resume(cls, stored: StoredChecksum, saved: Mapping[str, Any]) -> Self:
        """Go on where ``save`` was called, of an object of which S3 says the same."""
        comparison = cls(stored)
        comparison._running = _running(stored.algorithm, saved["running"])
        comparison._digests, comparison._left = bytes.fromhex(saved["digests"]), saved["left"]
        return comparison
