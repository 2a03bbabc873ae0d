"""A multipart upload of many parts: which bytes each has, and those that S3 does not have yet."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from archiver.aws.s3_uploads import UploadedPart
from archiver.settings import MIB

# S3's own limit (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
MAX_PARTS: Final = 10_000


def send_missing(
    ranges: Sequence[tuple[int, int]],
    there: Mapping[int, UploadedPart],
    send: Callable[[int, int, int], UploadedPart],
    at_once: int,
    deadline: float,
) -> list[UploadedPart] | None:
    """All parts of an upload in order: those that are ``there``, the others by ``send`` (number, offset, length).

    None when ``deadline`` (``time.monotonic()``) came first; the next call goes on.
    """
    has_sent = False

    def part(number: int) -> UploadedPart | None:
        nonlocal has_sent
        start, length = ranges[number - 1]
        done = there.get(number)
        if done is not None and done.size == length:
            return done
        if has_sent and time.monotonic() >= deadline:
            return None
        has_sent = True  # every call gets somewhere, however late it begins
        return send(number, start, length)

    with ThreadPoolExecutor(at_once) as pool:
        parts = list(pool.map(part, range(1, len(ranges) + 1)))
    sent = [one for one in parts if one is not None]
    return sent if len(sent) == len(parts) else None


def part_ranges(size: int, smallest: int) -> list[tuple[int, int]]:
    """Offset and length of each part of ``size`` bytes: equal, ``smallest`` or what 10,000 parts ask for."""
    length = max(smallest, -(-size // (MAX_PARTS * MIB)) * MIB)
    return [(start, min(length, size - start)) for start in range(0, size, length)]
