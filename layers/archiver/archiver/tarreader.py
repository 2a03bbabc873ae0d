"""Reading a tar as its bytes pass by: the SHA-256 of each member and the CRC64NVME of the whole.

Understands what tars of files consist of: ustar, GNU long names, POSIX pax headers.
"""

import re
import tarfile
from typing import Any, Literal, NoReturn, Self

from archiver.digests import Fingerprinting, crc64nvme
from archiver.errors import Code, ServiceRefused
from archiver.models import FileFingerprint

# What the next bytes are.
type _Stage = Literal["header", "extension", "body", "padding", "end"]

_BLOCK = tarfile.BLOCKSIZE
_EXTENSIONS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
# Larger extended headers than this name no file; so many bytes are held in memory at most.
_LONGEST_EXTENSION = 1024**2
_PAX_RECORD = re.compile(rb"(\d{1,20}) ([^=]+)=")
# More bytes than can follow the end of a tar.
_ENDLESS = 2**63


class TarReader:
    """Fed the bytes of a tar in order, in pieces of any size; can be saved between two pieces.

    Raises ServiceRefused(CORRUPT_DATABLOCK) as soon as the bytes are no tar.
    """

    def __init__(self) -> None:
        self.size = 0
        self.crc64nvme = 0
        self._stage: _Stage = "header"
        self._left = _BLOCK  # bytes of this stage
        self._held = b""  # bytes of a header or an extension that is not complete
        self._kind = b""  # of the extension
        self._given: dict[str, str] = {}  # what extensions say of the next member
        self._path = ""
        self._body: Fingerprinting | None = None

    def feed(self, data: bytes) -> list[FileFingerprint]:
        """Take the next bytes; returns the files that ended in them, in order."""
        self.size += len(data)
        self.crc64nvme = crc64nvme(data, self.crc64nvme)
        ended: list[FileFingerprint] = []
        start = 0
        while start < len(data):
            piece = data[start : start + self._left]
            start += len(piece)
            self._left -= len(piece)
            self._take(piece)
            while self._left == 0:
                ended += self._next_stage()
        return ended

    def finish(self) -> None:
        """Say that no bytes follow. Raises ServiceRefused(CORRUPT_DATABLOCK) when the tar's end is missing."""
        if self._stage != "end":
            self._refuse("ends too early")

    def save(self) -> dict[str, Any]:
        """The state as JSON has it, for ``resume``."""
        return {
            "size": self.size,
            "crc64nvme": self.crc64nvme,
            "stage": self._stage,
            "left": self._left,
            "held": self._held.hex(),
            "kind": self._kind.hex(),
            "given": self._given,
            "path": self._path,
            "body": self._body.save() if self._body else None,
        }

    @classmethod
    def resume(cls, saved: dict[str, Any]) -> Self:
        """Go on where ``save`` was called."""
        reader = cls()
        reader.size = saved["size"]
        reader.crc64nvme = saved["crc64nvme"]
        reader._stage = saved["stage"]
        reader._left = saved["left"]
        reader._held = bytes.fromhex(saved["held"])
        reader._kind = bytes.fromhex(saved["kind"])
        reader._given = saved["given"]
        reader._path = saved["path"]
        reader._body = Fingerprinting.resume(saved["body"]) if saved["body"] else None
        return reader

    def _take(self, piece: bytes) -> None:
        if self._body is not None:
            self._body.update(piece)
        elif self._stage in ("header", "extension"):
            self._held += piece

    def _next_stage(self) -> list[FileFingerprint]:
        """What follows a stage whose bytes are complete; returns the file that ended, if one did."""
        held, self._held = self._held, b""
        if self._stage == "header":
            self._read_header(held)
        elif self._stage == "extension":
            self._read_extension(held)
            self._begin("padding", -len(held) % _BLOCK)
        elif self._stage == "body" and self._body is not None:
            file, self._body = self._body.fingerprint(self._path), None
            self._begin("padding", -file.size % _BLOCK)
            return [file]
        else:
            self._begin("header", _BLOCK)
        return []

    def _begin(self, stage: _Stage, size: int) -> None:
        self._stage = stage
        self._left = size

    def _read_header(self, block: bytes) -> None:
        if block == bytes(_BLOCK):
            return self._begin("end", _ENDLESS)
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            self._refuse(f"has a broken header ({error})")
        if member.type in _EXTENSIONS:
            if member.size > _LONGEST_EXTENSION:
                self._refuse("has an extended header that is too long")
            self._kind = member.type
            return self._begin("extension", member.size)
        given, self._given = self._given, {}
        if member.type == tarfile.GNUTYPE_SPARSE or any(keyword.startswith("GNU.sparse") for keyword in given):
            self._refuse("has a sparse file")
        if not member.isreg():
            return self._begin("header", _BLOCK)
        self._path = given.get("path", member.name)
        self._body = Fingerprinting()
        return self._begin("body", int(given.get("size", member.size)))

    def _read_extension(self, body: bytes) -> None:
        if self._kind == tarfile.GNUTYPE_LONGNAME:
            self._given["path"] = _text(body.split(b"\0", 1)[0])
        elif self._kind == tarfile.XHDTYPE:
            self._given |= self._pax_records(body)

    def _pax_records(self, body: bytes) -> dict[str, str]:
        records = {}
        start = 0
        while start < len(body):
            head = _PAX_RECORD.match(body, start)
            end = start + int(head[1]) if head else 0
            if head is None or end <= head.end() or body[end - 1 : end] != b"\n":
                self._refuse("has a broken extended header")
            records[_text(head[2])] = _text(body[head.end() : end - 1])
            start = end
        return records

    def _refuse(self, why: str) -> NoReturn:
        raise ServiceRefused(Code.CORRUPT_DATABLOCK, f"The tar {why}, about byte {self.size}.")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
