"""Bring a recalled datablock into the retrieval bucket, and prove it while it goes by.

Each byte is read once: it is sent on, and on its way it becomes part of the tar's CRC64NVME and of its
member's checksum. The upload is completed only when both agree with what was recorded at archiving, so
what lies in the retrieval bucket has been proven. A datablock that another archiver wrote is proven by
what the catalogue knows of it: its size, and the names, sizes and checksums of its files. Neither may
hold what does harm when it is unpacked (``tarcontents``).
"""

import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import orjson

from archiver.aws.memory import reserve
from archiver.aws.multipart import part_ranges
from archiver.aws.s3 import Bucket
from archiver.aws.s3_requests import READINGS
from archiver.aws.s3_uploads import UploadedPart
from archiver.checksums import crc64nvme, crc64nvme_to_base64, hexadecimal
from archiver.errors import Code, Reason, ServiceRefused, reason
from archiver.keys import Keys
from archiver.log import logger
from archiver.lts.long_term_storage import STREAMED_PART, LongTermStorage, StoredDatablock, TapeState
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.models.catalogue_entries import checksum_algorithm, kind_of
from archiver.retrieve.read_ahead import read_ahead
from archiver.tar import provenance
from archiver.tar.contents import TarContents
from archiver.tar.reader import Member, TarReader, plain_path

# Parts that are read ahead, and as many that are on their way out; with those at hand eight, of 8 MiB.
_AT_ONCE: Final = 3
_PARTS_AT_HAND: Final = 2 * _AT_ONCE + 2
# What is found out about a datablock, and does not concern the others.
_FINDINGS: Final = {Code.CORRUPT_DATABLOCK, Code.TRANSPORT_CORRUPTION, Code.TIMEOUT}


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
    """A proven datablock in the retrieval bucket, under ``Keys.copy``: ``size`` in bytes, ``crc64nvme`` in base64."""

    key: str
    size: int
    crc64nvme: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A datablock as the catalogue records it for a dataset."""

    pid: str
    datablock: CatalogueDatablock


@dataclass(frozen=True, slots=True)
class Refused:
    """A datablock that is not handed over: why, and which of its files could not be proven."""

    archive_id: str
    reason: Reason


def already_delivered(pid: str, kept: StoredDatablock, retrieval: Bucket) -> Delivered | None:
    """The dataset's copy in the retrieval bucket, if it is what the LTS has. Only what was proven ever got there."""
    key = Keys.copy(pid, kept.key)
    there = retrieval.head(key)
    checksum = kept.recorded or kept.crc64nvme
    if there is None or there.size != kept.size or there.crc64nvme is None:
        return None
    return Delivered(key, there.size, there.crc64nvme) if checksum in (None, there.crc64nvme) else None


def deliver(
    wanted: Wanted, lts: LongTermStorage, retrieval: Bucket, folder: Folder, deadline: float
) -> Delivered | Refused | None:
    """Copy the datablock that is ``wanted`` of a dataset into the retrieval bucket once it is proven.

    None when there is more to do: ``deadline`` (``time.monotonic()``) came, or tape has let the datablock
    go (``lts.stored`` says which); the next call goes on. One that was delivered already is not read again.
    Of one that is refused nothing is visible.
    """
    try:
        return _deliver(wanted, lts, retrieval, folder, deadline)
    except ServiceRefused as refused:
        if refused.reason.code not in _FINDINGS:
            raise
        return Refused(wanted.datablock.archive_id, refused.reason)


def _deliver(
    wanted: Wanted, lts: LongTermStorage, retrieval: Bucket, folder: Folder, deadline: float
) -> Delivered | None:
    pid, datablock = wanted.pid, wanted.datablock
    own_list = provenance.own_list(pid, datablock)
    kept = lts.stored(datablock.archive_id)
    if kept is None:
        raise _unproven(datablock, "is not in the long-term storage")
    if there := already_delivered(pid, kept, retrieval):
        return there
    _refuse_unlike_recorded(kept, datablock)
    if kept.state is not TapeState.READABLE:
        return None
    return _Delivery(datablock, own_list, kept, lts, retrieval, Keys.copy(pid, kept.key), folder).work(deadline)


