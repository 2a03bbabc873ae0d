"""Building a run's datablocks: S3 copies big files, small ones pass through, and every byte is fingerprinted once.

A slice of a datablock is done in one or several calls, by one worker at a time; other slices may be
done beside it. S3 itself keeps the parts; what was read and hashed lies in the run's folder:

    plan.json                              the datablocks
    datablocks/<number>/upload.json        the multipart upload
    datablocks/<number>/slices/<n>.json    how far a slice is: position, fingerprints, hash state;
                                           <n>-again.json in the second upload, when S3 refused the first
    datablocks/<number>/fingerprints.json  all fingerprints, and
    datablocks/<number>/sealed.json        the sealed datablock, once it is complete
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from types import TracebackType
from typing import Any, Protocol, Self

from archiver.datablocks import Extent, Layout, Limits, Part, PlannedDatablock, Slice, layout_of, plan
from archiver.digests import (
    Fingerprinting,
    combine_crc64nvme,
    crc64nvme,
    crc64nvme_to_base64,
    known_algorithm,
    same_checksum,
)
from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.memory import reserve
from archiver.models import FileFingerprint, SealedDatablock, SourceFile
from archiver.s3 import Bucket, PinnedRange
from archiver.settings import MIB
from archiver.tarlayout import END, manifest, manifest_header, padding

# Bytes are read in pieces of this size, and so many are on their way or waiting for the hash.
READ_BYTES = 8 * MIB
READ_AHEAD_BYTES = 4 * READ_BYTES
_READERS = 8
# A small file takes a request like any other: it counts as so many bytes on their way.
_REQUEST_COST = MIB // 2
# Parts that S3 copies or receives at the same time; a part of glue has up to 18 MiB.
_SENDERS = 3
# After a crash not much more than the work of so many seconds is done again.
_SAVE_SECONDS = 30.0

_PLAN = "plan.json"


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
        return _document(number, f"slices/{piece:06d}{'-again' if self.again else ''}.json")


@dataclass(frozen=True, slots=True)
class SliceProgress:
    """How far a slice is: all bytes of the tar before ``position`` are in S3 and hashed.

    ``fingerprints`` are those of its files that were read to the end; ``reading`` is the state of the
    one that was not (``Fingerprinting.save``).
    """

    position: int
    fingerprints: tuple[FileFingerprint, ...] = ()
    reading: dict[str, Any] | None = None
    done: bool = False


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


# What a run's folder says


def files_of(folder: Folder, number: int) -> Iterator[SourceFile]:
    """The files of a datablock, with directories and symlinks."""
    planned = planned_datablocks(folder)[number - 1]
    return folder.files(planned.first, planned.files)


def sealed_datablocks(folder: Folder) -> list[SealedDatablock]:
    """The sealed datablocks of the run. Raises LookupError when one is not sealed."""
    return [folder.need(_document(one.number, "sealed.json"), SealedDatablock) for one in planned_datablocks(folder)]


def fingerprints_of(folder: Folder, number: int) -> list[FileFingerprint]:
    """The fingerprints of a sealed datablock's files, without directories and symlinks."""
    return folder.need(_document(number, "fingerprints.json"), list[FileFingerprint])


def planned_datablocks(folder: Folder) -> list[PlannedDatablock]:
    """The datablocks as they were planned."""
    return folder.need(_PLAN, list[PlannedDatablock])


def _document(number: int, name: str) -> str:
    return f"datablocks/{number:06d}/{name}"


