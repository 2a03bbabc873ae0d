"""Match what the catalogue says of a dataset with what lies in the bucket. Pure: no requests are made here."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

from archiver.digests import known_algorithm
from archiver.errors import MAX_NAMED_FILES, Code, DatasetRejected
from archiver.filelist import byte_order
from archiver.models import CatalogueFile, S3Object, SourceFile
from archiver.names import wrong_path

type Kind = Literal["file", "directory", "symlink"]

# JavaScript's Number.MAX_SAFE_INTEGER: beyond it the catalogue itself does not know the size.
MAX_SIZE = 2**53 - 1

# What may have to be restored before it can be read; some services take the class as a mere label.
_TAPE_CLASSES = {"GLACIER", "DEEP_ARCHIVE"}
_EPOCH = datetime.fromtimestamp(0, UTC)
_SYMBOLIC_MODE = re.compile(r"^[-dlL]?([r-][w-][xsS-])([r-][w-][xsS-])([r-][w-][xtT-])")
_KINDS: dict[str, Kind] = {"d": "directory", "directory": "directory", "l": "symlink", "symlink": "symlink"}
_DEFAULT_MODE: dict[Kind, int] = {"file": 0o644, "directory": 0o755, "symlink": 0o777}


def match(catalogued: Iterable[CatalogueFile], uploaded: Iterable[S3Object], prefix: str) -> Iterator[SourceFile]:
    """The dataset's files, each pinned to the object that holds it, in the order of their paths' UTF-8 bytes.

    Both sides stand in that order, ``uploaded`` being the objects under ``prefix``; neither is held in memory.
    Directories and symlinks of the catalogue's list need no object. When the two sides differ the iterator
    ends in DatasetRejected: ``bad_path``, ``bad_size``, ``bad_checksum_algorithm``, ``no_files``,
    ``missing_files``, ``extra_files`` or ``size_mismatch``, naming the first hundred and counting all.
    """
    list_checks = _ListChecks(prefix)
    objects = iter(uploaded)
    found = next(objects, None)
    missing, extra, wrong_size = _Problem(), _Problem(), _Problem()
    for entry in filter(list_checks.pass_on, catalogued):
        wanted = prefix + entry.path
        while found is not None and found.key < wanted:
            extra.add(found.key.removeprefix(prefix))
            found = next(objects, None)
        kind = kind_of(entry)
        if found is None or found.key != wanted:
            if kind == "file":
                missing.add(entry.path)
            else:
                yield _source(entry, kind, None)
            continue
        if kind == "file" and found.size != entry.size:
            wrong_size.add(f"{entry.path} ({entry.size} bytes in the catalogue, {found.size} uploaded)")
        elif kind == "file":
            yield _source(entry, kind, found)
        else:
            extra.add(entry.path)
        found = next(objects, None)
    while found is not None:
        extra.add(found.key.removeprefix(prefix))
        found = next(objects, None)
    list_checks.refuse()
    missing.refuse(Code.MISSING_FILES, "of the catalogue's files are not in the bucket")
    wrong_size.refuse(Code.SIZE_MISMATCH, "files do not have the size that the catalogue says")
    extra.refuse(Code.EXTRA_FILES, "files in the bucket are not in the catalogue")


def kind_of(entry: CatalogueFile) -> Kind:
    """What an entry of the catalogue's list is; uploaders mark directories and symlinks in ``perm`` or ``type``.

    A path that ends with '/' is a directory, as S3's own consoles write one. Whatever else is claimed, a device
    or a hard link, is the bytes that were uploaded under its path, or missing.
    """
    if entry.path.endswith("/"):
        return "directory"
    if entry.type is not None and entry.type.lower() in _KINDS:
        return _KINDS[entry.type.lower()]
    return _KINDS.get((entry.perm or "")[:1].lower(), "file")


def mode_of(entry: CatalogueFile) -> int:
    """Permission bits from ``perm``, written ``0644``, ``100644`` or ``-rw-r--r--``; the usual ones otherwise."""
    perm = entry.perm or ""
    symbolic = _SYMBOLIC_MODE.match(perm)
    if symbolic:
        return int("".join("0" if bit in "-ST" else "1" for bit in "".join(symbolic.groups())), 2)
    digits = perm.removeprefix("0o")
    if digits and all(digit in "01234567" for digit in digits):
        return int(digits, 8) & 0o777
    return _DEFAULT_MODE[kind_of(entry)]


def packed(entry: CatalogueFile, chk_alg: str | None) -> SourceFile:
    """An entry of a datablock's list as the file that was packed; its ``chk`` is by ``chk_alg`` unless it says.

    A checksum of an algorithm that is not known is left out.
    """
    algorithm = known_algorithm(entry.chk_alg or chk_alg or "")
    return SourceFile(
        path=entry.path,
        size=entry.size,
        mtime_ns=_nanoseconds(entry.time, None),
        mode=mode_of(entry),
        chk=entry.chk if algorithm else None,
        chk_alg=algorithm if entry.chk else None,
        kind=kind_of(entry),
        time=entry.time,
        perm=entry.perm,
        uid=entry.uid,
        gid=entry.gid,
    )


class Fingerprint:
    """256 bits of the catalogue's list, whatever its order: has it changed since? And the sum of its sizes.

    The fingerprint is the sum of the entries' SHA-256, so that no list is held. It detects changes, it does not
    withstand forgers: who may change the list may archive another one anyway.
    """

    def __init__(self) -> None:
        self._sum = 0
        self.size = 0

    @property
    def hexadecimal(self) -> str:
        """The fingerprint of the entries that went by so far."""
        return f"{self._sum % 2**256:064x}"

    def watch(self, catalogued: Iterable[CatalogueFile]) -> Iterator[CatalogueFile]:
        """The same entries."""
        for entry in catalogued:
            line = json.dumps([entry.path, entry.size, entry.time, entry.chk, entry.chk_alg])
            self._sum += int.from_bytes(hashlib.sha256(line.encode()).digest())
            self.size += entry.size if _is_size(entry.size) else 0
            yield entry


def fingerprint_of(catalogued: Iterable[CatalogueFile]) -> str:
    """The fingerprint of a whole list."""
    fingerprint = Fingerprint()
    for _ in fingerprint.watch(catalogued):
        pass
    return fingerprint.hexadecimal


def _is_size(size: object) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= MAX_SIZE


def _source(entry: CatalogueFile, kind: Kind, found: S3Object | None) -> SourceFile:
    return SourceFile(
        path=entry.path,
        size=0 if found is None else found.size,
        mtime_ns=_nanoseconds(entry.time, found),
        mode=mode_of(entry),
        etag="" if found is None else found.etag,
        chk=(entry.chk or None) if entry.chk_alg else None,
        chk_alg=entry.chk_alg if entry.chk else None,
        kind=kind,
        time=entry.time or (found.modified if found else _EPOCH).isoformat(),
        perm=entry.perm,
        uid=entry.uid,
        gid=entry.gid,
        offline=found is not None and found.storage_class in _TAPE_CLASSES,
    )


def _nanoseconds(time: str, found: S3Object | None) -> int:
    """The catalogue's time in UTC; the upload's where the catalogue has none that can be read."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        moment = found.modified if found else _EPOCH
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


