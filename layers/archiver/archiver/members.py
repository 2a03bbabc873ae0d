"""Reads a tar as it streams by: which members it has, and the checksum of each one asked for.

Nothing is kept but the header at hand, so a tar of any size takes no memory; and the reading can be
saved between any two bytes and resumed by another process. POSIX pax and ustar headers
(https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html).
"""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from archiver.digests import Fingerprinting

_BLOCK: Final = tarfile.BLOCKSIZE
# A pax header holds a path and some numbers; a longer one is damage.
_LONGEST_EXTENSION: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Member:
    """A file that has gone by: ``size`` in bytes, ``checksum`` hexadecimal by the algorithm that was asked for."""

    path: str
    size: int
    checksum: str


class _Phase(StrEnum):
    """What the next bytes are."""

    HEADER = "header"
    EXTENSION = "extension"
    BODY = "body"
    PADDING = "padding"
    END = "end"


@dataclass(slots=True)
class MemberReader:
    """One reading of one tar. ``algorithms`` names the paths whose checksum is wanted, and by which algorithm."""

    algorithms: Mapping[str, str]
    _phase: _Phase = _Phase.HEADER
    _left: int = _BLOCK
    _held: bytes = b""
    _records: dict[str, str] = field(default_factory=dict)
    _path: str = ""
    _size: int = 0
    _reading: Fingerprinting | None = None

    def feed(self, data: bytes) -> list[Member]:
        """Take the next bytes; returns the wanted members that ended in them. Raises ValueError on damaged headers."""
        ended: list[Member] = []
        position = 0
        while position < len(data) and not self._is_over:
            piece = data[position : position + self._left]
            position += len(piece)
            self._left -= len(piece)
            self._take(piece)
            while self._left == 0 and not self._is_over:
                ended += self._next_phase()
        return ended

    @property
    def _is_over(self) -> bool:
        return self._phase is _Phase.END

    @property
    def resumable(self) -> bool:
        """Whether ``save`` can be called now; a member hashed by BLAKE2b cannot be left half way."""
        return self._reading is None or self._reading.resumable

    def save(self) -> dict[str, Any]:
        """The state as JSON has it, for ``resume``. Only where ``resumable``."""
        return {
            "phase": self._phase,
            "left": self._left,
            "held": self._held.hex(),
            "records": self._records,
            "path": self._path,
            "size": self._size,
            "reading": self._reading and self._reading.save(),
        }

    @classmethod
    def resume(cls, algorithms: Mapping[str, str], saved: Mapping[str, Any]) -> Self:
        """Go on where ``save`` was called."""
        return cls(
            algorithms,
            _Phase(saved["phase"]),
            saved["left"],
            bytes.fromhex(saved["held"]),
            dict(saved["records"]),
            saved["path"],
            saved["size"],
            saved["reading"] and Fingerprinting.resume(saved["reading"]),
        )

    def _take(self, piece: bytes) -> None:
        if self._phase in (_Phase.HEADER, _Phase.EXTENSION):
            self._held += piece
        elif self._phase is _Phase.BODY and self._reading is not None:
            self._reading.update(piece)

    def _next_phase(self) -> list[Member]:
        """What comes after the phase that is complete; returns the member that ended with it, if it was wanted."""
        if self._phase is _Phase.HEADER:
            self._read_header()
        elif self._phase is _Phase.EXTENSION:
            self._records = _pax_records(self._held[: self._size])
            self._expect(_Phase.HEADER, _BLOCK)
        elif self._phase is _Phase.BODY:
            self._expect(_Phase.PADDING, -self._size % _BLOCK)
            return self._end_of_member()
        else:
            self._expect(_Phase.HEADER, _BLOCK)
        return []

    def _expect(self, phase: _Phase, length: int) -> None:
        self._phase, self._left, self._held = phase, length, b""

    def _read_header(self) -> None:
        try:
            header = tarfile.TarInfo.frombuf(self._held, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            if any(self._held):
                raise ValueError(f"not a tar header: {error}") from error
            self._expect(_Phase.END, 0)
            return
        self._size = header.size
        if header.type == tarfile.XHDTYPE:
            if self._size > _LONGEST_EXTENSION:
                raise ValueError(f"a pax header of {self._size} bytes")
            self._expect(_Phase.EXTENSION, self._size + -self._size % _BLOCK)
            return
        self._size = int(self._records.get("size", self._size))
        self._path = self._records.get("path", header.name)
        self._records = {}
        algorithm = self.algorithms.get(self._path) if header.isreg() else None
        self._reading = Fingerprinting(algorithm) if algorithm else None
        self._expect(_Phase.BODY, self._size)

    def _end_of_member(self) -> list[Member]:
        if self._reading is None:
            return []
        member = Member(self._path, self._size, self._reading.checksum())
        self._reading = None
        return [member]


def _pax_records(body: bytes) -> dict[str, str]:
    """The records ``<length> <keyword>=<value>\\n`` of a pax header. Raises ValueError when they are none."""
    records: dict[str, str] = {}
    while body:
        length, _, _ = body.partition(b" ")
        record, body = body[: int(length)], body[int(length) :]
        keyword, _, value = record[len(length) + 1 : -1].partition(b"=")
        records[keyword.decode()] = value.decode("utf-8", "surrogateescape")
    return records
