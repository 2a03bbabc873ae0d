"""Match what the catalogue says of a dataset with what lies in the bucket. Pure: no requests are made here."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from archiver import file_modes
from archiver.checksums import taken_apart
from archiver.digests import known_algorithm
from archiver.errors import MAX_NAMED_FILES, Code, DatasetRejected
from archiver.file_modes import Kind
from archiver.filelist import byte_order
from archiver.models import CatalogueFile, S3Object, SourceFile
from archiver.names import alike, told_apart, wrong_path
from archiver.wording import counted

# JavaScript's Number.MAX_SAFE_INTEGER: beyond it the catalogue itself does not know the size.
MAX_SIZE = 2**53 - 1

# What may have to be restored before it can be read; some services take the class as a mere label.
_TAPE_CLASSES = {"GLACIER", "DEEP_ARCHIVE"}
_EPOCH = datetime.fromtimestamp(0, UTC)
# So many names of each side are looked at when some are missing: may they be there in another form?
_COMPARED = 10_000
# What ``type`` may say; in part the words of ``stat --format=%F``.
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("file", "f", "regular", "regular file", "regular empty file", "hard link", "hardlink"), "file"),
    **dict.fromkeys(("directory", "d", "dir", "folder"), "directory"),
    **dict.fromkeys(("symlink", "l", "link", "symbolic link", "soft link", "softlink"), "symlink"),
    **dict.fromkeys(("fifo", "p", "pipe", "named pipe", "socket", "s"), "special"),
    **dict.fromkeys(("device", "b", "block device", "block special file"), "special"),
    **dict.fromkeys(("c", "character device", "character special file"), "special"),
}


def match(
    catalogued: Iterable[CatalogueFile], uploaded: Iterable[S3Object], prefix: str, *, others_stay: bool = False
) -> Iterator[SourceFile]:
    """The dataset's files, each pinned to the object that holds it, in the order of their paths' UTF-8 bytes.

    Both sides stand in that order, ``uploaded`` being the objects under ``prefix``; neither is held in memory.
    Directories of the catalogue's list have no object. Links need none; where a client followed one and sent what it
    points to, these bytes are a file, of whatever size. So it is with devices, pipes and sockets, unless they are
    said to have bytes. When the two sides differ the iterator ends in DatasetRejected: ``bad_path``, ``bad_size``,
    ``bad_checksum_algorithm``, ``no_files``, ``missing_files``, ``extra_files`` or ``size_mismatch``, naming the
    first hundred and counting all.
    With ``others_stay`` objects that are not in the catalogue's list are passed over.
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
        if found is None or found.key != wanted:
            if needs_bytes(entry):
                missing.add(entry.path)
            else:
                yield _source(entry, kind_of(entry), None)
            continue
        if kind_of(entry) == "directory":
            extra.add(f"{entry.path} (a folder in the catalogue)")
        elif needs_bytes(entry) and found.size != entry.size:
            wrong_size.add(f"{entry.path} (size {entry.size} in the catalogue, {found.size} uploaded)")
        else:
            list_checks.has_bytes(entry)
            yield _source(entry, "file", found)
        found = next(objects, None)
    while found is not None:
        extra.add(found.key.removeprefix(prefix))
        found = next(objects, None)
    list_checks.refuse()
    missing.explain(_other_forms(missing.named, extra.named))
    missing.refuse(
        Code.MISSING_FILES,
        "of the catalogue's files is not in the bucket",
        "of the catalogue's files are not in the bucket",
    )
    wrong_size.refuse(
        Code.SIZE_MISMATCH,
        "file does not have the size that the catalogue says",
        "files do not have the size that the catalogue says",
    )
    extra.refuse(
        Code.EXTRA_FILES,
        "file in the bucket is not in the catalogue",
        "files in the bucket are not in the catalogue",
        tolerated=others_stay,
    )


def kind_of(entry: CatalogueFile) -> Kind:
    """What an entry of the catalogue's list is; uploaders say it in ``type`` or ``perm``.

    A path that ends with '/' is a directory, as S3's own consoles write one. A hard link is a file.
    """
    if entry.path.endswith("/"):
        return "directory"
    said = _KINDS.get(" ".join(entry.type.lower().replace("_", " ").split())) if entry.type else None
    if said is not None:
        return said
    mode = file_modes.parse(entry.perm) if entry.perm else None
    return (mode and mode.kind) or "file"