def _refuse_unlike_recorded(kept: StoredDatablock, datablock: CatalogueDatablock) -> None:
    if kept.size != datablock.packed_size:
        raise _unproven(datablock, f"has not the {datablock.packed_size} bytes that are recorded")
    if kept.recorded and kept.crc64nvme and kept.recorded != kept.crc64nvme:
        raise _unproven(datablock, f"has the CRC64NVME {kept.crc64nvme}, recorded is {kept.recorded}")


def unreadable(datablock: CatalogueDatablock) -> Refused:
    """What is said of a datablock that tape could not bring back."""
    message = f"{datablock.archive_id} could not be recalled, twice."
    return Refused(datablock.archive_id, reason(Code.RECALL_FAILED, message, sorted(_files(datablock))))


def _unproven(datablock: CatalogueDatablock, why: str) -> ServiceRefused:
    """The refusal of a datablock that need not even be read: none of its files can be proven."""
    return ServiceRefused(Code.CORRUPT_DATABLOCK, f"{datablock.archive_id} {why}.", sorted(_files(datablock)))


def _files(datablock: CatalogueDatablock) -> dict[str, CatalogueFile]:
    """The files that must be in the tar, by their names there; folders and symlinks need not be."""
    return {plain_path(file.path): file for file in datablock.files if kind_of(file) == "file"}


