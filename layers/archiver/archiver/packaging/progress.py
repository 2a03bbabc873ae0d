"""What a run's folder says of its datablocks: the plan, how far each slice is, and what was sealed."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from archiver.checksums import FileFingerprint
from archiver.models.datablocks import SealedDatablock
from archiver.models.documents import Document
from archiver.models.files import SourceFile
from archiver.tar.layout import PlannedDatablock

PLAN = Document("plan.json", list[PlannedDatablock])
_FOLDER = "datablocks/"
_AGAIN = "-again"


class Folder(Protocol):
    """Where a run keeps its documents, and its list of files (``storage.RunFolder``)."""

    def load[T](self, document: Document[T]) -> T | None:
        """What a document holds, or None when it was not written."""
        ...

    def need[T](self, document: Document[T]) -> T:
        """What a document holds. Raises LookupError when it was not written."""
        ...

    def save[T](self, document: Document[T], value: T) -> None:
        """Write a document, or replace it."""
        ...

    def files(self, first: int = 0, count: int | None = None) -> Iterator[SourceFile]:
        """``count`` files of the run's list from index ``first`` on."""
        ...


@dataclass(frozen=True, slots=True)
class SliceOfDatablock:
    """A piece of a run's work: the slice with this number (from 0) of the datablock with that (from 1)."""

    datablock: int
    slice: int


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """The multipart upload that a datablock is built in; ``again`` when S3 refused the first one's bytes."""

    upload_id: str
    again: bool = False

    def slice_document(self, number: int, piece: int) -> "Document[SliceProgress]":
        """How far a slice is in this upload."""
        return _document(number, f"slices/{piece:06d}{_AGAIN if self.again else ''}.json", SliceProgress)


@dataclass(frozen=True, slots=True)
class SliceProgress:
    """How far a slice is: all bytes of the tar before ``position`` are in S3 and hashed.

    ``fingerprints`` are those of its files that were read to the end; ``reading`` is the state of the
    one that was not (``bodies.Reading.save``). ``altered`` counts how often it was begun anew because of bytes that
    were altered on their way.
    """

    position: int
    fingerprints: tuple[FileFingerprint, ...] = ()
    reading: dict[str, Any] | None = None
    done: bool = False
    altered: int = 0


def files_of(folder: Folder, number: int) -> Iterator[SourceFile]:
    """The files of a datablock, with directories and symlinks."""
    planned = planned_datablocks(folder)[number - 1]
    return folder.files(planned.first, planned.entries)


def sealed_datablocks(folder: Folder) -> list[SealedDatablock]:
    """The sealed datablocks of the run. Raises LookupError when one is not sealed."""
    return [folder.need(sealed_document(planned.number)) for planned in planned_datablocks(folder)]


def fingerprints_of(folder: Folder, number: int) -> list[FileFingerprint]:
    """The fingerprints of a sealed datablock's files, without directories and symlinks."""
    return folder.need(fingerprints_document(number))


def planned_datablocks(folder: Folder) -> list[PlannedDatablock]:
    """The datablocks as they were planned."""
    return folder.need(PLAN)


def upload_document(number: int) -> Document[OpenUpload]:
    """The upload that the datablock with this number is built in."""
    return _document(number, "upload.json", OpenUpload)


def fingerprints_document(number: int) -> Document[list[FileFingerprint]]:
    """The fingerprints of all its files."""
    return _document(number, "fingerprints.json", list[FileFingerprint])


def sealed_document(number: int) -> Document[SealedDatablock]:
    """The datablock when it is complete."""
    return _document(number, "sealed.json", SealedDatablock)


def shares(planned: Iterable[PlannedDatablock], names: Callable[[str], Iterable[str]]) -> dict[int, float]:
    """How much of each datablock is packaged, from 0 to 1; a slice that is begun counts.

    ``names`` gives the names of the run's documents that begin so. A tar that is packaged a second time has documents
    of both times for a slice, which counts once.
    """
    written = set(names(_FOLDER))
    begun = Counter(number for number, _ in {_slice_of(name) for name in written if "/slices/" in name})
    return {
        one.number: 1.0
        if sealed_document(one.number).name in written
        else begun[f"{one.number:06d}"] / max(one.slices, 1)
        for one in planned
    }


def _slice_of(name: str) -> tuple[str, str]:
    _, number, _, piece = name.split("/")
    return number, piece.removesuffix(".json").removesuffix(_AGAIN)


def _document[T](number: int, name: str, kind: type[T]) -> Document[T]:
    return Document(f"{_FOLDER}{number:06d}/{name}", kind)