def needs_bytes(entry: CatalogueFile) -> bool:
    """Whether something of the dataset would be lost if the entry's bytes were not uploaded.

    Clients send what a link points to, or leave the link alone; devices, pipes and sockets are empty.
    """
    kind = kind_of(entry)
    return kind == "file" or (kind == "special" and entry.size != 0)


def may_be_sent(entry: CatalogueFile) -> bool:
    """Whether an object may lie under the entry's path: under a folder's none may."""
    return kind_of(entry) != "directory"


def size_to_send(entry: CatalogueFile) -> int | None:
    """How many bytes a client has to send of an entry; None where the list does not tell, as of a link's target."""
    return entry.size if needs_bytes(entry) and _is_size(entry.size) else None


def size_of(entry: CatalogueFile) -> int:
    """The listed size in bytes; 0 for what is no size."""
    return entry.size if _is_size(entry.size) else 0


def mode_of(entry: CatalogueFile, kind: Kind) -> int:
    """The permission bits of an entry that is archived as a ``kind``, from its ``perm``.

    The usual ones when it says nothing. The owner's alone when it cannot be read, or is that of a link, where the
    bytes are those of the file that it points to.
    """
    if not entry.perm:
        return file_modes.UNSAID[kind]
    mode = file_modes.parse(entry.perm)
    is_others = kind == "file" and kind_of(entry) == "symlink"
    return file_modes.UNKNOWN[kind] if mode is None or is_others else mode.bits


def recorded(file: SourceFile, chk: str | None) -> CatalogueFile:
    """A file as its datablock's list says it, ``chk`` being by the datablock's algorithm. ``packed`` reads it back.

    What was archived as a file is recorded as one, also where a link was listed.
    """
    entry = CatalogueFile(
        path=file.path,
        size=file.size,
        time=file.time,
        chk=chk,
        uid=file.uid,
        gid=file.gid,
        perm=file.perm,
        type=file.type,
    )
    if kind_of(entry) == file.kind:
        return entry
    return replace(entry, perm=file_modes.written(file.mode), type=None)


def checksum_algorithm(entry: CatalogueFile, chk_alg: str | None) -> str | None:
    """Of the entry's checksum in a datablock that has ``chk_alg``; None when there is none that is known."""
    return known_algorithm(_algorithm(entry) or chk_alg or "") if entry.chk else None


def packed(entry: CatalogueFile, chk_alg: str | None) -> SourceFile:
    """An entry of a datablock's list as the file that was packed; its ``chk`` is by ``chk_alg`` unless it says.

    A checksum of an algorithm that is not known is left out.
    """
    algorithm = checksum_algorithm(entry, chk_alg)
    return SourceFile(
        path=entry.path,
        size=entry.size,
        mtime_ns=_nanoseconds(entry.time, None),
        mode=mode_of(entry, kind_of(entry)),
        chk=entry.chk if algorithm else None,
        chk_alg=algorithm,
        kind=kind_of(entry),
        time=entry.time,
        perm=entry.perm,
        type=entry.type,
        uid=entry.uid,
        gid=entry.gid,
    )


class Fingerprint:
    """256 bits of the catalogue's list, whatever its order: has it changed since? And the sums of its sizes.

    The fingerprint is the sum of the entries' SHA-256, so that no list is held. It detects changes, it does not
    withstand forgers: who may change the list may archive another one anyway.
    """

    def __init__(self) -> None:
        self._sum = 0
        self.sizes: Counter[Kind] = Counter()

    @property
    def hexadecimal(self) -> str:
        """The fingerprint of the entries that went by so far."""
        return f"{self._sum % 2**256:064x}"

    def watch(self, catalogued: Iterable[CatalogueFile]) -> Iterator[CatalogueFile]:
        """The same entries."""
        for entry in catalogued:
            line = json.dumps([entry.path, entry.size, entry.time, entry.chk, entry.chk_alg])
            self._sum += int.from_bytes(hashlib.sha256(line.encode()).digest())
            self.sizes[kind_of(entry)] += size_of(entry)
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
        mode=mode_of(entry, kind),
        etag="" if found is None else found.etag,
        chk=entry.chk or None,
        chk_alg=_algorithm(entry),
        kind=kind,
        time=entry.time or (found.modified if found else _EPOCH).isoformat(),
        perm=entry.perm,
        type=entry.type,
        uid=entry.uid,
        gid=entry.gid,
        offline=found is not None and found.storage_class in _TAPE_CLASSES,
    )


