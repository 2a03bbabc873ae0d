"""Hashes of bytes that arrive in pieces: saved half way, resumed by another process.

``hashlib`` cannot save a hash. The plain contexts of libcrypto (``SHA256_CTX`` and the like) are flat
structures without pointers, so their bytes are all there is to save; they run at the speed of hashlib
and, like it, without the interpreter's lock.
"""

import _hashlib
import ctypes
import ctypes.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PlainHash:
    """A hash of libcrypto: the prefix of its functions, the bytes of its context and of its digest.

    The structures are public (``openssl/sha.h``, ``openssl/md5.h``) and have not changed since OpenSSL 1.0.
    """

    prefix: str
    context_bytes: int
    digest_bytes: int


PLAIN_HASHES = {
    "md5": PlainHash("MD5", 92, 16),
    "sha1": PlainHash("SHA1", 96, 20),
    "sha256": PlainHash("SHA256", 112, 32),
    "sha512": PlainHash("SHA512", 216, 64),
}


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
        self._hash = PLAIN_HASHES[algorithm]
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
