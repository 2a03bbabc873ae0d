"""Which files go into which datablock, and how each tar is cut into the parts of one multipart upload.

Everything follows from the list of files and the limits. A plan keeps counts only; whoever needs a
datablock's layout computes it again from its files, and gets the same.

A part is either *copied* (bytes of one big file, which S3 copies itself) or *glue*: headers, paddings,
small files, and, where these are less than the smallest part S3 takes, the first bytes of the next big file.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from archiver.errors import Code, DatasetRejected
from archiver.models.files import SourceFile
from archiver.settings import GIB, MIB
from archiver.tar.format import (
    attributes_line_size,
    body_size,
    header,
    header_size,
    manifest_line_size,
    own_members_size,
    padding,
)

# What an entry of a datablock's list has in the catalogue besides its strings: names, punctuation, SHA-256, size, time.
_CATALOGUE_ENTRY_BYTES = 260
_quoted = json.JSONEncoder().encode


@dataclass(frozen=True, slots=True)
class Limits:
    """Where datablocks, parts and slices end; all sizes in bytes.

    S3's own: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
    """

    # A datablock closes before the file that would take it beyond one of these.
    datablock_bytes: int = 20 * GIB
    datablock_files: int = 20_000
    datablock_parts: int = 9_900
    catalogue_bytes: int = 12_000_000
    # S3's.
    object_bytes: int = 5 * 1024 * GIB
    min_part: int = 5 * MIB
    max_part: int = 5 * GIB
    # A glue part closes at the end of the member that fills it.
    glue_part: int = 8 * MIB
    # Files from this size on are copied, in parts of ``copy_part`` or, if these became too many, longer ones.
    copied_from: int = 10 * MIB
    copy_part: int = 256 * MIB
    copies_per_file: int = 4_000
    # A slice ends after so much work. Each file costs as much as so many bytes.
    slice_bytes: int = 256 * MIB
    file_cost: int = 256 * 1024

    def __post_init__(self) -> None:
        """Refuse limits under which a part could become too small. Raises ValueError."""
        if self.glue_part < self.min_part or min(self.copied_from, self.copy_part) < 2 * self.min_part:
            raise ValueError("parts could become smaller than S3 takes")


@dataclass(frozen=True, slots=True)
class PlannedDatablock:
    """A datablock to be built: ``entries`` of the dataset's list from index ``first`` on, ``files`` of them with bytes.

    ``size`` is that of its files, ``packed_size`` that of the tar, in bytes. ``parts`` counts the
    parts of the upload, ``slices`` the pieces of work before the last part.

    ``folders`` are entries before ``first`` that some of the files may lie in. The tar repeats them, so
    that unpacking makes each folder with its own mode, whichever tar comes first.
    """

    number: int
    first: int
    entries: int
    files: int
    size: int
    packed_size: int
    parts: int
    slices: int
    folders: tuple[SourceFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """Where a file lies in the tar: offsets of its header, of its body, and of its body's end."""

    header: int
    body: int
    stop: int

    @property
    def end(self) -> int:
        """The offset after the padding, where the next member begins."""
        return self.stop + padding(self.stop - self.body)


@dataclass(frozen=True, slots=True)
class _Addition:
    """A file that may come next: where it would lie, and what it adds to the tar's lists and the record, in bytes."""

    file: SourceFile
    member: Member
    manifest_line: int
    attributes_line: int
    catalogue_entry: int


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of the tar from ``start`` to ``end``; ``copied`` says that they are bytes of one file alone."""

    number: int
    start: int
    end: int
    copied: bool


@dataclass(frozen=True, slots=True)
class Extent:
    """``length`` bytes of the file with this index in the datablock, from ``start`` on."""

    file: int
    start: int
    length: int

    def cut(self, longest: int) -> Iterator["Extent"]:
        """The same bytes in pieces; one piece, if there are none."""
        for start in range(0, max(self.length, 1), longest):
            yield Extent(self.file, self.start + start, min(longest, self.length - start))


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of work: some parts that begin and end with whole files' bodies."""

    number: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Cut:
    """A place between two parts where no file's body is divided: so many parts and work lie before it."""

    parts: int = 0
    work: int = 0