class Packager:
    """Builds the datablocks of one run. Every method may be called again, also after a crash.

    ``key_of`` gives the staging key of the datablock with a number.
    """

    def __init__(
        self, folder: Folder, source: Origin, staging: Bucket, key_of: Callable[[int], str], limits: Limits
    ) -> None:
        self._folder = folder
        self._source = source
        self._staging = staging
        self._key_of = key_of
        self._limits = limits
        self._tar: tuple[int, _Tar] | None = None

    def plan(self) -> list[PlannedDatablock]:
        """Plan the datablocks and begin their uploads, once, before the work is shared out.

        Raises DatasetRejected(FILE_TOO_LARGE).
        """
        planned = self._folder.load(_PLAN, list[PlannedDatablock])
        if planned is None:
            planned = list(plan(self._folder.files(), self._limits))
            self._folder.save(_PLAN, planned)
        for datablock in planned:
            name = _document(datablock.number, "upload.json")
            if self._folder.load(name, OpenUpload) is None:
                self._folder.save(name, OpenUpload(self._staging.create_upload(self._key_of(datablock.number))))
        return planned

    def slices(self) -> list[SliceOfDatablock]:
        """The pieces of work, in order. They may be done in any order and beside each other."""
        return [
            SliceOfDatablock(one.number, piece)
            for one in planned_datablocks(self._folder)
            for piece in range(one.slices)
        ]

    def package(self, work: SliceOfDatablock, deadline: float) -> bool:
        """Do a slice, or as much of it as can be done until ``deadline`` (of ``time.monotonic``).

        Returns whether it is finished; if not, call again. Raises DatasetRejected with
        CHECKSUM_MISMATCH (naming file, expected, actual), CHANGED_AFTER_VALIDATE, or
        BAD_CHECKSUM_ALGORITHM for a file too long for a hash that cannot be saved half way.
        """
        name = self._open_upload(work.datablock).slice_document(work.datablock, work.slice)
        progress = self._folder.load(name, SliceProgress)
        if progress is not None and progress.done:
            return True
        reserve(READ_AHEAD_BYTES + READ_BYTES + _SENDERS * (self._limits.glue_part + self._limits.copied_from))
        tar = self._tar_of(work.datablock)
        piece = list(tar.layout.slices())[work.slice]
        upload = self._upload(work.datablock)
        with _Transfers() as transfers:
            progress = progress or SliceProgress(position=piece.parts[0].start)
            worker = _SliceWorker(tar, piece, upload, transfers, progress)
            return worker.run(deadline, lambda reached: self._folder.save(name, reached))

    def complete(self, number: int, deadline: float) -> bool:
        """Seal a datablock; one whose bytes S3 refuses is packaged once more, from the start, in a new upload.

        False when ``deadline`` (of ``time.monotonic``) came first: call again. Raises as ``package`` and ``seal``.
        """
        upload = self._open_upload(number)
        pieces = planned_datablocks(self._folder)[number - 1].slices if upload.again else 0
        if not all(self.package(SliceOfDatablock(number, piece), deadline) for piece in range(pieces)):
            return False
        try:
            self.seal(number)
        except ServiceRefused as refused:
            if upload.again or refused.reason.code is not Code.PACK_DIGEST:
                raise
            self._begin_again(number, upload)
            return self.complete(number, deadline)
        return True

    def seal(self, number: int) -> SealedDatablock:
        """Send the last part and complete the upload, with the CRC64NVME that the files' own CRCs predict.

        Raises as ``package`` does, LookupError when a slice is not finished, and ServiceRefused(PACK_DIGEST)
        when S3 does not have exactly the predicted bytes.
        """
        name = _document(number, "sealed.json")
        sealed = self._folder.load(name, SealedDatablock)
        if sealed is not None and self._is_there(sealed):
            return sealed
        tar = self._tar_of(number)
        layout = tar.layout
        fingerprints = self._packaged(number, layout)
        members, last_fingerprints = _last_members(tar)
        fingerprints += last_fingerprints
        end = _end_of_tar(layout, fingerprints)
        sealed = SealedDatablock(
            number=number,
            key=self._key_of(number),
            files=len(layout.files),
            size=layout.size,
            packed_size=layout.packed_size,
            crc64nvme=crc64nvme_to_base64(_predicted_crc(layout, fingerprints, end)),
        )
        if not self._is_there(sealed):
            self._upload(number).complete(layout, members + end, sealed.crc64nvme)
        self._folder.save(_document(number, "fingerprints.json"), fingerprints)
        self._folder.save(name, sealed)
        return sealed

    def _tar_of(self, number: int) -> "_Tar":
        """A datablock's tar; the last one is kept, for the next slice is often of the same."""
        if self._tar is None or self._tar[0] != number:
            planned = planned_datablocks(self._folder)[number - 1]
            layout = layout_of(self._folder.files(planned.first, planned.files), self._limits)
            if layout.planned(number, planned.first) != planned:
                raise ValueError(f"datablock {number} was planned with other limits")
            self._tar = (number, _Tar(layout, self._source))
        return self._tar[1]

    def _begin_again(self, number: int, refused: OpenUpload) -> None:
        key = self._key_of(number)
        self._folder.save(_document(number, "upload.json"), OpenUpload(self._staging.create_upload(key), again=True))
        self._staging.abort_upload(key, refused.upload_id)

    def _open_upload(self, number: int) -> OpenUpload:
        return self._folder.need(_document(number, "upload.json"), OpenUpload)

    def _upload(self, number: int) -> "_Upload":
        return _Upload(self._staging, self._key_of(number), self._open_upload(number).upload_id)

    def _is_there(self, sealed: SealedDatablock) -> bool:
        head = self._staging.head(sealed.key)
        return head is not None and (head.size, head.crc64nvme) == (sealed.packed_size, sealed.crc64nvme)

    def _packaged(self, number: int, layout: Layout) -> list[FileFingerprint]:
        """The fingerprints of the files before the last part."""
        fingerprints: list[FileFingerprint] = []
        upload = self._open_upload(number)
        for piece in layout.slices():
            progress = self._folder.need(upload.slice_document(number, piece.number), SliceProgress)
            if not progress.done:
                raise LookupError(f"slice {piece.number} of datablock {number} is not finished")
            fingerprints += progress.fingerprints
        return fingerprints


