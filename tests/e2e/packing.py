"""A program that packs one dataset as a function would, and prints what it took as JSON.

``python -m tests.e2e.packing ENDPOINT LANDING STAGING PREFIX``
"""

import json
import math
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import override

from archiver.aws import clients
from archiver.aws.s3 import Bucket
from archiver.aws.s3_uploads import PinnedRange, UploadedPart
from archiver.models.files import SourceFile
from archiver.packaging import Packager, Source
from archiver.tar.layout import Limits
from tests.support.memory_bucket import MemoryFolder

ANY_MTIME_NS = 1_795_420_800_000_000_000


class CountingBucket(Bucket):
    """A bucket that counts the bytes that are read, sent, and copied by S3 itself."""

    def __init__(self, endpoint: str, name: str) -> None:
        super().__init__(clients.s3_at(endpoint, "test", "test"), name)
        self.bytes: Counter[str] = Counter()
        self._lock = threading.Lock()

    def _count(self, kind: str, size: int) -> None:
        with self._lock:
            self.bytes[kind] += size

    @override
    def get(self, key: str, etag: str, start: int, length: int, name: str | None = None) -> bytes:
        self._count("read", length)
        return super().get(key, etag, start, length, name)

    @override
    def get_whole(self, key: str, etag: str, size: int, name: str | None = None) -> tuple[bytes, bool]:
        self._count("read", size)
        return super().get_whole(key, etag, size, name)

    @override
    def upload_part(self, key: str, upload_id: str, number: int, body: bytes, crc64nvme: int) -> UploadedPart:
        self._count("sent", len(body))
        return super().upload_part(key, upload_id, number, body, crc64nvme)

    @override
    def copy_part(self, key: str, upload_id: str, number: int, source: PinnedRange) -> UploadedPart:
        self._count("copied", source.length)
        return super().copy_part(key, upload_id, number, source)


def uploaded_files(landing: Bucket, prefix: str) -> list[SourceFile]:
    """What lies under a prefix, as a run's list of files."""
    return [
        SourceFile(found.key.removeprefix(prefix), found.size, ANY_MTIME_NS, etag=found.etag)
        for found in landing.list(prefix)
    ]


def peak_rss() -> int:
    """The most memory that this program has had, in bytes (getrusage counts the parent's, too)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main(endpoint: str, landing_name: str, staging_name: str, prefix: str) -> None:
    """Pack, and print the figures."""
    landing, staging = CountingBucket(endpoint, landing_name), CountingBucket(endpoint, staging_name)
    folder = MemoryFolder(uploaded_files(landing, prefix))
    packager = Packager(folder, Source(landing, prefix), staging, f"{prefix}{{}}.tar".format, Limits())
    started = time.monotonic()
    planned = packager.plan()
    done = [packager.package(work, math.inf) for work in packager.slices()]
    sealed = [packager.seal(one.number) for one in planned]
    figures = {
        "seconds": time.monotonic() - started,
        "slices": len(done),
        "size": sum(one.size for one in sealed),
        "packed_size": sum(one.packed_size for one in sealed),
        "keys": [one.key for one in sealed],
        "peak_rss": peak_rss(),
        **(landing.bytes + staging.bytes),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
