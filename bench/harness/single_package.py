"""A program that packs so many bytes from a source without a network, and says what it took: ``SIZE`` in bytes."""

import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import override

from archiver.aws.s3 import Bucket
from archiver.aws.s3_uploads import PinnedRange, UploadedPart
from archiver.models.files import SourceFile
from archiver.packaging import Packager, Source
from archiver.tar.layout import Limits
from bench.harness.datasets import MIB
from bench.harness.single_step import Took, peak_memory_mb
from tests.support.memory_bucket import MemoryFolder

_FILE_BYTES = 64 * MIB


class Nowhere(Bucket):
    """Reads zeros, and takes whatever is sent."""

    def __init__(self) -> None:
        self.name = "nowhere"

    @override
    def get(self, key: str, etag: str, start: int, length: int, name: str | None = None) -> bytes:
        return bytes(length)

    @override
    def create_upload(
        self, key: str, *, storage_class: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> str:
        return "any"

    @override
    def parts(self, key: str, upload_id: str) -> tuple[UploadedPart, ...]:
        return ()

    @override
    def upload_part(self, key: str, upload_id: str, number: int, body: bytes, crc64nvme: int) -> UploadedPart:
        return UploadedPart(number, "any", len(body), "")

    @override
    def copy_part(self, key: str, upload_id: str, number: int, source: PinnedRange) -> UploadedPart:
        return UploadedPart(number, "any", source.length, "")


def pack(size: int) -> Took:
    """Package ``size`` bytes in files of 64 MiB."""
    files = [SourceFile(f"{number:06}.mrc", _FILE_BYTES, 0, etag="any") for number in range(size // _FILE_BYTES)]
    packager = Packager(MemoryFolder(files), Source(Nowhere(), ""), Nowhere(), "{}.tar".format, Limits())
    begun, worked = time.monotonic(), time.process_time()
    packager.plan()
    for work in packager.slices():
        packager.package(work, math.inf)
    return Took("package", size, time.monotonic() - begun, time.process_time() - worked, peak_memory_mb(), 0, 0)


if __name__ == "__main__":
    print(json.dumps(asdict(pack(int(sys.argv[1])))))
