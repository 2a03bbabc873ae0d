"""What is noted of each of a dataset's files, found by the file's path: 400,000 of them take 10 MB. Pure.

A table is cut into shards, so that one file is found by reading one of them. A shard is a row of records in order, each
the digest of a path and a value; all values of a table have the same length.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

_DIGEST_BYTES: Final = 16
# Some 100 KB each, which S3 reads in one go.
_RECORDS_PER_SHARD = 4_000


def record(path: str, value: bytes) -> bytes:
    """What stands in a table of a file."""
    return _digest(path) + value


def records_of(row: bytes, length: int) -> list[bytes]:
    """The records of a row of them, whose values have so many bytes."""
    width = _DIGEST_BYTES + length
    return [row[start : start + width] for start in range(0, len(row), width)]


def shards_of(records: Iterable[bytes]) -> list[bytes]:
    """The shards of a table of these records; there is always one."""
    ordered = sorted(records)
    shards: list[list[bytes]] = [[] for _ in range(max(1, -(-len(ordered) // _RECORDS_PER_SHARD)))]
    for one in ordered:
        shards[_shard(one[:_DIGEST_BYTES], len(shards))].append(one)
    return [b"".join(shard) for shard in shards]


def shard_of(path: str, shards: int) -> int:
    """Which of so many shards a path stands in, if it stands in any."""
    return _shard(_digest(path), shards)


def value_of(path: str, shard: bytes, length: int) -> bytes | None:
    """The value of a path, of so many bytes; None when it does not stand there."""
    wanted, width = _digest(path), _DIGEST_BYTES + length

    def digest(record: int) -> bytes:
        return shard[record * width : record * width + _DIGEST_BYTES]

    records = range(len(shard) // width)
    found = bisect_left(records, wanted, key=digest)
    if found == len(records) or digest(found) != wanted:
        return None
    return shard[found * width + _DIGEST_BYTES : (found + 1) * width]


def _shard(digest: bytes, shards: int) -> int:
    return int.from_bytes(digest[:8]) % shards


def _digest(path: str) -> bytes:
    return hashlib.blake2b(path.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()
