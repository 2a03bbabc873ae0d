"""Bring a recalled datablock into the retrieval bucket, and prove it while it goes by.

Each byte is read once: it is sent on, and on its way it becomes part of the tar's CRC64NVME and of its
member's checksum. The upload is completed only when both agree with what was recorded at archiving, so
what lies in the retrieval bucket has been proven.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

import orjson

from archiver.digests import crc64nvme, crc64nvme_to_base64, known_algorithm, same_checksum
from archiver.errors import Code, ServiceRefused
from archiver.lts import STREAMED_PART, LongTermStorage, StoredDatablock, TapeState, part_ranges
from archiver.models import CatalogueDatablock, CatalogueFile
from archiver.s3 import Bucket, UploadedPart
from archiver.tarreader import TarReader

# Parts that are read ahead, and as many that are on their way out; with those at hand eight, of 8 MiB.
_AT_ONCE: Final = 3


class Folder(Protocol):
    """Where a delivery writes down how far it came."""

    def read(self, name: str) -> bytes | None:
        """A document's bytes, or None."""
        ...

    def write(self, name: str, body: bytes) -> None:
        """Write, or replace, a document."""
        ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """A proven datablock in the retrieval bucket: ``size`` in bytes, ``crc64nvme`` in base64."""

    key: str
    size: int
    crc64nvme: str


def is_delivered(key: str, lts: LongTermStorage, retrieval: Bucket) -> bool:
    """Whether the retrieval bucket has the datablock that the LTS has under ``key``."""
    kept = lts.stored(key)
    return kept is not None and _delivered(kept, retrieval) is not None


def deliver(
    datablock: CatalogueDatablock, lts: LongTermStorage, retrieval: Bucket, folder: Folder, deadline: float
) -> Delivered | None:
    """Copy ``datablock`` into the retrieval bucket, under its own key, once it is proven.

    None when there is more to do: ``deadline`` (``time.monotonic()``) came, or tape has let the datablock
    go (``lts.stored`` says which); the next call goes on. One that was delivered already is not read again.
    Raises ServiceRefused(CORRUPT_DATABLOCK) naming datablock and files; nothing is visible then.
    """
    kept = lts.stored(datablock.archive_id)
    if kept is None:
        raise ServiceRefused(Code.CORRUPT_DATABLOCK, f"{datablock.archive_id} is not in the long-term storage.")
    if there := _delivered(kept, retrieval):
        return there
    _refuse_unlike_recorded(kept, datablock)
    if kept.state is not TapeState.READABLE:
        return None
    return _Delivery(datablock, kept, lts, retrieval, folder).work(deadline)


def _delivered(kept: StoredDatablock, retrieval: Bucket) -> Delivered | None:
    """What lies in the retrieval bucket, if it is what the LTS has. Only what was proven ever got there."""
    there = retrieval.head(kept.key)
    checksum = kept.recorded or kept.crc64nvme
    if there is None or there.size != kept.size or there.crc64nvme is None:
        return None
    return Delivered(kept.key, there.size, there.crc64nvme) if checksum in (None, there.crc64nvme) else None


def _refuse_unlike_recorded(kept: StoredDatablock, datablock: CatalogueDatablock) -> None:
    if kept.size != datablock.packed_size:
        sizes = f"{kept.size} bytes, recorded are {datablock.packed_size}"
        raise ServiceRefused(Code.CORRUPT_DATABLOCK, f"{datablock.archive_id} has {sizes}.")
    if kept.recorded and kept.crc64nvme and kept.recorded != kept.crc64nvme:
        checksums = f"{kept.crc64nvme}, recorded is {kept.recorded}"
        raise ServiceRefused(Code.CORRUPT_DATABLOCK, f"{datablock.archive_id} has the CRC64NVME {checksums}.")


@dataclass(slots=True)
class _Proof:
    """What the bytes so far have shown; ``seen`` are the members that were right, ``wrong`` those that were not."""

    expected: dict[str, CatalogueFile]
    tar: TarReader
    parts: int = 0
    seen: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, datablock: CatalogueDatablock) -> Self:
        """Nothing is read yet."""
        algorithms = _algorithms(datablock)
        return cls({file.path: file for file in datablock.files if file.path in algorithms}, TarReader(algorithms))

    @classmethod
    def resume(cls, datablock: CatalogueDatablock, saved: dict[str, Any]) -> Self:
        """Go on where ``save`` was called."""
        proof = cls.begin(datablock)
        proof.tar = TarReader.resume(_algorithms(datablock), saved["tar"])
        proof.parts, proof.seen, proof.wrong = saved["parts"], set(saved["seen"]), saved["wrong"]
        return proof

    def save(self) -> dict[str, Any]:
        """The state as JSON has it. Only where ``tar.resumable``."""
        return {"tar": self.tar.save(), "parts": self.parts, "seen": sorted(self.seen), "wrong": self.wrong}

    def feed(self, part: bytes) -> None:
        """Take the next part. Raises ServiceRefused(CORRUPT_DATABLOCK) when it is no part of a tar."""
        self.parts += 1
        for member in self.tar.feed(part):
            file = self.expected[member.path]
            is_right = member.size == file.size and same_checksum(file.chk or "", member.checksum)
            (self.seen.add if is_right else self.wrong.append)(member.path)

    def finish(self, recorded: str | None) -> str:
        """The whole tar's CRC64NVME (base64), when all is as ``recorded`` and as the catalogue has it.

        Raises ServiceRefused(CORRUPT_DATABLOCK) when it is not.
        """
        checksum = crc64nvme_to_base64(self.tar.crc64nvme)
        if checksum != (recorded or checksum):
            raise ServiceRefused(Code.CORRUPT_DATABLOCK, f"Its CRC64NVME is {checksum}, recorded is {recorded}.")
        if self.damaged_files():
            raise ServiceRefused(Code.CORRUPT_DATABLOCK, "Files in it are not as the catalogue has them.")
        self.tar.finish()
        return checksum

    def damaged_files(self) -> list[str]:
        """The files that are wrong or not there, sorted."""
        return sorted({*self.wrong, *(self.expected.keys() - self.seen)})


