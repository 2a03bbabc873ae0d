"""What is archived as it is, and worth a warning: names that other systems cannot write or tell apart. Pure.

Nothing is refused here and nothing renamed.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from itertools import pairwise

from pydantic import BaseModel

from archiver.models import file_modes
from archiver.models.documents import Document
from archiver.models.file_modes import Kind
from archiver.models.files import SourceFile
from archiver.wording import counted

# What ext4, XFS and NTFS take as one part of a path, in bytes.
MAX_PART_BYTES = 255
# So many files, or groups of them, are named in a warning, and so much of what an uploader wrote is repeated.
NAMED = 20
NAMED_CHARACTERS = 40
# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_NOT_FOR_WINDOWS = re.compile(
    r'[<>:"\\|?*]|[ .](?:/|\Z)|(?:^|/)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.[^/]*)?(?:/|\Z)', re.IGNORECASE
)


class WarningCode(StrEnum):
    """What a warning may be about; the dataset is archived all the same."""

    LONG_NAMES = "long_names"
    WINDOWS_NAMES = "windows_names"
    UNICODE_TWINS = "unicode_twins"
    CASE_TWINS = "case_twins"
    LINKS_NOT_SENT = "links_not_sent"
    SPECIAL_FILES = "special_files"
    UNREADABLE_MODES = "unreadable_modes"
    SIZE_DIFFERS = "size_differs"
    UNNAMED_ALGORITHMS = "unnamed_algorithms"
    READ_TWICE = "read_twice"
    LEFT_BEHIND = "left_behind"
    LOST_EDITS = "lost_edits"


class ArchiveWarning(BaseModel):
    """A warning: ``files`` names the first of the ``count`` files, or groups of files, that it is about."""

    code: WarningCode
    message: str
    files: tuple[str, ...] = ()
    count: int = 0


# What a run found, for the end of its archiving.
WARNINGS = Document("remarks.json", list[ArchiveWarning])


# Of one, and of many.
_SENTENCES: Mapping[WarningCode, tuple[str, str]] = {
    WarningCode.LONG_NAMES: (
        f"path has a part of more than {MAX_PART_BYTES} bytes; most file systems refuse it",
        f"paths have a part of more than {MAX_PART_BYTES} bytes; most file systems refuse it",
    ),
    WarningCode.WINDOWS_NAMES: (
        "path cannot be written on Windows as it is",
        "paths cannot be written on Windows as they are",
    ),
    WarningCode.UNICODE_TWINS: (
        "group of paths differs only in how letters are composed; macOS takes it for one file",
        "groups of paths differ only in how letters are composed; macOS takes each for one file",
    ),
    WarningCode.CASE_TWINS: (
        "group of paths differs only in upper and lower case; Windows takes it for one file",
        "groups of paths differ only in upper and lower case; Windows takes each for one file",
    ),
    WarningCode.LINKS_NOT_SENT: (
        "symbolic link was not uploaded as a file: it is recorded in SciCat, and not archived",
        "symbolic links were not uploaded as files: they are recorded in SciCat, and not archived",
    ),
    WarningCode.SPECIAL_FILES: (
        "device, pipe or socket has no bytes: it is recorded in SciCat, and not archived",
        "devices, pipes or sockets have no bytes: they are recorded in SciCat, and not archived",
    ),
    WarningCode.UNREADABLE_MODES: (
        "entry has permissions that cannot be read: what is restored is its owner's alone",
        "entries have permissions that cannot be read: what is restored is their owner's alone",
    ),
    WarningCode.UNNAMED_ALGORITHMS: (
        "file has a checksum in SciCat without its algorithm: it was not compared with that",
        "files have checksums in SciCat without their algorithms: they were not compared with these",
    ),
}


class FileWarnings:
    """Looks at a dataset's files as they go by, and remembers eight bytes of each name.

    ``files`` counts them, without directories and whatever else has no bytes.
    """

    def __init__(self) -> None:
        self._named: dict[WarningCode, list[str]] = {code: [] for code in _SENTENCES}
        self._counts = dict.fromkeys(_SENTENCES, 0)
        self._digests = array("Q")
        self.offline = False
        self.files = 0

    def watch(self, files: Iterable[SourceFile]) -> Iterator[SourceFile]:
        """The same files."""
        for file in files:
            if _has_long_part(file.path):
                self._add(WarningCode.LONG_NAMES, file.path)
            if _NOT_FOR_WINDOWS.search(file.path):
                self._add(WarningCode.WINDOWS_NAMES, file.path)
            if file.chk and not file.chk_alg:
                self._add(WarningCode.UNNAMED_ALGORITHMS, file.path)
            self._look_at_kind(file)
            self._digests.append(_digest(file.path))
            self.offline |= file.offline
            yield file

    def warnings(self, files: Iterable[SourceFile]) -> list[ArchiveWarning]:
        """What there is to warn of those that went by. They are read once more if some may be twins."""
        alike = {one for one, next_one in pairwise(sorted(self._digests)) if one == next_one}
        groups: dict[str, list[str]] = {}
        for file in files if alike else ():
            if _digest(file.path) in alike:
                groups.setdefault(_folded(file.path), []).append(file.path)
        for group in groups.values():
            composed = {unicodedata.normalize("NFC", path) for path in group}
            if len(composed) < len(group):
                self._add(WarningCode.UNICODE_TWINS, " and ".join(group))
            if len(composed) > 1:
                self._add(WarningCode.CASE_TWINS, " and ".join(group))
        return [
            ArchiveWarning(
                code=code,
                message=f"{counted(count, *_SENTENCES[code])}.",
                files=tuple(self._named[code]),
                count=count,
            )
            for code, count in self._counts.items()
            if count
        ]

    def _look_at_kind(self, file: SourceFile) -> None:
        self.files += file.kind == "file"
        if file.kind == "symlink":
            self._add(WarningCode.LINKS_NOT_SENT, file.path)
        elif file.kind == "special":
            self._add(WarningCode.SPECIAL_FILES, file.path)
        elif file.perm and file_modes.parse(file.perm) is None:
            self._add(WarningCode.UNREADABLE_MODES, f"{file.path} ({file.perm[:NAMED_CHARACTERS]})")

    def _add(self, code: WarningCode, named: str) -> None:
        self._counts[code] += 1
        if len(self._named[code]) < NAMED:
            self._named[code].append(named)


def size_warnings(said: int, listed: Mapping[Kind, int], archived: int) -> list[ArchiveWarning]:
    """A warning when the sizes of a dataset's files do not add up to what SciCat says; its sums drift.

    ``listed`` are the sums of the listed sizes, ``archived`` is that of what was uploaded. Uploaders count folders and
    links at the sizes that they list, as the Ingestor does, or not at all: neither is wrong.
    """
    folders, links = listed.get("directory", 0), listed.get("symlink", 0)
    files = listed.get("file", 0) + listed.get("special", 0)
    if said in {size + more for size in (files, archived) for more in (0, folders, links, folders + links)}:
        return []
    message = f"SciCat says that the dataset has {counted(said, 'byte')}; its files have {counted(archived, 'byte')}."
    return [ArchiveWarning(code=WarningCode.SIZE_DIFFERS, message=message)]


def read_twice_warnings(files: int) -> list[ArchiveWarning]:
    """A warning when S3 kept no checksum of some files: they were compared with a second reading alone."""
    if not files:
        return []
    subject = counted(files, "file was", "files were")
    message = f"{subject} stored in S3 without a checksum, and compared with a second reading instead."
    return [ArchiveWarning(code=WarningCode.READ_TWICE, message=message, count=files)]


def lost_edits_warning(fields: Sequence[str]) -> ArchiveWarning:
    """SciCat set these ``fields`` of the dataset back while the archiver wrote to it."""
    lost = counted(
        len(fields),
        "change in SciCat was lost while the archiver wrote there; make it again",
        "changes in SciCat were lost while the archiver wrote there; make them again",
    )
    message = f"{lost}: {', '.join(fields[:NAMED])}."
    return ArchiveWarning(code=WarningCode.LOST_EDITS, message=message, count=len(fields))


def _has_long_part(path: str) -> bool:
    bytes_of_path = path.encode()
    return len(bytes_of_path) > MAX_PART_BYTES and max(map(len, bytes_of_path.split(b"/"))) > MAX_PART_BYTES


def _folded(path: str) -> str:
    """The path as a file system sees it that knows neither case nor composition."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _digest(path: str) -> int:
    return int.from_bytes(blake2b(_folded(path).encode(), digest_size=8).digest())