class _ListChecks:
    """Whether every path, size and checksum algorithm of the catalogue's list may stand, entry by entry."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._bad_path, self._bad_size, self._bad_algorithm = _Problem(), _Problem(), _Problem()
        self._files = 0
        self._last = b""
        # Files before, each of whose paths begins with the one before it: they may turn out to be folders.
        self._beginnings: list[str] = []

    def pass_on(self, entry: CatalogueFile) -> bool:
        """Whether the next entry, in byte order, may be matched. Raises ValueError for one out of order."""
        is_file = kind_of(entry) == "file"
        self._files += is_file
        wrong = self._wrong_path(entry)
        if wrong:
            self._bad_path.add(f"{entry.path} {wrong}")
        else:
            self._note_folders(entry.path, is_file=is_file)
        if not _is_size(entry.size):
            self._bad_size.add(f"{entry.path} ({entry.size!r})")
        if entry.chk and entry.chk_alg and known_algorithm(entry.chk_alg) is None:
            self._bad_algorithm.add(f"{entry.path} ({entry.chk_alg})")
        return wrong is None

    def refuse(self) -> None:
        """Raise DatasetRejected for what did not pass, or when nothing was a file."""
        self._bad_path.refuse(Code.BAD_PATH, "paths may not name a file")
        self._bad_size.refuse(Code.BAD_SIZE, "sizes are not whole numbers of bytes")
        self._bad_algorithm.refuse(Code.BAD_CHECKSUM_ALGORITHM, "checksums are of an unknown algorithm")
        if not self._files:
            raise DatasetRejected(Code.NO_FILES, "The catalogue lists no files for this dataset.")

    def _wrong_path(self, entry: CatalogueFile) -> str | None:
        last, self._last = self._last, byte_order(entry)
        if self._last < last:
            raise ValueError("the catalogue's list is not in the order of its paths' bytes")
        wrong = wrong_path(entry.path, self._prefix)
        return "is listed twice" if wrong is None and self._last == last else wrong

    def _note_folders(self, path: str, *, is_file: bool) -> None:
        """Refuse the files that the path uses as folders: in byte order they all stand among its beginnings."""
        while self._beginnings and not path.startswith(self._beginnings[-1]):
            self._beginnings.pop()
        folders = [file for file in self._beginnings if path[len(file)] == "/"]
        for file in folders:
            self._bad_path.add(f"{file} is a file and a folder")
            self._beginnings.remove(file)
        if is_file:
            self._beginnings.append(path)


class _Problem:
    """The first hundred files that something is wrong with, and how many there are."""

    def __init__(self) -> None:
        self._named: list[str] = []
        self._count = 0

    def add(self, file: str) -> None:
        self._count += 1
        if len(self._named) < MAX_NAMED_FILES:
            self._named.append(file)

    def refuse(self, code: Code, sentence: str) -> None:
        if self._count:
            raise DatasetRejected(code, f"{self._count} {sentence}.", self._named, self._count)