def _algorithms(datablock: CatalogueDatablock) -> dict[str, str]:
    """By which algorithm each file is checked; one without a known checksum is covered by the whole tar's alone."""
    return {
        file.path: algorithm
        for file in datablock.files
        if file.chk and (algorithm := known_algorithm(file.chk_alg or datablock.chk_alg or ""))
    }


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One call's work on one datablock."""

    datablock: CatalogueDatablock
    kept: StoredDatablock
    lts: LongTermStorage
    retrieval: Bucket
    folder: Folder

    def work(self, deadline: float) -> Delivered | None:
        """Go on from where an earlier call stopped."""
        upload_id, proof = self._begun() or self._begin()
        try:
            return self._complete(upload_id, proof) if self._pass_on(upload_id, proof, deadline) else None
        except ServiceRefused as refused:
            if refused.reason.code is not Code.CORRUPT_DATABLOCK:
                raise
            # Nothing is left of the bytes that were sent.
            self.retrieval.abort_upload(self.kept.key, upload_id)
            message = f"{self.datablock.archive_id} reads back damaged. {refused.reason.message}"
            raise ServiceRefused(Code.CORRUPT_DATABLOCK, message, proof.damaged_files()) from refused

    @property
    def _progress(self) -> str:
        return f"delivery/{hashlib.sha256(self.datablock.archive_id.encode()).hexdigest()}.json"

    def _begun(self) -> tuple[str, _Proof] | None:
        saved = self.folder.read(self._progress)
        if saved is None:
            return None
        noted = orjson.loads(saved)
        proof, upload_id = _Proof.resume(self.datablock, noted["proof"]), str(noted["upload_id"])
        if noted["etag"] == self.kept.etag and 0 < proof.parts <= len(self.retrieval.parts(self.kept.key, upload_id)):
            return upload_id, proof
        # Nothing was sent yet, or what was sent is gone: refused, or given up by the bucket's rule.
        self.retrieval.abort_upload(self.kept.key, upload_id)
        return None

    def _begin(self) -> tuple[str, _Proof]:
        proof = _Proof.begin(self.datablock)
        upload_id = self.retrieval.create_upload(self.kept.key)
        self._note(upload_id, proof)
        return upload_id, proof

    def _note(self, upload_id: str, proof: _Proof) -> None:
        noted = {"upload_id": upload_id, "etag": self.kept.etag, "proof": proof.save()}
        self.folder.write(self._progress, orjson.dumps(noted))

    def _pass_on(self, upload_id: str, proof: _Proof, deadline: float) -> bool:
        """Prove and send the parts that are left; False when some are left again, for the next call."""
        ranges = part_ranges(self.kept.size, STREAMED_PART)
        self._stream(upload_id, proof, ranges, deadline)
        if proof.parts == len(ranges):
            return True
        if proof.tar.resumable:
            self._note(upload_id, proof)
        return False

    def _stream(self, upload_id: str, proof: _Proof, ranges: list[tuple[int, int]], deadline: float) -> None:
        """Read the parts that are left in order, a few ahead; prove each, and send it on meanwhile."""

        def read(number: int) -> bytes | None:
            return self.lts.read(self.kept, *ranges[number - 1])

        def send(number: int, body: bytes) -> UploadedPart:
            return self.retrieval.upload_part(self.kept.key, upload_id, number, body, crc64nvme(body))

        numbers = _until(deadline, range(proof.parts + 1, len(ranges) + 1))
        with ThreadPoolExecutor(2 * _AT_ONCE) as pool:
            sending: deque[Future[UploadedPart]] = deque()
            for number, body in _ahead(pool, read, numbers):
                if body is None:
                    break
                proof.feed(body)
                sending.append(pool.submit(send, number, body))
                if len(sending) >= _AT_ONCE:
                    sending.popleft().result()
            for sent in sending:
                sent.result()

    def _complete(self, upload_id: str, proof: _Proof) -> Delivered:
        checksum = proof.finish(self.kept.recorded or self.kept.crc64nvme)
        parts = self.retrieval.parts(self.kept.key, upload_id)
        self.retrieval.complete_upload(self.kept.key, upload_id, parts, checksum)
        return Delivered(self.kept.key, self.kept.size, checksum)


def _until(deadline: float, numbers: Iterable[int]) -> Iterator[int]:
    """Numbers until the deadline; the first in any case, so that every call gets somewhere."""
    for count, number in enumerate(numbers):
        if count and time.monotonic() >= deadline:
            return
        yield number


def _ahead[T](pool: ThreadPoolExecutor, read: Callable[[int], T], numbers: Iterable[int]) -> Iterator[tuple[int, T]]:
    """What ``read`` gives for each number, in order; the next few are read meanwhile."""
    reading: deque[tuple[int, Future[T]]] = deque()
    for number in numbers:
        reading.append((number, pool.submit(read, number)))
        if len(reading) > _AT_ONCE:
            first, done = reading.popleft()
            yield first, done.result()
    for first, done in reading:
        yield first, done.result()
