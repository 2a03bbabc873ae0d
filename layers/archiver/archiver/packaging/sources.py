"""Where the bytes of a tar's files come from, as they were when the run began."""

from dataclasses import dataclass
from typing import Protocol

from archiver.datablocks import Extent, Layout
from archiver.models import SourceFile
from archiver.s3 import Bucket, PinnedRange


class Origin(Protocol):
    """Where the bytes of files come from."""

    @property
    def copies(self) -> bool:
        """Whether S3 can copy them by itself; if not, what is read is sent on."""
        ...

    def pinned(self, file: SourceFile, start: int, length: int) -> PinnedRange:
        """``length`` bytes of a file from ``start`` on, as they were when the run began."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where a dataset's files lie: under ``prefix`` in the landing bucket."""

    bucket: Bucket
    prefix: str
    copies: bool = True

    def pinned(self, file: SourceFile, start: int, length: int) -> PinnedRange:
        """Some bytes of the object that has the file's name."""
        return PinnedRange(self.bucket, self.prefix + file.path, file.etag, start, length, file.path)


@dataclass(frozen=True, slots=True)
class Tar:
    """A planned tar, and where its files lie."""

    layout: Layout
    source: Origin

    def pinned(self, extent: Extent) -> PinnedRange:
        """Some bytes of a file as it was when the run began."""
        return self.source.pinned(self.layout.files[extent.file], extent.start, extent.length)

    def read(self, extent: Extent) -> bytes:
        """These bytes."""
        if extent.length == 0:
            return b""
        wanted = self.pinned(extent)
        return wanted.bucket.get(wanted.key, wanted.etag, wanted.start, wanted.length, wanted.name)
