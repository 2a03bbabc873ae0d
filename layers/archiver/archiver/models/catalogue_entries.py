"""What an entry of the catalogue's list of files means. Pure."""

from dataclasses import replace
from datetime import UTC, datetime

from archiver.checksums import known_algorithm, taken_apart
from archiver.models import file_modes
from archiver.models.catalogue import CatalogueFile
from archiver.models.file_modes import Kind
from archiver.models.files import S3Object, SourceFile

# JavaScript's Number.MAX_SAFE_INTEGER: beyond it the catalogue itself does not know the size.
MAX_SIZE = 2**53 - 1

# What may have to be restored before it can be read; some services take the class as a mere label.
_TAPE_CLASSES = {"GLACIER", "DEEP_ARCHIVE"}
_EPOCH = datetime.fromtimestamp(0, UTC)
# What ``type`` may say; in part the words of ``stat --format=%F``.
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("file", "f", "regular", "regular file", "regular empty file", "hard link", "hardlink"), "file"),
    **dict.fromkeys(("directory", "d", "dir", "folder"), "directory"),
    **dict.fromkeys(("symlink", "l", "link", "symbolic link", "soft link", "softlink"), "symlink"),
    **dict.fromkeys(("fifo", "p", "pipe", "named pipe", "socket", "s"), "special"),
    **dict.fromkeys(("device", "b", "block device", "block special file"), "special"),
    **dict.fromkeys(("c", "character device", "character special file"), "special"),
}


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
    """Whether an object may lie under the entry's path.

    None may under a folder's, nor under that of a file with a size that is none: no bytes could ever be that many.
    """
    return kind_of(entry) != "directory" and (is_size(entry.size) or not needs_bytes(entry))


def size_to_send(entry: CatalogueFile) -> int | None:
    """How many bytes a client has to send of an entry; None where the list does not tell, as of a link's target."""
    return entry.size if needs_bytes(entry) and is_size(entry.size) else None


def size_of(entry: CatalogueFile) -> int:
    """The listed size in bytes; 0 for what is no size."""
    return entry.size if is_size(entry.size) else 0


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
    return known_algorithm(algorithm_of(entry) or chk_alg or "") if entry.chk else None


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


def is_size(size: object) -> bool:
    """Whether a listed size can be one; SciCat stores negative ones, too."""
    return isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= MAX_SIZE


def pinned(entry: CatalogueFile, kind: Kind, found: S3Object | None) -> SourceFile:
    """An entry that is archived as a ``kind``, pinned to the object that has its bytes."""
    return SourceFile(
        path=entry.path,
        size=0 if found is None else found.size,
        mtime_ns=_nanoseconds(entry.time, found),
        mode=mode_of(entry, kind),
        etag="" if found is None else found.etag,
        chk=entry.chk or None,
        chk_alg=algorithm_of(entry),
        kind=kind,
        time=entry.time or (found.modified if found else _EPOCH).isoformat(),
        perm=entry.perm,
        type=entry.type,
        uid=entry.uid,
        gid=entry.gid,
        offline=found is not None and found.storage_class in _TAPE_CLASSES,
    )


def algorithm_of(entry: CatalogueFile) -> str | None:
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
