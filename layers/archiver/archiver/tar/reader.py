"""Reads a tar as its bytes go by: size and checksum of each member asked for, size and CRC64NVME of the whole.

Nothing is kept but the header at hand, so a tar of any size takes no memory; and a reading can be saved
between any two bytes and resumed by another process. It understands what tars of files consist of:
ustar and pax (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, "Extended
Description") and GNU's long names (https://www.gnu.org/software/tar/manual/html_node/Standard.html).
"""

import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NoReturn, Self

from archiver.checksums import Fingerprinting, crc64nvme
from archiver.errors import Code, ServiceRefused

_BLOCK: Final = tarfile.BLOCKSIZE
# Members that say something of the next one; a global header (git writes one) says nothing of a file's bytes.
_PAX_HEADERS: Final = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_EXTENSIONS: Final = (*_PAX_HEADERS, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
# A header's extension holds a path and some numbers, a longer one is damage; so many bytes are held at most.
_LONGEST_EXTENSION: Final = 1024**2
_LEADING: Final = re.compile(r"^(\.?/+)+")
_PAX_RECORD: Final = re.compile(rb"(\d{1,20}) ([^=]+)=")
_PATH: Final = b"path"
_LINK: Final = b"linkpath"
_SIZE: Final = b"size"
_LONG_NAMES: Final = {tarfile.GNUTYPE_LONGNAME: _PATH, tarfile.GNUTYPE_LONGLINK: _LINK}
_OF_ONE: Final = frozenset({_PATH, _LINK, _SIZE})
_SPARSE: Final = b"GNU.sparse"
# More bytes than any file has, or than follow the end of a tar.
_ENDLESS: Final = 2**63
# Characters of a name that an error repeats.
_SHOWN: Final = 200

# Why a member with this path, this type in its header and this path as a link's may not be in a tar; None when it may.
type Refusal = Callable[[str, bytes, str], str | None]


def _nothing_is_refused(_path: str, _kind: bytes, _link: str) -> None:
    """A tar that is read for its wanted members alone."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file that has gone by: ``size`` in bytes, ``checksum`` hexadecimal by the algorithm that was asked for.

    ``link`` is the earlier member whose bytes this one shares (a hard link has none of its own), or "".
    """

    path: str
    size: int
    checksum: str | None
    link: str = ""


def plain_path(name: str) -> str:
    """A member's name as a catalogue writes it: without the leading ``./`` or ``/`` that some tars have."""
    return _LEADING.sub("", name)


class _Stage(StrEnum):
    """What the next bytes are."""

    HEADER = "header"
    EXTENSION = "extension"
    BODY = "body"
    PADDING = "padding"
    END = "end"


class TarReader:
    """One reading of one tar, fed in order, in pieces of any size.

    ``wanted`` names the files to look for (``plain_path``), each with the algorithm of its checksum
    (``known_algorithm``), or None where its size is enough. ``refusal`` judges every member.
    ``size`` (bytes) and ``crc64nvme`` are those of everything fed so far.
    """

    def __init__(self, wanted: Mapping[str, str | None], refusal: Refusal = _nothing_is_refused) -> None:
        self.size = 0
        self.crc64nvme = 0
        self._wanted = wanted
        self._refusal = refusal
        self._stage = _Stage.HEADER
        self._left = _BLOCK  # bytes of this stage
        self._held = b""  # a header or an extension that is not complete
        self._kind = b""  # the type of the extension
        self._given: dict[bytes, bytes] = {}  # what extensions say of the next member
        self._member: Member | None = None  # the wanted one that goes by; its checksum is to come
        self._hashing: Fingerprinting | None = None

    def feed(self, data: bytes) -> list[Member]:
        """Take the next bytes; returns the wanted members that ended in them, in order.

        Raises ServiceRefused(CORRUPT_DATABLOCK) as soon as the bytes are no tar, on a member that is refused, and on
        a sparse one: its bytes are not all there.
        """
        self.crc64nvme = crc64nvme(data, self.crc64nvme)
        ended: list[Member] = []
        start = 0
        while start < len(data):
            piece = data[start : start + self._left]
            start += len(piece)
            self.size += len(piece)
            self._left -= len(piece)
            self._take(piece)
            while self._left == 0:
                ended += self._end_stage()
        return ended

    def finish(self) -> None:
        """Say that no bytes follow. Raises ServiceRefused(CORRUPT_DATABLOCK) when the tar's end is missing."""
        if self._stage is not _Stage.END:
            self._refuse("ends too early")

    @property
    def member(self) -> str:
        """The wanted file that is going by, or ""."""
        return self._member.path if self._member else ""

    @property
    def resumable(self) -> bool:
        """Whether ``save`` can be called now; a member hashed by BLAKE2b cannot be left half way."""
        return self._hashing is None or self._hashing.resumable

    def save(self) -> dict[str, Any]:
        """The state as JSON has it, for ``resume``. Only where ``resumable``."""
        return {
            "size": self.size,
            "crc64nvme": self.crc64nvme,
            "stage": self._stage,
            "left": self._left,
            "held": self._held.hex(),
            "kind": self._kind.hex(),
            "given": {keyword.hex(): value.hex() for keyword, value in self._given.items()},
            "member": self._member and {"path": self._member.path, "size": self._member.size},
            "hashing": self._hashing and self._hashing.save(),
        }

    @classmethod
    def resume(
        cls, wanted: Mapping[str, str | None], saved: Mapping[str, Any], refusal: Refusal = _nothing_is_refused
    ) -> Self:
        """Go on where ``save`` was called."""
        reader = cls(wanted, refusal)
        reader.size = saved["size"]
        reader.crc64nvme = saved["crc64nvme"]
        reader._stage = _Stage(saved["stage"])
        reader._left = saved["left"]
        reader._held = bytes.fromhex(saved["held"])
        reader._kind = bytes.fromhex(saved["kind"])
        reader._given = {bytes.fromhex(keyword): bytes.fromhex(value) for keyword, value in saved["given"].items()}
        reader._member = saved["member"] and Member(saved["member"]["path"], saved["member"]["size"], None)
        reader._hashing = saved["hashing"] and Fingerprinting.resume(saved["hashing"])
        return reader

    def _take(self, piece: bytes) -> None:
        if self._stage in (_Stage.HEADER, _Stage.EXTENSION):
            self._held += piece
        elif self._stage is _Stage.BODY and self._hashing is not None:
            self._hashing.update(piece)

    def _end_stage(self) -> list[Member]:
        """Go on after a stage whose bytes are complete; returns the member that ended with it, if it was wanted."""
        held, self._held = self._held, b""
        ended: list[Member] = []
        match self._stage:
            case _Stage.HEADER:
                ended = self._read_header(held)
            case _Stage.EXTENSION:
                self._read_extension(held)
                self._begin_padding()
            case _Stage.BODY:
                ended = self._end_member()
                self._begin_padding()
            case _:
                self._begin(_Stage.HEADER, _BLOCK)
        return ended

    def _begin(self, stage: _Stage, length: int) -> None:
        self._stage, self._left = stage, length

    def _begin_padding(self) -> None:
        """Everything in a tar begins at a multiple of 512 bytes."""
        self._begin(_Stage.PADDING, -self.size % _BLOCK)

    def _read_header(self, block: bytes) -> list[Member]:
        if block == bytes(_BLOCK):
            self._begin(_Stage.END, _ENDLESS)
            return []
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            self._refuse(f"has a broken header ({error})")
        if header.type in _EXTENSIONS:
            self._begin_extension(header)
            return []
        return self._begin_member(header)

    def _begin_extension(self, header: tarfile.TarInfo) -> None:
        if not 0 <= header.size <= _LONGEST_EXTENSION:
            self._refuse(f"has an extended header of {header.size} bytes")
        self._kind = header.type
        self._begin(_Stage.EXTENSION, header.size)

    def _begin_member(self, header: tarfile.TarInfo) -> list[Member]:
        """Returns the member if it ends with its header: a hard link."""
        given, self._given = self._given, {}
        if header.type == tarfile.GNUTYPE_SPARSE or any(keyword.startswith(_SPARSE) for keyword in given):
            self._refuse("has a sparse file")
        path = _given_path(given, _PATH) or plain_path(header.name)
        link = _given_path(given, _LINK) or plain_path(header.linkname)
        if why := self._refusal(path, header.type, link):
            self._refuse(f"has {path[:_SHOWN]!r}, which {why}")
        # Folders, links and devices have no body, whatever size their header says. Unknown kinds have one.
        if not header.isreg() and header.type in tarfile.SUPPORTED_TYPES:
            self._begin(_Stage.HEADER, _BLOCK)
            return [Member(path, 0, None, link)] if header.islnk() and path in self._wanted else []
        size = self._size_of(header, given)
        if header.isreg() and path in self._wanted:
            self._member = Member(path, size, None)
            algorithm = self._wanted[path]
            self._hashing = Fingerprinting(algorithm) if algorithm else None
        self._begin(_Stage.BODY, size)
        return []

    def _size_of(self, header: tarfile.TarInfo, given: Mapping[bytes, bytes]) -> int:
        """The member's bytes; a pax record says it where it is too long for the header (8 GiB)."""
        try:
            size = int(given.get(_SIZE, b"") or header.size)
        except ValueError:
            size = -1
        if not 0 <= size < _ENDLESS:
            self._refuse("has a member of an impossible size")
        return size

    def _end_member(self) -> list[Member]:
        member, self._member = self._member, None
        hashed, self._hashing = self._hashing, None
        if member is None:
            return []
        return [replace(member, checksum=hashed.checksum()) if hashed else member]

    def _read_extension(self, body: bytes) -> None:
        if self._kind in _LONG_NAMES:
            self._given[_LONG_NAMES[self._kind]] = body.partition(b"\0")[0]
        elif self._kind in _PAX_HEADERS:
            self._given |= self._pax_records(body)
        elif not _OF_ONE.isdisjoint(self._pax_records(body)):
            # Some programs that unpack would go by it, under other names than those that were looked at.
            self._refuse("says of all its members what can be of one alone")

    def _pax_records(self, body: bytes) -> dict[bytes, bytes]:
        """The records ``<length> <keyword>=<value>\\n``; the length, in bytes, is that of the whole record."""
        records = {}
        start = 0
        while start < len(body):
            head = _PAX_RECORD.match(body, start)
            end = start + int(head[1]) if head else 0
            if head is None or end <= head.end() or body[end - 1 : end] != b"\n":
                self._refuse("has a broken extended header")
            records[head[2]] = body[head.end() : end - 1]
            start = end
        return records

    def _refuse(self, why: str) -> NoReturn:
        raise ServiceRefused(Code.CORRUPT_DATABLOCK, f"The tar {why}, before byte {self.size}.")


def _given_path(given: Mapping[bytes, bytes], keyword: bytes) -> str:
    return plain_path(given.get(keyword, b"").decode("utf-8", "surrogateescape"))
