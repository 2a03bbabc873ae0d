"""One slice of a datablock: S3 copies its big files, small ones pass through, every byte is fingerprinted once."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from archiver.aws.s3 import Bucket
from archiver.aws.s3_uploads import PinnedRange
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.packaging.bodies import Bodies
from archiver.packaging.progress import SliceProgress
from archiver.packaging.sources import Tar
from archiver.packaging.transfers import Transfers
from archiver.tar.layout import Extent, Layout, Part, Slice
from archiver.wording import counted

# After a crash not much more than the work of so many seconds is done again.
_SAVE_SECONDS = 30.0


class DatablockUpload:
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
            raise ServiceRefused(
                Code.PACK_DIGEST, f"S3 has {len(parts)} of {counted(len(expected), 'part')} of {self._key}."
            )
        last = self._bucket.upload_part(self._key, self._upload_id, number, last_part, crc64nvme(last_part))
        self._bucket.complete_upload(self._key, self._upload_id, [*parts, last], crc)


class SliceWorker:
    """Does one slice, from where ``progress`` says."""

    def __init__(
        self,
        tar: Tar,
        piece: Slice,
        upload: DatablockUpload,
        transfers: Transfers,
        progress: SliceProgress,
    ) -> None:
        self._tar = tar
        self._upload = upload
        self._transfers = transfers
        self._begun = self._reached = progress
        self._parts = [part for part in piece.parts if part.end > progress.position]
        extents = chain.from_iterable(self._extents(part) for part in self._parts)
        self._bodies = Bodies(tar, transfers, extents, progress.reading)

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
        if reading is None or reading.hashes.resumable:
            self._reached = replace(
                self._begun,
                position=position,
                fingerprints=(*self._begun.fingerprints, *self._bodies.fingerprints),
                reading=reading.save() if reading else None,
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
                f"{file.path} is too long to be checked by {reading.hashes.algorithm}; give its sha256.",
                [file.path],
            )
