"""What is archived as it is, and worth a warning: names that other systems cannot write or tell apart. Pure.

Nothing is refused here and nothing renamed.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from hashlib import blake2b
from itertools import pairwise

from pydantic import BaseModel

from archiver.models import SourceFile

# What ext4, XFS and NTFS take as one part of a path, in bytes.
MAX_PART_BYTES = 255
# So many files, or groups of them, are named in a warning.
NAMED = 20
# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_NOT_FOR_WINDOWS = re.compile(
    r'[<>:"\\|?*]|[ .](?:/|\Z)|(?:^|/)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.[^/]*)?(?:/|\Z)', re.IGNORECASE
)


class RemarkCode(StrEnum):
    """What may be remarked of a dataset that is archived all the same."""

    LONG_NAMES = "long_names"
    WINDOWS_NAMES = "windows_names"
    UNICODE_TWINS = "unicode_twins"
    CASE_TWINS = "case_twins"
    SIZE_DIFFERS = "size_differs"


class Remark(BaseModel):
    """A warning: ``files`` names the first of the ``count`` files, or groups of files, that it is about."""

    code: RemarkCode
    message: str
    files: tuple[str, ...] = ()
    count: int = 0


_SENTENCES: Mapping[RemarkCode, str] = {
    RemarkCode.LONG_NAMES: f"paths have a part of more than {MAX_PART_BYTES} bytes; most file systems refuse it",
    RemarkCode.WINDOWS_NAMES: "paths cannot be written on Windows as they are",
    RemarkCode.UNICODE_TWINS: "groups of paths differ only in how letters are composed; macOS takes each for one file",
    RemarkCode.CASE_TWINS: "groups of paths differ only in upper and lower case; Windows takes each for one file",
}


class FileRemarks:
    """Looks at a dataset's files as they go by, and remembers eight bytes of each name."""

    def __init__(self) -> None:
        self._files: dict[RemarkCode, list[str]] = {code: [] for code in _SENTENCES}
        self._counts = dict.fromkeys(_SENTENCES, 0)
        self._digests = array("Q")
        self.offline = False

    def watch(self, files: Iterable[SourceFile]) -> Iterator[SourceFile]:
        """The same files."""
        for file in files:
            if _has_long_part(file.path):
                self._add(RemarkCode.LONG_NAMES, file.path)
            if _NOT_FOR_WINDOWS.search(file.path):
                self._add(RemarkCode.WINDOWS_NAMES, file.path)
            self._digests.append(_digest(file.path))
            self.offline |= file.offline
            yield file

    def remarks(self, files: Iterable[SourceFile]) -> list[Remark]:
        """What there is to remark of those that went by. They are read once more if some may be twins."""
        alike = {one for one, next_one in pairwise(sorted(self._digests)) if one == next_one}
        groups: dict[str, list[str]] = {}
        for file in files if alike else ():
            if _digest(file.path) in alike:
                groups.setdefault(_folded(file.path), []).append(file.path)
        for group in groups.values():
            composed = {unicodedata.normalize("NFC", path) for path in group}
            if len(composed) < len(group):
                self._add(RemarkCode.UNICODE_TWINS, " and ".join(group))
            if len(composed) > 1:
                self._add(RemarkCode.CASE_TWINS, " and ".join(group))
        return [
            Remark(code=code, message=f"{count} {_SENTENCES[code]}.", files=tuple(self._files[code]), count=count)
            for code, count in self._counts.items()
            if count
        ]

    def _add(self, code: RemarkCode, named: str) -> None:
        self._counts[code] += 1
        if len(self._files[code]) < NAMED:
            self._files[code].append(named)


def size_remarks(catalogue_size: int, size: int) -> list[Remark]:
    """A warning when the sizes of the listed files do not add up to the dataset's; SciCat's sums drift."""
    if catalogue_size == size:
        return []
    message = f"SciCat says that the dataset has {catalogue_size} bytes; the files that it lists have {size}."
    return [Remark(code=RemarkCode.SIZE_DIFFERS, message=message)]


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