def _last_members(tar: "_Tar") -> tuple[bytes, list[FileFingerprint]]:
    """The members that lie in the last part, with the fingerprints of their files."""
    start, end = tar.layout.tail, tar.layout.end
    with _Transfers() as transfers:
        bodies = _Bodies(tar, transfers, tar.layout.extents(start, end))
        return bodies.glue(start, end), bodies.fingerprints


def _end_of_tar(layout: Layout, fingerprints: list[FileFingerprint]) -> bytes:
    body = manifest(fingerprints)
    newest = max(file.mtime_ns for file in layout.files)
    return manifest_header(len(body), newest) + body + bytes(padding(len(body))) + END


def _predicted_crc(layout: Layout, fingerprints: list[FileFingerprint], end: bytes) -> int:
    """The CRC64NVME of the whole tar, from what was read of its files; what S3 says of its parts is not asked."""
    read = iter(fingerprints)
    crc = 0
    for piece in layout.pieces(0, layout.end):
        if isinstance(piece, bytes):
            crc = crc64nvme(piece, crc)
        else:
            file = next(read)
            crc = combine_crc64nvme(crc, file.crc64nvme, file.size)
    return crc64nvme(end, crc)


@dataclass(frozen=True, slots=True)
class _Tar:
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


class _Transfers:
    """Requests on their way: reads, answered in order, and parts sent, a few of each at a time."""

    def __init__(self) -> None:
        self._readers = ThreadPoolExecutor(_READERS, "read")
        self._senders = ThreadPoolExecutor(_SENDERS, "send")
        self._sent: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in (self._readers, self._senders):
            pool.shutdown(cancel_futures=True)

    def read(self, extents: Iterable[Extent], read: Callable[[Extent], bytes]) -> Iterator[bytes]:
        """What ``read`` gives for each extent, in order, read ahead as far as memory allows."""
        ahead: deque[tuple[Future[bytes], int]] = deque()
        on_their_way = 0
        for extent in extents:
            cost = max(extent.length, _REQUEST_COST)
            while ahead and on_their_way + cost > READ_AHEAD_BYTES:
                first, paid = ahead.popleft()
                on_their_way -= paid
                yield first.result()
            ahead.append((self._readers.submit(read, extent), cost))
            on_their_way += cost
        while ahead:
            yield ahead.popleft()[0].result()

    def send(self, request: Callable[[], None]) -> None:
        """Have a part sent; waits, when many are on their way, and raises what befell an earlier one."""
        while len(self._sent) >= _SENDERS:
            self._sent.popleft().result()
        self._sent.append(self._senders.submit(request))

    def settle(self) -> None:
        """Wait until every part was sent; raises what befell one."""
        while self._sent:
            self._sent.popleft().result()