class Layout:
    """The tar of one datablock, growing file by file."""

    def __init__(self, limits: Limits, folders: Iterable[SourceFile] = ()) -> None:
        self.limits = limits
        self.folders = tuple(folders)
        self._opening = b"".join(map(header, self.folders))
        self.files: list[SourceFile] = []
        self.members: list[Member] = []
        self.parts: list[Part] = []  # all but the last
        self.size = 0
        self.end = len(self._opening)  # of the members
        self._manifest_size = 0
        self._attributes_size = 0
        self._catalogue_size = 0
        self._cuts: list[_Cut] = []
        self.with_bytes = 0  # files, not directories and symlinks

    @property
    def packed_size(self) -> int:
        """The size of the whole tar, in bytes: files, own members and end."""
        return self.end + own_members_size(self._attributes_size, self._manifest_size)

    @property
    def tail(self) -> int:
        """Where the last part begins: the rest of the files, the own members and the end of the tar."""
        return self.parts[-1].end if self.parts else 0

    def take(self, file: SourceFile) -> bool:
        """Add the next file, unless the datablock has one already and would grow beyond its limits."""
        addition = self._addition(file)
        if self.with_bytes and not self._fits(addition):
            return False
        self._add(addition)
        return True

    def add(self, file: SourceFile) -> None:
        """Add the next file whatever the datablock's own limits. Raises DatasetRejected(FILE_TOO_LARGE)."""
        self._add(self._addition(file))

    def planned(self, number: int, first: int) -> PlannedDatablock:
        """The counts that a plan keeps."""
        return PlannedDatablock(
            number=number,
            first=first,
            entries=len(self.files),
            files=self.with_bytes,
            size=self.size,
            packed_size=self.packed_size,
            parts=len(self.parts) + 1,
            slices=sum(1 for _ in self.slices()),
            folders=self.folders,
        )

    def slices(self) -> Iterator[Slice]:
        """The parts before the last, as pieces of work that can be done one beside the other."""
        begun = _Cut()
        number = 0
        for cut in self._cuts:
            if cut.work - begun.work >= self.limits.slice_bytes or cut is self._cuts[-1]:
                yield Slice(number, tuple(self.parts[begun.parts : cut.parts]))
                number += 1
                begun = cut

    def extents(self, start: int, end: int) -> Iterator[Extent]:
        """The bytes of files that lie between two offsets of the tar, in order; empty files too."""
        for index in self._overlapping(start, end):
            extent = self._extent(index, start, end)
            if extent is not None:
                yield extent

    def pieces(self, start: int, end: int) -> Iterator[bytes | Extent]:
        """All that lies between two offsets of the tar: headers and paddings as they are, files as extents."""
        if start == 0 < end:
            yield self._opening
        for index in self._overlapping(start, end):
            member = self.members[index]
            if member.header >= start:
                yield header(self.files[index])
            extent = self._extent(index, start, end)
            if extent is not None:
                yield extent
            if start <= member.stop < end:
                yield bytes(member.end - member.stop)

    def _addition(self, file: SourceFile) -> "_Addition":
        body = self.end + header_size(file)
        member = Member(self.end, body, body + body_size(file))
        return _Addition(
            file, member, manifest_line_size(file), attributes_line_size(file), _catalogue_entry_size(file)
        )

    def _fits(self, addition: "_Addition") -> bool:
        limits, file = self.limits, addition.file
        packed_size = addition.member.end + own_members_size(
            self._attributes_size + addition.attributes_line, self._manifest_size + addition.manifest_line
        )
        # Directories and symlinks stay with the file before them: a datablock should not consist of them.
        largest = min(limits.datablock_bytes, limits.object_bytes) if file.kind == "file" else limits.object_bytes
        # The glue before it, what is copied of it, and the last one.
        parts = len(self.parts) + 1 + self._copies(body_size(file)) + 1
        return (
            packed_size <= largest
            and parts <= limits.datablock_parts
            and len(self.files) < limits.datablock_files
            and self._catalogue_size + addition.catalogue_entry <= limits.catalogue_bytes
        )

    def _add(self, addition: "_Addition") -> None:
        file, member = addition.file, addition.member
        self.files.append(file)
        self.members.append(member)
        self.size += body_size(file)
        self.end = member.end
        self.with_bytes += file.kind == "file"
        self._manifest_size += addition.manifest_line
        self._attributes_size += addition.attributes_line
        self._catalogue_size += addition.catalogue_entry
        if self.packed_size > self.limits.object_bytes:
            raise DatasetRejected(
                Code.FILE_TOO_LARGE,
                f"{file.path} has {file.size} bytes; a datablock can have {self.limits.object_bytes}.",
                [file.path],
            )
        if body_size(file) >= self.limits.copied_from:
            self._copy(member)
        elif self.end - self.tail >= self.limits.glue_part:
            self._part(self.end, copied=False)
            self._cut()

    def _overlapping(self, start: int, end: int) -> Iterator[int]:
        index = max(bisect_right(self.members, start, key=lambda member: member.header) - 1, 0)
        while index < len(self.members) and self.members[index].header < end:
            yield index
            index += 1

    def _extent(self, index: int, start: int, end: int) -> Extent | None:
        member = self.members[index]
        first, last = max(start, member.body), min(end, member.stop)
        is_empty_file = member.body == member.stop and self.files[index].kind == "file" and member.header >= start
        return Extent(index, first - member.body, last - first) if first < last or is_empty_file else None

    def _copy(self, member: Member) -> None:
        """Close the glue, with as many of the file's first bytes as it lacks, and have the others copied."""
        start = max(member.body, self.tail + self.limits.min_part)
        length = member.stop - start
        self._part(start, copied=False)
        count = self._copies(length)
        for copy in range(1, count + 1):
            self._part(start + length * copy // count, copied=True)
        self._cut()

    def _copies(self, size: int) -> int:
        """In how many parts of about the same length so many bytes are copied."""
        longest = max(self.limits.copy_part, -(-size // self.limits.copies_per_file))
        return -(-size // min(longest, self.limits.max_part))

    def _part(self, end: int, *, copied: bool) -> None:
        self.parts.append(Part(len(self.parts) + 1, self.tail, end, copied))

    def _cut(self) -> None:
        self._cuts.append(_Cut(len(self.parts), self.tail + len(self.files) * self.limits.file_cost))


def plan(files: Iterable[SourceFile], limits: Limits) -> Iterator[PlannedDatablock]:
    """The datablocks of a dataset, from its files in the order of their paths' UTF-8 bytes.

    Holds the files of one datablock at a time. A datablock closes before the file with which it would
    become too large; a file too large for the limit has a datablock of its own. The iterator may end in
    DatasetRejected(FILE_TOO_LARGE).
    """
    number, first, layout = 1, 0, Layout(limits)
    # Folders that the next file may lie in: its path, and that of each but the first, begins with the one before.
    open_folders: list[SourceFile] = []
    for file in files:
        while open_folders and not _may_lie_in(open_folders[-1], file):
            open_folders.pop()
        if not layout.take(file):
            yield layout.planned(number, first)
            number, first, layout = number + 1, first + len(layout.files), Layout(limits, open_folders)
            layout.take(file)
        if file.kind == "directory":
            open_folders.append(file)
    if layout.files:
        yield layout.planned(number, first)


def _may_lie_in(folder: SourceFile, file: SourceFile) -> bool:
    """Whether ``file``, or one after it in the order of paths' bytes, lies in ``folder``."""
    path = folder.path.rstrip("/")
    return file.path.startswith(path) and file.path[len(path) : len(path) + 1] <= "/"


def layout_of(files: Iterable[SourceFile], limits: Limits, folders: Iterable[SourceFile] = ()) -> Layout:
    """The layout of the one tar that holds ``files``, and repeats ``folders``."""
    layout = Layout(limits, folders)
    for file in files:
        layout.add(file)
    return layout


def _catalogue_entry_size(file: SourceFile) -> int:
    # SciCat's client may write other letters than ASCII as escapes.
    strings = (file.path, file.time, file.perm, file.type, file.uid, file.gid)
    return _CATALOGUE_ENTRY_BYTES + sum(len(_quoted(text)) for text in strings if text)
