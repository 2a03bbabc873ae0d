"""What a run's folder says of its datablocks: the plan, how far each slice is, and what was sealed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from archiver.checksums import FileFingerprint
from archiver.models.datablocks import SealedDatablock
from archiver.models.files import SourceFile
from archiver.tar.layout import PlannedDatablock

PLAN = "plan.json"


class Folder(Protocol):
    """Where a run keeps its documents, and its list of files (``storage.RunFolder``)."""

    def load[T](self, name: str, kind: type[T]) -> T | None:
        """A document as ``kind``, or None when it was not written."""
        ...

    def need[T](self, name: str, kind: type[T]) -> T:
        """A document that must be there. Raises LookupError when it is not."""
        ...

    def save(self, name: str, value: object) -> None:
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

    def slice_document(self, number: int, piece: int) -> str:
        """How far a slice is in this upload."""
        return document(number, f"slices/{piece:06d}{'-again' if self.again else ''}.json")


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
    return [folder.need(document(one.number, "sealed.json"), SealedDatablock) for one in planned_datablocks(folder)]


def fingerprints_of(folder: Folder, number: int) -> list[FileFingerprint]:
    """The fingerprints of a sealed datablock's files, without directories and symlinks."""
    return folder.need(document(number, "fingerprints.json"), list[FileFingerprint])


def planned_datablocks(folder: Folder) -> list[PlannedDatablock]:
    """The datablocks as they were planned."""
    return folder.need(PLAN, list[PlannedDatablock])


def document(number: int, name: str) -> str:
    """The name of a document of the datablock with this number."""
    return f"datablocks/{number:06d}/{name}"