class _Bodies:
    """The bytes of files, in the order of the tar: each is fingerprinted, and each file checked, as it passes.

    ``extents`` is all that will be asked for, in this order, so that it can be read ahead.
    """

    def __init__(
        self,
        tar: _Tar,
        transfers: _Transfers,
        extents: Iterable[Extent],
        reading: Fingerprinting | None = None,
    ) -> None:
        self.fingerprints: list[FileFingerprint] = []
        self.file: SourceFile | None = None  # whose bytes were asked for last
        self.reading = reading  # of that file, until it was read to its end
        self._layout = tar.layout
        self._read = transfers.read(chain.from_iterable(extent.cut(READ_BYTES) for extent in extents), tar.read)

    def take(self, extent: Extent) -> Iterator[bytes]:
        """The next bytes, in pieces."""
        file = self.file = self._layout.files[extent.file]
        for _ in extent.cut(READ_BYTES):
            data = next(self._read)
            if self.reading is None:
                self.reading = Fingerprinting(_algorithm(file))
            self.reading.update(data)
            if self.reading.position == file.size:
                _check(file, self.reading)
                self.fingerprints.append(self.reading.fingerprint(file.path))
                self.reading = None
            yield data

    def glue(self, start: int, end: int) -> bytes:
        """All that lies between two offsets of the tar: headers, paddings, files."""
        pieces = self._layout.pieces(start, end)
        return b"".join(
            chain.from_iterable((piece,) if isinstance(piece, bytes) else self.take(piece) for piece in pieces)
        )


def _algorithm(file: SourceFile) -> str | None:
    """The algorithm of the uploader's checksum, if one was given."""
    if not file.chk or not file.chk_alg:
        return None
    algorithm = known_algorithm(file.chk_alg)
    if algorithm is None:
        raise DatasetRejected(
            Code.BAD_CHECKSUM_ALGORITHM,
            f"{file.path} has a checksum by {file.chk_alg}, which is not known.",
            [file.path],
        )
    return algorithm


def _check(file: SourceFile, reading: Fingerprinting) -> None:
    if reading.algorithm is None or file.chk is None:
        return
    actual = reading.checksum()
    if not same_checksum(file.chk, actual):
        raise DatasetRejected(
            Code.CHECKSUM_MISMATCH,
            f"{file.path} does not have the given {reading.algorithm}: expected {file.chk}, actual {actual}.",
            [file.path],
        )


class _Upload:
    """The multipart upload of one datablock; a part that S3 has is not sent again."""

    def __init__(self, bucket: Bucket, key: str, upload_id: str) -> None:
        self._bucket = bucket
        self._key = key
        self._upload_id = upload_id
        self._there = {part.number: part for part in bucket.parts(key, upload_id)}

    def copy(self, part: Part, source: PinnedRange) -> None:
        """Let S3 copy a part."""
        there = self._there.get(part.number)
        if there is None or there.size != source.length:
            self._bucket.copy_part(self._key, self._upload_id, part.number, source)

    def send(self, part: Part, body: bytes) -> None:
        """Send a part of glue."""
        there = self._there.get(part.number)
        crc = crc64nvme(body)
        if there is None or (there.size, there.crc64nvme) != (len(body), crc64nvme_to_base64(crc)):
            self._bucket.upload_part(self._key, self._upload_id, part.number, body, crc)

    def complete(self, layout: Layout, last_part: bytes, crc: str) -> None:
        """Send the last part, and make the tar visible if it has this CRC64NVME (base64)."""
        number = len(layout.parts) + 1
        parts = [part for one, part in sorted(self._there.items()) if one < number]
        expected = [(part.number, part.end - part.start) for part in layout.parts]
        if [(part.number, part.size) for part in parts] != expected:
            raise ServiceRefused(Code.PACK_DIGEST, f"S3 has {len(parts)} of the {len(expected)} parts of {self._key}.")
        last = self._bucket.upload_part(self._key, self._upload_id, number, last_part, crc64nvme(last_part))
        self._bucket.complete_upload(self._key, self._upload_id, [*parts, last], crc)


