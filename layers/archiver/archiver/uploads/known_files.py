"""What is noted of the files of a dataset's upload: SciCat's list when it began, and what lay there in the end.

Both are tables (``filetable``), so that 400,000 files are some 10 MB.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from pydantic import BaseModel, ConfigDict

from archiver.keys import Keys
from archiver.models import catalogue_entries
from archiver.models.catalogue import CatalogueFile, FileBlock
from archiver.models.files import Upload
from archiver.storage import buckets, sources
from archiver.uploads import file_table

_SIZE_BYTES, _ANY_SIZE = 8, -1
_SEEN_BYTES = 16
_NOTE_BYTES = 64 * 1024**2
_AT_ONCE = 8
# A list that takes longer to read than that is read from its beginning again.
_LATELY = timedelta(hours=1)
# Of so many files one path is kept: S3 is asked for the files between two of them, for many such shares at once.
_SHARE = 5_000
_SAMPLED = 500


class FilesNoted(BaseModel):
    """A table that lies in staging under this name.

    Of SciCat's list ``size`` is the sum of the ``sized`` files, those whose size it tells, in bytes, and ``ends`` are
    paths, in order, between which some thousand files lie.
    """

    name: str
    shards: int
    files: int
    sized: int = 0
    size: int = 0
    ends: list[str] = []

    def shard_of(self, path: str) -> int:
        """The number of the shard in which a file stands, if it stands in any."""
        return file_table.shard_of(path, self.shards)


@dataclass(frozen=True, slots=True)
class Expected:
    """A file that SciCat lists; ``size`` in bytes, None where the list does not tell."""

    size: int | None

    def is_met_by(self, size: int) -> bool:
        """Whether so many bytes may be the file's."""
        return self.size in {None, size}


def expected(path: str, shard: bytes) -> Expected | None:
    """The file, by the shard that it would stand in; None when it is not listed."""
    noted = file_table.value_of(path, shard, _SIZE_BYTES)
    return None if noted is None else Expected(_size(noted))


def shard(pid: str, noted: FilesNoted, number: int) -> bytes:
    """A shard of a table of the dataset's upload. Raises LookupError when the upload was given up meanwhile."""
    key = Keys.noted_files(pid, noted.name, number)
    body = buckets.staging().read(key, _NOTE_BYTES)
    if body is None:
        raise LookupError(f"{key} is not there")
    return body


# SciCat's list


class _BlockNoted(BaseModel):
    """What is noted of a block of SciCat's files: its records, and some of its paths."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    records: bytes
    sample: list[str]


def note_list(pid: str, blocks: Sequence[FileBlock], seconds: float) -> FilesNoted | None:
    """Note which files SciCat lists, and how many bytes each has, so that one of them is found by one request.

    None when it takes longer than so many seconds; whoever asks again goes on where this one stopped.
    """
    deadline = time.monotonic() + seconds
    lately = datetime.now(UTC) - _LATELY
    before = {found.key for found in buckets.staging().list(Keys.noted_blocks(pid)) if found.modified > lately}
    records, sample = list[bytes](), list[str]()
    for block in blocks:
        key = Keys.noted_block(pid, block.id)
        if key not in before and time.monotonic() > deadline:
            return None
        noted = _noted_before(key) if key in before else _noted(block)
        if len(blocks) > 1 and key not in before:
            buckets.staging().put(key, noted.model_dump_json().encode())
        sample += noted.sample
        records += file_table.records_of(noted.records, _SIZE_BYTES)
    sizes = [size for size in (_size(record[-_SIZE_BYTES:]) for record in records) if size is not None]
    told = {"sized": len(sizes), "size": sum(sizes), "ends": _ends(sample, len(records))}
    listed = _write(pid, records).model_copy(update=told)
    buckets.staging().delete(found.key for found in buckets.staging().list(Keys.noted_blocks(pid)))
    return listed


def _noted_before(key: str) -> _BlockNoted:
    return _BlockNoted.model_validate_json(buckets.staging().read(key, _NOTE_BYTES) or b"")


def _noted(block: FileBlock) -> _BlockNoted:
    files = [file for file in block.read() if catalogue_entries.may_be_sent(file)]
    return _BlockNoted(records=b"".join(map(_record, files)), sample=[file.path for file in files[::_SAMPLED]])


def _record(file: CatalogueFile) -> bytes:
    size = catalogue_entries.size_to_send(file)
    return file_table.record(file.path, (_ANY_SIZE if size is None else size).to_bytes(_SIZE_BYTES, signed=True))


def _size(noted: bytes) -> int | None:
    size = int.from_bytes(noted, signed=True)
    return None if size == _ANY_SIZE else size


def _ends(sample: list[str], files: int) -> list[str]:
    """Paths between which as many files lie each time, or so."""
    shares = files // _SHARE
    ordered = sorted(sample, key=lambda path: path.encode(errors="surrogatepass"))
    return ordered[:: len(ordered) // shares][1:] if 1 < shares < len(ordered) else []


# What lies there


def pin(pid: str, files: Iterable[tuple[str, int, str]]) -> FilesNoted:
    """Note what lies there: the path, size and ETag of each object."""
    return _write(pid, [file_table.record(path, _seen(size, etag)) for path, size, etag in files])


def pin_listed(pid: str, listed: FilesNoted, given_up: Callable[[], bool]) -> FilesNoted | None:
    """Note what lies there, if it is what SciCat listed; None when it is not.

    Raises ``storage.GivenUpError`` when it is ``given_up``.
    """
    with ThreadPoolExecutor(_AT_ONCE) as readers:
        shards = list(readers.map(partial(shard, pid, listed), range(listed.shards)))
    prefix = Keys.uploads(pid)
    records, sized = list[bytes](), 0
    for found in sources.uploaded_at_once(Upload(prefix=prefix), [*listed.ends, ""], 1, given_up):
        path = found.key.removeprefix(prefix)
        wanted = expected(path, shards[listed.shard_of(path)])
        if wanted is None or not wanted.is_met_by(found.size):
            return None
        sized += wanted.size is not None
        records.append(file_table.record(path, _seen(found.size, found.etag)))
    return _write(pid, records) if records and sized == listed.sized else None


class Pins:
    """What was pinned. All of it is read when it is made."""

    def __init__(self, pid: str, noted: FilesNoted) -> None:
        self._noted = noted
        self._shards = [shard(pid, noted, number) for number in range(noted.shards)]

    def have(self, path: str, size: int, etag: str) -> bool:
        """Whether the file is what it was."""
        own = self._shards[self._noted.shard_of(path)]
        return file_table.value_of(path, own, _SEEN_BYTES) == _seen(size, etag)

    @property
    def files(self) -> int:
        """How many there were."""
        return self._noted.files


def _seen(size: int, etag: str) -> bytes:
    return hashlib.blake2b(f"{size} {etag}".encode(), digest_size=_SEEN_BYTES).digest()


def _write(pid: str, records: list[bytes]) -> FilesNoted:
    """Write a table. Its name tells its content, so that the same table is not written over by another one."""
    shards = file_table.shards_of(records)
    name = hashlib.sha256(b"".join(hashlib.sha256(shard).digest() for shard in shards)).hexdigest()

    def write(number: int) -> None:
        key = Keys.noted_files(pid, name, number)
        buckets.staging().put(key, shards[number], content_type="application/octet-stream")

    with ThreadPoolExecutor(_AT_ONCE) as writers:
        list(writers.map(write, range(len(shards))))
    return FilesNoted(name=name, shards=len(shards), files=len(records))