class _Proof:
    """What the bytes so far have shown.

    ``right`` are the files that are as the catalogue has them. ``unhashed`` are those whose checksum takes
    longer than a call and cannot be carried into the next: their bytes are covered by the tar's alone.
    ``stalled``: the last call stopped where it had begun. ``wrong`` is how the datablock arrived in each earlier
    reading, none of which could be proven.
    """

    def __init__(
        self,
        datablock: CatalogueDatablock,
        own_list: CatalogueFile | None,
        *,
        stalled: bool = False,
        unhashed: Iterable[str] = (),
        wrong: Iterable[str] = (),
    ) -> None:
        own = {} if own_list is None else {own_list.path: own_list}
        self.listed = _files(datablock)
        self.expected = self.listed | own
        # Of a tar of our own the catalogue has all files; another archiver's may hold more.
        self._recorded = self.listed if own else None
        self.unhashed = set(unhashed)
        self.stalled = stalled
        self.wrong = list(wrong)
        # Whether what is found now would be found of these bytes alone: others may arrive when they are read again.
        self.is_doubtful = False
        self.right: set[str] = set()
        self.parts = 0
        self._algorithms = {
            path: None if path in self.unhashed else checksum_algorithm(file, datablock.chk_alg)
            for path, file in self.expected.items()
        }
        self._contents = TarContents(self._recorded)
        self.tar = TarReader(self._algorithms, self._contents.refusal)

    @classmethod
    def resume(cls, datablock: CatalogueDatablock, own_list: CatalogueFile | None, saved: dict[str, Any]) -> Self:
        """Go on where ``save`` was called."""
        proof = cls(datablock, own_list, stalled=saved["stalled"], unhashed=saved["unhashed"], wrong=saved["wrong"])
        proof._contents = TarContents.resume(proof._recorded, saved["contents"])
        proof.tar = TarReader.resume(proof._algorithms, saved["tar"], proof._contents.refusal)
        proof.parts, proof.right = saved["parts"], set(saved["right"])
        return proof

    def save(self) -> dict[str, Any]:
        """The state as JSON has it. Only where ``tar.resumable``."""
        return {
            "tar": self.tar.save(),
            "contents": self._contents.save(),
            "parts": self.parts,
            "right": list(self.right),
            "stalled": self.stalled,
            "unhashed": list(self.unhashed),
            "wrong": self.wrong,
        }

    @property
    def arrived(self) -> str:
        """What tells one reading from another: how many parts arrived, and the CRC64NVME of these."""
        return f"{self.parts} {crc64nvme_to_base64(self.tar.crc64nvme)}"

    def feed(self, part: bytes) -> None:
        """Take the next part. Raises ServiceRefused(CORRUPT_DATABLOCK) when it is no part of a tar."""
        self.parts += 1
        self.is_doubtful = True
        for member in self.tar.feed(part):
            if self._is_right(member):
                self.right.add(member.path)
        self.is_doubtful = False

    def finish(self, recorded: str | None) -> str:
        """The whole tar's CRC64NVME (base64), when all is as ``recorded`` and as the catalogue has it.

        Raises ServiceRefused(CORRUPT_DATABLOCK) when it is not.
        """
        self.is_doubtful = True
        checksum = crc64nvme_to_base64(self.tar.crc64nvme)
        if checksum != (recorded or checksum):
            raise ServiceRefused(Code.CORRUPT_DATABLOCK, f"Its CRC64NVME is {checksum}, recorded is {recorded}.")
        self.is_doubtful = recorded is None
        if self.unproven():
            raise ServiceRefused(Code.CORRUPT_DATABLOCK, "Files in it are not as the catalogue has them.")
        if self.expected.keys() - self.right:
            raise ServiceRefused(Code.CORRUPT_DATABLOCK, "It does not have the list of files that is recorded.")
        self.tar.finish()
        return checksum

    def unproven(self) -> list[str]:
        """The files that are wrong, or not there (yet), sorted."""
        return sorted(self.listed.keys() - self.right)

    def _is_right(self, member: Member) -> bool:
        file = self.expected[member.path]
        if member.link:
            # A hard link: it has the bytes of a file before it.
            target = self.expected.get(member.link)
            is_same = target is not None and (target.size, target.chk) == (file.size, file.chk)
            return is_same and member.link in self.right
        if member.size != file.size:
            return False
        algorithm = self._algorithms[member.path]
        return algorithm is None or hexadecimal(file.chk or "", algorithm) == member.checksum


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One call's work on one datablock."""

    datablock: CatalogueDatablock
    own_list: CatalogueFile | None
    kept: StoredDatablock
    lts: LongTermStorage
    retrieval: Bucket
    key: str
    folder: Folder

    def work(self, deadline: float) -> Delivered | None:
        """Go on from where an earlier call stopped; what arrives wrong is read again, twice."""
        reserve(_PARTS_AT_HAND * STREAMED_PART)
        upload_id, proof = self._resumed()
        try:
            return self._complete(upload_id, proof) if self._pass_on(upload_id, proof, deadline) else None
        except ServiceRefused as refused:
            if refused.reason.code not in _FINDINGS:
                raise
            # Nothing is left of the bytes that were sent.
            self.retrieval.abort_upload(self.key, upload_id)
            if proof.is_doubtful:
                proof.wrong.append(proof.arrived)
            if not proof.is_doubtful or len(proof.wrong) == READINGS:
                raise self._verdict(proof, refused.reason) from refused
            logger.warning("a datablock arrived wrong and is read again", extra={"archive_id": self.kept.key})
            self._begin(_Proof(self.datablock, self.own_list, unhashed=proof.unhashed, wrong=proof.wrong))
        return self.work(deadline)

    def _verdict(self, proof: "_Proof", found: Reason) -> ServiceRefused:
        """What a datablock is refused for: stored wrong, or altered on its way, each time in another manner."""
        code, message = found.code, found.message
        if len(set(proof.wrong)) > 1:
            code = Code.TRANSPORT_CORRUPTION
            message = f"It was read {len(proof.wrong)} times, and arrived as something else each time. {message}"
        return ServiceRefused(code, f"{self.datablock.archive_id} could not be proven. {message}", proof.unproven())

    @property
    def _progress(self) -> str:
        return f"delivery/{hashlib.sha256(self.datablock.archive_id.encode()).hexdigest()}.json"

    @property
    def _recorded(self) -> str | None:
        return self.kept.recorded or self.kept.crc64nvme

    def _resumed(self) -> tuple[str, _Proof]:
        """The upload and the proof that an earlier call began, or new ones."""
        saved = self.folder.read(self._progress)
        if saved is None:
            return self._begin(_Proof(self.datablock, self.own_list))
        noted = orjson.loads(saved)
        upload_id, proof = str(noted["upload_id"]), noted["proof"]
        sent = len(self.retrieval.parts(self.key, upload_id))
        if noted["etag"] == self.kept.etag and 0 < proof["parts"] <= sent:
            return upload_id, _Proof.resume(self.datablock, self.own_list, proof)
        # Nothing was sent yet, or what was sent is gone: refused, or given up by the bucket's rule.
        self.retrieval.abort_upload(self.key, upload_id)
        kept = {name: proof[name] for name in ("stalled", "unhashed", "wrong")}
        return self._begin(_Proof(self.datablock, self.own_list, **kept))

    def _begin(self, proof: _Proof) -> tuple[str, _Proof]:
        upload_id = self.retrieval.create_upload(self.key)
        self._note(upload_id, proof.save())
        return upload_id, proof

    def _note(self, upload_id: str, proof: dict[str, Any]) -> None:
        noted = {"upload_id": upload_id, "etag": self.kept.etag, "proof": proof}
        self.folder.write(self._progress, orjson.dumps(noted))

    def _pass_on(self, upload_id: str, proof: _Proof, deadline: float) -> bool:
        """Prove and send the parts that are left; False when some are left again, for the next call."""
        ranges = part_ranges(self.kept.size, STREAMED_PART)
        begun = proof.save()
        reached = self._stream(upload_id, proof, ranges, deadline)
        if proof.parts == len(ranges):
            return True
        if reached is None and not proof.tar.resumable and time.monotonic() >= deadline:
            begun = self._stalled(begun, proof.tar.member)
        self._note(upload_id, reached or begun)
        return False

    def _stalled(self, begun: dict[str, Any], path: str) -> dict[str, Any]:
        """Where to go on when a call's whole time was not enough for ``path``, whose hash cannot be saved.

        The call may have begun late, so the file has a second chance; then the tar's checksum must do.
        Raises ServiceRefused(TIMEOUT) when there is none.
        """
        if not begun["stalled"]:
            return begun | {"stalled": True}
        if self._recorded is None:
            raise ServiceRefused(Code.TIMEOUT, f"{path} takes longer to be hashed than a call may last.")
        return begun | {"stalled": False, "unhashed": [*begun["unhashed"], path]}

    def _stream(
        self, upload_id: str, proof: _Proof, ranges: list[tuple[int, int]], deadline: float
    ) -> dict[str, Any] | None:
        """Read the parts that are left in order, a few ahead; prove each, and send it on meanwhile.

        Returns the last state of ``proof`` that a later call can go on from, or None when there was none.
        """

        def read(number: int) -> bytes | None:
            return self.lts.read(self.kept, *ranges[number - 1])

        def send(number: int, body: bytes) -> UploadedPart:
            return self.retrieval.upload_part(self.key, upload_id, number, body, crc64nvme(body))

        reached = None
        numbers = _until(deadline, range(proof.parts + 1, len(ranges) + 1))
        with ThreadPoolExecutor(2 * _AT_ONCE) as pool:
            sending: deque[Future[UploadedPart]] = deque()
            for number, body in read_ahead(pool, read, numbers, _AT_ONCE):
                if body is None:
                    break
                proof.feed(body)
                if proof.tar.resumable:
                    proof.stalled = False
                    reached = proof.save()
                sending.append(pool.submit(send, number, body))
                if len(sending) >= _AT_ONCE:
                    sending.popleft().result()
            for sent in sending:
                sent.result()
        return reached

    def _complete(self, upload_id: str, proof: _Proof) -> Delivered:
        checksum = proof.finish(self._recorded)
        parts = self.retrieval.parts(self.key, upload_id)
        self.retrieval.complete_upload(self.key, upload_id, parts, checksum)
        return Delivered(self.key, self.kept.size, checksum)


def _until(deadline: float, numbers: Iterable[int]) -> Iterator[int]:
    """Numbers until the deadline; the first in any case, so that every call gets somewhere."""
    for count, number in enumerate(numbers):
        if count and time.monotonic() >= deadline:
            return
        yield number
