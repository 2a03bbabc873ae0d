"""Match what the catalogue says of a dataset with what lies in the bucket. Pure: no requests are made here."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal

import orjson

from archiver.digests import known_algorithm
from archiver.errors import MAX_NAMED_FILES, Code, DatasetRejected
from archiver.models import CatalogueFile, S3Object, SourceFile
from archiver.names import wrong_path

type Kind = Literal["file", "directory", "symlink"]

# JavaScript's Number.MAX_SAFE_INTEGER: beyond it the catalogue itself does not know the size.
MAX_SIZE = 2**53 - 1

_SYMBOLIC_MODE = re.compile(r"^[-dlL]?([r-][w-][xsS-])([r-][w-][xsS-])([r-][w-][xtT-])")
_KINDS: dict[str, Kind] = {"d": "directory", "directory": "directory", "l": "symlink", "symlink": "symlink"}
_DEFAULT_MODE: dict[Kind, int] = {"file": 0o644, "directory": 0o755, "symlink": 0o777}


def match(catalogued: Iterable[CatalogueFile], uploaded: Iterable[S3Object], prefix: str) -> Iterator[SourceFile]:
    """The dataset's files, each pinned to the object that holds it, in the order of their paths' UTF-8 bytes.

    ``uploaded`` are the objects under ``prefix`` in S3's own order. Directories and symlinks of the
    catalogue's list need no object. When the two sides differ the iterator ends in DatasetRejected:
    ``bad_path``, ``bad_size``, ``bad_checksum_algorithm``, ``no_files``, ``missing_files``,
    ``extra_files`` or ``size_mismatch``, naming the first hundred and counting all.
    """
    listed = sorted(_checked(catalogued, prefix), key=lambda file: file.path.encode())
    objects = iter(uploaded)
    found = next(objects, None)
    missing, extra, wrong_size = _Problem(), _Problem(), _Problem()
    for entry in listed:
        wanted = (prefix + entry.path).encode()
        while found is not None and found.key.encode() < wanted:
            extra.add(found.key.removeprefix(prefix))
            found = next(objects, None)
        kind = kind_of(entry)
        if found is None or found.key.encode() != wanted:
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
    missing.refuse(Code.MISSING_FILES, "of the catalogue's files are not in the bucket")
    wrong_size.refuse(Code.SIZE_MISMATCH, "files do not have the size that the catalogue says")
    extra.refuse(Code.EXTRA_FILES, "files in the bucket are not in the catalogue")


def kind_of(entry: CatalogueFile) -> Kind:
    """What an entry of the catalogue's list is; uploaders mark directories and symlinks in ``perm`` or ``type``."""
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


def fingerprint_of(catalogued: Iterable[CatalogueFile]) -> str:
    """SHA-256 (hexadecimal) of the catalogue's list, whatever its order: has it changed since?"""
    lines = sorted(orjson.dumps([f.path, f.size, f.time, f.chk, f.chk_alg]) for f in catalogued)
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def _checked(catalogued: Iterable[CatalogueFile], prefix: str) -> Sequence[CatalogueFile]:
    """The entries, when every path, size and checksum algorithm may stand and there is a file among them."""
    bad_path, bad_size, bad_algorithm = _Problem(), _Problem(), _Problem()
    seen: set[str] = set()
    entries = list(catalogued)
    folders = {folder for entry in entries for folder in _folders_of(entry.path)}
    for entry in entries:
        wrong = wrong_path(entry.path, prefix) or ("is listed twice" if entry.path in seen else None)
        if wrong is None and entry.path in folders and kind_of(entry) == "file":
            wrong = "is a file and a folder"
        seen.add(entry.path)
        if wrong:
            bad_path.add(f"{entry.path} {wrong}")
        if not _is_size(entry.size):
            bad_size.add(f"{entry.path} ({entry.size!r})")
        if entry.chk and entry.chk_alg and known_algorithm(entry.chk_alg) is None:
            bad_algorithm.add(f"{entry.path} ({entry.chk_alg})")
    bad_path.refuse(Code.BAD_PATH, "paths may not name a file")
    bad_size.refuse(Code.BAD_SIZE, "sizes are not whole numbers of bytes")
    bad_algorithm.refuse(Code.BAD_CHECKSUM_ALGORITHM, "checksums are of an unknown algorithm")
    if not any(kind_of(entry) == "file" for entry in entries):
        raise DatasetRejected(Code.NO_FILES, "The catalogue lists no files for this dataset.")
    return entries


def _folders_of(path: str) -> Iterator[str]:
    """Every folder that a path leads through."""
    return (path[:end] for end, letter in enumerate(path) if letter == "/")


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
        time=entry.time,
        perm=entry.perm,
        uid=entry.uid,
        gid=entry.gid,
    )


def _nanoseconds(time: str, found: S3Object | None) -> int:
    """The catalogue's time in UTC; the upload's where the catalogue has none that can be read."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        moment = found.modified if found else datetime.fromtimestamp(0, UTC)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime.fromtimestamp(0, UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


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
