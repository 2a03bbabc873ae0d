"""Hashes of bytes that arrive in pieces: saved half way, resumed by another process, and CRCs that add up.

``hashlib`` cannot save a hash. The plain contexts of libcrypto (``SHA256_CTX`` and the like) are flat
structures without pointers, so their bytes are all there is to save; they run at the speed of hashlib
and, like it, without the interpreter's lock.
"""

import _hashlib
import base64
import ctypes
import ctypes.util
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, Self

from awscrt import checksums  # type: ignore[import-untyped]

from archiver.models import FileFingerprint

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


@dataclass(frozen=True, slots=True)
class _PlainHash:
    """A hash of libcrypto: the prefix of its functions, the bytes of its context and of its digest.

    The structures are public (``openssl/sha.h``, ``openssl/md5.h``) and have not changed since OpenSSL 1.0.
    """

    prefix: str
    context_bytes: int
    digest_bytes: int


_PLAIN_HASHES = {
    "md5": _PlainHash("MD5", 92, 16),
    "sha1": _PlainHash("SHA1", 96, 20),
    "sha256": _PlainHash("SHA256", 112, 32),
    "sha512": _PlainHash("SHA512", 216, 64),
}
# hashlib's only: it can neither be saved nor resumed.
_BLAKE2B = "blake2b"
_BLAKE2B_BYTES = 64
_ALGORITHMS = {*_PLAIN_HASHES, _BLAKE2B, CRC64NVME}
_OTHER_NAMES = {"blake2b512": _BLAKE2B}


def known_algorithm(name: str) -> str | None:
    """Our name of a checksum algorithm, whatever its case and punctuation ("SHA-256"); None when unknown."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain if plain in _ALGORITHMS else _OTHER_NAMES.get(plain)


def digest_bytes(algorithm: str) -> int:
    """The length of a checksum by one of the known algorithms."""
    other = {_BLAKE2B: _BLAKE2B_BYTES, CRC64NVME: _CRC64NVME_BYTES}
    return other[algorithm] if algorithm in other else _PLAIN_HASHES[algorithm].digest_bytes


class Hash(Protocol):
    """A hash that is fed piece by piece."""

    def update(self, data: bytes, /) -> None:
        """Feed the next bytes."""
        ...

    def hexdigest(self) -> str:
        """The hash of all bytes so far, hexadecimal; more may follow."""
        ...


class ResumableHash:
    """MD5, SHA-1, SHA-256 or SHA-512 whose state can be saved and resumed elsewhere."""

    def __init__(self, algorithm: str, saved: bytes | None = None) -> None:
        self._hash = _PLAIN_HASHES[algorithm]
        if saved is not None and len(saved) != self._hash.context_bytes:
            raise ValueError(f"not a saved {algorithm}")
        self._context = ctypes.create_string_buffer(saved or b"", self._hash.context_bytes)
        self._update = _libcrypto_function(self._hash.prefix, "Update")
        if saved is None:
            _libcrypto_function(self._hash.prefix, "Init")(self._context)

    def update(self, data: bytes, /) -> None:
        """Feed the next bytes."""
        self._update(self._context, data, len(data))

    def hexdigest(self) -> str:
        """The hash of all bytes so far, hexadecimal; more may follow."""
        digest = ctypes.create_string_buffer(self._hash.digest_bytes)
        context = ctypes.create_string_buffer(self.save(), self._hash.context_bytes)
        _libcrypto_function(self._hash.prefix, "Final")(digest, context)
        return digest.raw.hex()

    def save(self) -> bytes:
        """The state, for ``saved`` of another process on the same kind of processor."""
        return self._context.raw


@cache
def _libcrypto_function(prefix: str, name: str) -> Callable[..., int]:
    function = getattr(_libcrypto(f"{prefix}_{name}"), f"{prefix}_{name}")
    function.restype = ctypes.c_int
    function.argtypes = {
        "Init": (ctypes.c_void_p,),
        "Update": (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t),
        "Final": (ctypes.c_void_p, ctypes.c_void_p),
    }[name]
    checked: Callable[..., int] = function
    return checked


def _libcrypto(function: str) -> ctypes.CDLL:
    """The library that has ``function``: best the one that hashlib itself uses, reached through its module."""
    for library in _libraries():
        try:
            loaded = ctypes.CDLL(library) if library else None
        except OSError:
            continue
        if loaded is not None and hasattr(loaded, function):
            return loaded
    raise OSError(f"no libcrypto with {function} was found")


def _libraries() -> Iterator[str | None]:
    yield getattr(_hashlib, "__file__", None)
    yield "libcrypto.so.3"
    # The last to be asked: it runs other programs to find out.
    yield ctypes.util.find_library("crypto")


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
        if self._other is None and self.algorithm in _PLAIN_HASHES and self.algorithm != "sha256":
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
