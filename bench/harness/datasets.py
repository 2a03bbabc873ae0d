"""The datasets that are measured: many small files, few large ones, and both."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import chain, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

KIB, MIB, GIB = 1024, 1024**2, 1024**3
_UPLOADED_AT_ONCE = 64 * MIB
_UPLOADERS = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """A dataset by the sizes of its files, in bytes."""

    name: str
    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """All its bytes."""
        return sum(self.sizes)

    @property
    def folder(self) -> str:
        """Its name as a folder's."""
        return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in self.name)

    def files(self) -> Iterator[tuple[str, int]]:
        """Path and size of each file."""
        for number, size in enumerate(self.sizes):
            yield f"grid {number // 100:03}/exposure_{number:05}.mrc", size


SHAPES = (
    Shape("16 × 64 MiB", (64 * MIB,) * 16),
    Shape("200 × 5 MiB", (5 * MIB,) * 200),
    Shape("3,000 × 20 KB", (20_000,) * 3_000),
    Shape("1 × 2 GiB", (2 * GIB,)),
    Shape(
        "mixed",
        tuple(chain((256 * MIB,), repeat(32 * MIB, 8), repeat(5 * MIB, 40), repeat(100_000, 400), repeat(900, 300))),
    ),
)


def upload(client: "S3Client", bucket: str, prefix: str, shape: Shape) -> None:
    """Put the files of a dataset under ``prefix``; no two have the same bytes."""

    def put(file: tuple[int, tuple[str, int]]) -> None:
        number, (path, size) = file
        if size <= _UPLOADED_AT_ONCE:
            client.put_object(Bucket=bucket, Key=prefix + path, Body=body(number, size))
        else:
            _put_in_parts(client, bucket, prefix + path, number, size)

    with ThreadPoolExecutor(_UPLOADERS) as pool:
        list(pool.map(put, enumerate(shape.files())))


def body(number: int, size: int) -> bytes:
    """``size`` bytes that no compression shortens within a mebibyte, and that begin with ``number``."""
    block = _block()
    return (number.to_bytes(8) + block[8:] + block * (size // len(block)))[:size]


@cache
def _block() -> bytes:
    # The same for every thread that asks first.
    return hashlib.shake_256(b"measured").digest(MIB)


def _put_in_parts(client: "S3Client", bucket: str, key: str, number: int, size: int) -> None:
    upload_id = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    parts = []
    for part, start in enumerate(range(0, size, _UPLOADED_AT_ONCE), 1):
        piece = body(number + part, min(_UPLOADED_AT_ONCE, size - start))
        answer = client.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=part, Body=piece)
        parts.append({"PartNumber": part, "ETag": answer["ETag"]})
    client.complete_multipart_upload(
        Bucket=bucket,
        Key=key,
        UploadId=upload_id,
        MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
    )