class _SliceWorker:
    """Does one slice, from where ``progress`` says."""

    def __init__(
        self,
        tar: _Tar,
        piece: Slice,
        upload: _Upload,
        transfers: _Transfers,
        progress: SliceProgress,
    ) -> None:
        self._tar = tar
        self._upload = upload
        self._transfers = transfers
        self._begun = self._reached = progress
        self._parts = [part for part in piece.parts if part.end > progress.position]
        reading = Fingerprinting.resume(progress.reading) if progress.reading else None
        extents = chain.from_iterable(self._extents(part) for part in self._parts)
        self._bodies = _Bodies(tar, transfers, extents, reading)

    def run(self, deadline: float, save: Callable[[SliceProgress], None]) -> bool:
        """Work until all is done or ``deadline`` has passed; True when all is done."""
        saved = time.monotonic()
        for position in chain.from_iterable(self._pass(part) for part in self._parts):
            self._reach(position)
            now = time.monotonic()
            if now >= deadline and position < self._parts[-1].end:
                self._refuse_endless()
                self._settle(save)
                return False
            if now >= saved + _SAVE_SECONDS:
                self._settle(save)
                saved = time.monotonic()
        self._settle(save, done=True)
        return True

    def _pass(self, part: Part) -> Iterator[int]:
        """Do a part, telling each offset of the tar that is behind us."""
        if part.copied and self._tar.source.copies:
            yield from self._copy(part)
        else:
            body = self._bodies.glue(part.start, part.end)
            self._transfers.send(lambda: self._upload.send(part, body))
            yield part.end

    def _copy(self, part: Part) -> Iterator[int]:
        """Have S3 copy the part while the same bytes are read and hashed here."""
        (whole,) = self._tar.layout.extents(part.start, part.end)
        source = self._tar.pinned(whole)
        self._transfers.send(lambda: self._upload.copy(part, source))
        position = max(part.start, self._begun.position)
        for extent in self._extents(part):
            for data in self._bodies.take(extent):
                position += len(data)
                yield position

    def _extents(self, part: Part) -> Iterator[Extent]:
        """What remains to be read of a part."""
        return self._tar.layout.extents(max(part.start, self._begun.position), part.end)

    def _reach(self, position: int) -> None:
        """Note the offset, if work could go on from there."""
        reading = self._bodies.reading
        if reading is None or reading.resumable:
            self._reached = SliceProgress(
                position,
                (*self._begun.fingerprints, *self._bodies.fingerprints),
                reading.save() if reading else None,
            )

    def _settle(self, save: Callable[[SliceProgress], None], *, done: bool = False) -> None:
        """Write down how far we are; what is written down is in S3."""
        self._transfers.settle()
        save(replace(self._reached, done=done))

    def _refuse_endless(self) -> None:
        """Refuse a file whose hash cannot be saved, when one call has not sufficed to get through it."""
        file, reading = self._bodies.file, self._bodies.reading
        if self._reached.position == self._begun.position and file is not None and reading is not None:
            raise DatasetRejected(
                Code.BAD_CHECKSUM_ALGORITHM,
                f"{file.path} is too long to be checked by {reading.algorithm}; give its sha256.",
                [file.path],
            )
