"""Single files of an archived dataset: which datablocks hold them, and where in the tars their bytes lie.

Pure, but for ``locate``, which reads the headers of a tar that another archiver wrote.
"""

import io
import tarfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, override

from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.models import catalogue_entries
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.models.files import SourceFile
from archiver.names import wrong_path
from archiver.tar.format import LAYOUT_VERSION, header
from archiver.tar.former_format import FORMER_VERSION, former_places
from archiver.tar.layout import Limits, layout_of
from archiver.wording import counted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# ``length`` bytes of a tar from ``start`` on.
type Read = Callable[[int, int], bytes]

# The headers of small files are read many at once; of a big one, little more than its header.
_READ_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """The bytes of a file in its tar."""

    start: int
    size: int


class Choice:
    """The datablocks that hold certain files; all datablocks when none are named."""

    def __init__(self, files: Collection[str]) -> None:
        self._files = files
        self._found: set[str] = set()

    def takes(self, datablock: CatalogueDatablock) -> bool:
        """Whether the datablock is chosen."""
        held = {file.path for file in selected(datablock, self._files)}
        self._found |= held
        return not self._files or bool(held)

    def refuse_unknown(self) -> None:
        """Raise DatasetRejected when the datablocks hold no such files (UNKNOWN_FILES), or hostile names (BAD_PATH)."""
        unknown = sorted(set(self._files) - self._found)
        if unknown:
            message = counted(len(unknown), "of the wanted files is", "of the wanted files are")
            raise DatasetRejected(Code.UNKNOWN_FILES, f"{message} not in the archive.", unknown)
        hostile = sorted(path for path in self._found if wrong_path(path))
        if hostile:
            raise DatasetRejected(Code.BAD_PATH, f"{counted(len(hostile), 'path')} may not name a file.", hostile)


def selected(datablock: CatalogueDatablock, files: Collection[str]) -> list[CatalogueFile]:
    """Those of ``files`` that the datablock holds; directories and symlinks have no bytes to be given."""
    return [file for file in datablock.files if file.path in files and catalogue_entries.kind_of(file) == "file"]


def locate(datablock: CatalogueDatablock, files: Collection[CatalogueFile], read: Read) -> dict[str, Place]:
    """Where each of ``files`` lies in the datablock's tar, by its path.

    Our own layout follows from the catalogue's entry, with one header where folders are repeated; of any other
    tar all headers are read, but no file. Raises ServiceRefused(CORRUPT_DATABLOCK) naming the files that are not
    there with their size.
    """
    places = _computed(datablock, read)
    if places is None:
        places = _found(datablock, read)
    wrong = [file.path for file in files if file.path not in places or places[file.path].size != file.size]
    if wrong:
        raise ServiceRefused(
            Code.CORRUPT_DATABLOCK,
            f"{counted(len(wrong), 'file is', 'files are')} not in {datablock.archive_id} as recorded.",
            wrong,
        )
    return {file.path: places[file.path] for file in files}


def _computed(datablock: CatalogueDatablock, read: Read) -> Mapping[str, Place] | None:
    """The places as we would have laid them out; None if the tar was not laid out so, as its size tells."""
    if datablock.version not in {LAYOUT_VERSION, FORMER_VERSION}:
        return None
    packed = (catalogue_entries.packed(file, datablock.chk_alg) for file in datablock.files)
    files = sorted(packed, key=lambda file: file.path.encode())
    if datablock.version == LAYOUT_VERSION:
        return _laid_out(files, datablock.packed_size, read)
    places, packed_size = former_places(files)
    return {path: Place(*place) for path, place in places.items()} if packed_size == datablock.packed_size else None


def _laid_out(files: Sequence[SourceFile], packed_size: int, read: Read) -> Mapping[str, Place] | None:
    """The places in a tar of so many bytes; what it has more are the folders that it repeats of another's record."""
    layout = layout_of(files, Limits())
    repeated = packed_size - layout.packed_size
    first = next((head for head in map(header, files) if head), b"")
    if repeated < 0 or (repeated and read(repeated, len(first)) != first):
        return None
    members = zip(layout.files, layout.members, strict=True)
    return {file.path: Place(repeated + member.body, member.stop - member.body) for file, member in members}


def _found(datablock: CatalogueDatablock, read: Read) -> Mapping[str, Place]:
    """The places that the headers tell."""
    headers = io.BufferedReader(_Ranges(datablock.packed_size, read), _READ_BYTES)
    try:
        with tarfile.open(fileobj=headers, mode="r:") as tar:
            members = [member for member in tar if member.isreg() and not member.issparse()]
    except tarfile.TarError as error:
        raise ServiceRefused(Code.CORRUPT_DATABLOCK, f"{datablock.archive_id} is no tar ({error}).") from error
    return {member.name.removeprefix("./"): Place(member.offset_data, member.size) for member in members}


class _Ranges(io.RawIOBase):
    """A tar far away, as the standard library reads files: what is skipped is not fetched."""

    def __init__(self, size: int, read: Read) -> None:
        super().__init__()
        self._size = size
        self._read = read
        self._position = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = begin + offset
        return self._position

    @override
    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer)
        length = min(len(view), self._size - self._position)
        if length <= 0:
            return 0
        view[:length] = self._read(self._position, length)
        self._position += length
        return length