def _algorithm(entry: CatalogueFile) -> str | None:
    """Of an entry's checksum: what stands in front of it, else what the list says; None for one without a checksum."""
    return taken_apart(entry.chk, entry.chk_alg or None)[0] if entry.chk else None


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
        wrong = self._wrong_path(entry)
        if wrong:
            self._bad_path.add(f"{entry.path} {wrong}")
        else:
            self._note_folders(entry.path)
            if needs_bytes(entry):
                self.has_bytes(entry)
        if not _is_size(entry.size):
            self._bad_size.add(f"{entry.path} ({entry.size!r})")
        algorithm = _algorithm(entry)
        if algorithm and known_algorithm(algorithm) is None:
            self._bad_algorithm.add(f"{entry.path} ({algorithm})")
        return wrong is None

    def has_bytes(self, entry: CatalogueFile) -> None:
        """The entry that was passed on last is a file: no other one may lie below it."""
        if self._beginnings[-1:] != [entry.path]:
            self._files += 1
            self._beginnings.append(entry.path)

    def refuse(self) -> None:
        """Raise DatasetRejected for what did not pass, or when nothing was a file."""
        self._bad_path.refuse(Code.BAD_PATH, "path may not name a file", "paths may not name a file")
        self._bad_size.refuse(
            Code.BAD_SIZE, "size is not a whole number of bytes", "sizes are not whole numbers of bytes"
        )
        self._bad_algorithm.refuse(
            Code.BAD_CHECKSUM_ALGORITHM,
            "checksum is of an unknown algorithm",
            "checksums are of an unknown algorithm",
        )
        if not self._files:
            raise DatasetRejected(Code.NO_FILES, "The catalogue lists no files for this dataset.")

    def _wrong_path(self, entry: CatalogueFile) -> str | None:
        last, self._last = self._last, byte_order(entry)
        if self._last < last:
            raise ValueError("the catalogue's list is not in the order of its paths' bytes")
        wrong = wrong_path(entry.path, self._prefix)
        return "is listed twice" if wrong is None and self._last == last else wrong

    def _note_folders(self, path: str) -> None:
        """Refuse the files that the path uses as folders: in byte order they all stand among its beginnings."""
        while self._beginnings and not path.startswith(self._beginnings[-1]):
            self._beginnings.pop()
        folders = [file for file in self._beginnings if path[len(file)] == "/"]
        for file in folders:
            self._bad_path.add(f"{file} is a file and a folder")
            self._beginnings.remove(file)


def _other_forms(listed: Sequence[str], found: Sequence[str]) -> dict[str, str]:
    """Of files that are not there under their names, what is to be said when they are under a name that looks alike."""
    return {
        path: f"{path} ({told_apart(path)} in the catalogue, {told_apart(other)} uploaded: one name in two forms; "
        "upload the file as it is in the catalogue)"
        for other, path in alike(listed, found).items()
    }


class _Problem:
    """The first files that something is wrong with, and how many there are; a hundred are told."""

    def __init__(self) -> None:
        self.named: list[str] = []
        self._count = 0

    def add(self, file: str) -> None:
        self._count += 1
        if len(self.named) < _COMPARED:
            self.named.append(file)

    def explain(self, sentences: Mapping[str, str]) -> None:
        """Say more of some files, and tell of them first."""
        self.named = [*sentences.values(), *(file for file in self.named if file not in sentences)]

    def refuse(self, code: Code, one: str, many: str, *, tolerated: bool = False) -> None:
        if self._count and not tolerated:
            raise DatasetRejected(
                code, f"{counted(self._count, one, many)}.", self.named[:MAX_NAMED_FILES], self._count
            )
