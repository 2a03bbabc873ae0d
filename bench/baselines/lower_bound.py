"""The least that is possible: the S3 operations that an archive cannot do without, issued back to back.

They are those that the service's own planner finds, against the same S3, with as many in flight as a few of
its functions have. Nothing is hashed, checked, written down or told to a catalogue meanwhile.
"""

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from archiver.aws.multipart import part_ranges
from archiver.aws.s3 import Bucket
from archiver.aws.s3_uploads import PinnedRange
from archiver.checksums import crc64nvme
from archiver.lts.long_term_storage import STREAMED_PART, STREAMS
from archiver.models.files import SourceFile
from archiver.packaging.transfers import READ_BYTES
from archiver.tar.layout import Layout, Limits, Part, layout_of
from bench.harness.stack import STAGING, RunningStack

IN_FLIGHT = 8
_ANY_MTIME_NS = 1_795_420_800_000_000_000


@dataclass(frozen=True, slots=True)
class Floor:
    """Seconds of the bare operations: ``parts`` copied and sent, ``completed``, ``read``, and handed over (``hop``).

    ``together`` is reading beside copying, as the service does it.
    """

    parts: float
    completed: float
    read: float
    together: float
    hop: float

    @property
    def whole(self) -> float:
        """From the first byte read to the datablock in the long-term storage."""
        return self.together + self.completed + self.hop


def uploaded_files(landing: Bucket, prefix: str) -> list[SourceFile]:
    """What lies under a prefix, as a run's list of files."""
    return [
        SourceFile(found.key.removeprefix(prefix), found.size, _ANY_MTIME_NS, etag=found.etag)
        for found in landing.list(prefix)
    ]


def measure(stack: RunningStack, landing: Bucket, prefix: str, name: str, *, hand_over: bool = True) -> Floor:
    """Do the operations for what lies under ``prefix``; ``name`` is that of the tar, which must be a new one."""
    bare = _Bare(stack, landing, stack.bucket(STAGING), prefix, f"{name}.tar")
    parts, upload_id = bare.send_parts(at_once=[])
    bare.staging.abort_upload(bare.key, upload_id)
    read = _seconds(bare.reads())
    together, upload_id = bare.send_parts(at_once=bare.reads())
    completed = bare.complete(upload_id)
    hop = bare.hand_over() if hand_over else 0.0
    bare.staging.delete([bare.key])
    return Floor(parts, completed, read, together, hop)


class _Bare:
    """Bare operations on one dataset of one datablock."""

    def __init__(self, stack: RunningStack, landing: Bucket, staging: Bucket, prefix: str, key: str) -> None:
        self.stack = stack
        self.landing = landing
        self.staging = staging
        self.prefix = prefix
        self.key = key
        self.layout: Layout = layout_of(uploaded_files(landing, prefix), Limits())

    def reads(self) -> list[Callable[[], object]]:
        """One request for each piece of each file, as the packager asks for them."""
        extents = self.layout.extents(0, self.layout.end)
        pieces = (piece for extent in extents for piece in extent.cut(READ_BYTES) if piece.length)
        return [partial(_read, self.landing, self._pinned(piece.file, piece.start, piece.length)) for piece in pieces]

    def send_parts(self, at_once: Iterable[Callable[[], object]]) -> tuple[float, str]:
        """Begin an upload, and have all its parts copied or sent; the seconds, and the upload."""
        os.sync()  # what was written before
        begun = time.monotonic()
        upload_id = self.staging.create_upload(self.key)
        last = Part(len(self.layout.parts) + 1, self.layout.tail, self.layout.packed_size, copied=False)
        parts = [partial(self._send, upload_id, part) for part in (*self.layout.parts, last)]
        _seconds([*parts, *at_once])
        return time.monotonic() - begun, upload_id

    def complete(self, upload_id: str) -> float:
        """Make the tar visible, whatever its bytes are."""
        begun = time.monotonic()
        _complete(self.staging, self.key, upload_id)
        return time.monotonic() - begun

    def hand_over(self) -> float:
        """Read the tar and send it to the long-term storage."""
        head = self.staging.head(self.key)
        if head is None:
            raise LookupError(f"{self.key} was not completed")
        lts = self.stack.lts
        begun = time.monotonic()
        upload_id = lts.create_upload(self.key, storage_class="GLACIER")
        ranges = enumerate(part_ranges(head.size, STREAMED_PART), 1)

        def send(number: int, start: int, length: int) -> None:
            data = self.staging.get(self.key, head.etag, start, length)
            lts.upload_part(self.key, upload_id, number, data, crc64nvme(data))

        _seconds([partial(send, number, start, length) for number, (start, length) in ranges], STREAMS)
        _complete(lts, self.key, upload_id)
        lts.head(self.key)
        return time.monotonic() - begun

    def _send(self, upload_id: str, part: Part) -> None:
        if part.copied:
            (whole,) = self.layout.extents(part.start, part.end)
            source = self._pinned(whole.file, whole.start, whole.length)
            self.staging.copy_part(self.key, upload_id, part.number, source)
        else:
            zeros = bytes(part.end - part.start)
            self.staging.upload_part(self.key, upload_id, part.number, zeros, crc64nvme(zeros))

    def _pinned(self, index: int, start: int, length: int) -> PinnedRange:
        file = self.layout.files[index]
        return PinnedRange(self.landing, self.prefix + file.path, file.etag, start, length, file.path)


def _read(landing: Bucket, wanted: PinnedRange) -> int:
    return len(landing.get(wanted.key, wanted.etag, wanted.start, wanted.length))


def _seconds(requests: Iterable[Callable[[], object]], in_flight: int = IN_FLIGHT) -> float:
    """How long all ``requests`` take, with so many in flight."""
    begun = time.monotonic()
    with ThreadPoolExecutor(in_flight) as pool:
        for one in [pool.submit(request) for request in requests]:
            one.result()
    return time.monotonic() - begun


def _complete(bucket: Bucket, key: str, upload_id: str) -> None:
    """Complete an upload without a word about its checksum: the bytes are not those that a planner predicts."""
    client: Any = bucket._client  # noqa: SLF001 - the service itself never completes without a checksum
    parts = [
        {"PartNumber": part.number, "ETag": f'"{part.etag}"', "ChecksumCRC64NVME": part.crc64nvme}
        for part in bucket.parts(key, upload_id)
    ]
    client.complete_multipart_upload(Bucket=bucket.name, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts})
