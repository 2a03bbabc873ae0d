"""Where the bytes of a tar's files come from, as they were when the run began."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from archiver.aws.s3 import Bucket
from archiver.aws.s3_requests import READINGS
from archiver.aws.s3_uploads import PinnedRange
from archiver.aws.stored_checksums import StoredChecksum
from archiver.errors import Code, ServiceRefused
from archiver.models.files import SourceFile
from archiver.tar.layout import Extent, Layout


class Origin(Protocol):
    """Where the bytes of files come from."""

    @property
    def copies(self) -> bool:
        """Whether S3 can copy them by itself; if not, what is read is sent on."""
        ...

    @property
    def confirms(self) -> bool:
        """Whether what was read to its end is known to be what lies there; if not, a wrong checksum proves nothing."""
        ...

    def pinned(self, file: SourceFile, start: int, length: int) -> PinnedRange:
        """``length`` bytes of a file from ``start`` on, as they were when the run began."""
        ...

    def read(self, file: SourceFile, start: int, length: int) -> bytes:
        """These bytes."""
        ...

    def stored_checksum(self, file: SourceFile) -> StoredChecksum | None:
        """What the file's bytes must have when all were read, by ``read``, in more than one piece; None: nothing."""
        ...

    def was_read_twice(self, file: SourceFile) -> bool:
        """Whether there was nothing to compare the bytes with but a second reading of them."""
        ...

    def label(self, number: int) -> str:
        """What the tar with this number is called in ``tarlayout.own_path``, other than any unpacked beside it."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where a dataset's files lie: under ``prefix`` in the landing bucket.

    A file that is read in one piece is compared with what S3 keeps of it by that very answer. For a longer one
    S3 is asked once more. What S3 keeps no usable checksum of is read twice.
    """

    bucket: Bucket
    prefix: str
    copies: bool = True
    confirms: bool = True
    _stored: dict[str, StoredChecksum | None] = field(default_factory=dict)
    _read_twice: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def pinned(self, file: SourceFile, start: int, length: int) -> PinnedRange:
        """Some bytes of the object that has the file's name."""
        return PinnedRange(self.bucket, self.prefix + file.path, file.etag, start, length, file.path)

    def read(self, file: SourceFile, start: int, length: int) -> bytes:
        """Some bytes of a file. Raises as ``Bucket.get_whole``."""
        key = self.prefix + file.path
        if length == file.size:
            body, confirmed = self.bucket.get_whole(key, file.etag, length, file.path)
            if confirmed:
                return body
            return self._read_again(file, body, lambda: self.bucket.get_whole(key, file.etag, length, file.path)[0])
        body = self.bucket.get(key, file.etag, start, length, file.path)
        if self.stored_checksum(file) is not None:
            return body
        return self._read_again(file, body, lambda: self.bucket.get(key, file.etag, start, length, file.path))

    def stored_checksum(self, file: SourceFile) -> StoredChecksum | None:
        """What S3 keeps of a file's bytes; it is asked once."""
        with self._lock:
            if file.path not in self._stored:
                key = self.prefix + file.path
                self._stored[file.path] = self.bucket.stored_checksum(key, file.etag, file.path)
            return self._stored[file.path]

    def was_read_twice(self, file: SourceFile) -> bool:
        """Whether S3 keeps no usable checksum of the file."""
        return file.path in self._read_twice

    def _read_again(self, file: SourceFile, body: bytes, read: Callable[[], bytes]) -> bytes:
        """``body``, when the next reading is the same; or what two readings in a row are."""
        self._read_twice.add(file.path)
        for _ in range(READINGS):
            again = read()
            if again == body:
                return body
            body = again
        message = f"{file.path} is another one each time that it is read."
        raise ServiceRefused(Code.TRANSPORT_CORRUPTION, message, [file.path])

    def label(self, number: int) -> str:
        """The datablock's number."""
        return str(number)


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
        return self.source.read(self.layout.files[extent.file], extent.start, extent.length)
