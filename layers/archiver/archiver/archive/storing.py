"""Handing sealed tars over: each is stored in the long-term storage, then proven by what that says or gives back.

Nothing there is written over. A copy that proves wrong stays where it is and is named; the tar is stored once more,
under another key. A storage that is out of order, or brings a tar back from tape, is waited for.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from archiver.aws.s3 import Bucket
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, ServiceRefused, ServiceUnavailable
from archiver.keys import Keys
from archiver.log import logger
from archiver.lts.long_term_storage import STREAMED_PART, LongTermStorage, StoredDatablock
from archiver.lts.polling import wait_after
from archiver.models.datablocks import SealedDatablock
from archiver.models.documents import Document
from archiver.packaging import Folder

# Longer than a maintenance of three days.
HAND_OVER_TIMEOUT = timedelta(days=4)
# Each of four workers looks: for them all it is some hundred looks, not a thousand, in four days.
_LONGEST_WAIT = timedelta(hours=1)
# A copy that was recalled is only read once.
_RECALL_DAYS = 1


class Reached(Enum):
    """How far a tar is: proven, or else why not."""

    PROVEN = auto()
    OUT_OF_TIME = auto()
    ON_TAPE = auto()


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of a tar that is being made or proven; ``wrong`` is the key of one before it that proved wrong.

    ``position`` bytes of the object with this ``etag`` were read back, and have this ``crc``: only where the
    storage does not say the checksum itself.
    """

    key: str
    wrong: str = ""
    etag: str = ""
    position: int = 0
    crc: int = 0
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """Since when a worker waits for the storage; None when it does not."""

    since: datetime | None


@dataclass(frozen=True, slots=True)
class HandOver:
    """From ``staging`` to ``lts``; notes are kept in ``folder``. ``deadline`` is of ``time.monotonic()``."""

    lts: LongTermStorage
    staging: Bucket
    folder: Folder
    deadline: float

    def share(self, datablocks: Iterable[SealedDatablock], lane: int) -> int | None:
        """Hand a worker's share over. None when all are proven, else in how many seconds to call again.

        Raises ServiceRefused: LTS_VERIFY when two copies of a tar proved wrong, LTS_DEADLINE when the storage was
        waited for as long as HAND_OVER_TIMEOUT, and what ``LongTermStorage.store`` raises.
        """
        note = Document(f"hand_over/waits/{lane:06d}.json", Waiting)
        try:
            reached = self._hand_over_all(datablocks)
        except ServiceUnavailable as error:
            if error.reason.code is not Code.LTS_UNAVAILABLE:
                raise
            return self._wait(note, error.reason.message)
        if reached is Reached.ON_TAPE:
            return self._wait(note, "It has not brought back what must be read to be proven.")
        if self.folder.load(note) is not None:
            self.folder.save(note, Waiting(None))
        return 0 if reached is Reached.OUT_OF_TIME else None

    def hand_over(self, datablock: SealedDatablock) -> Reached:
        """Store a tar and prove the copy; two attempts. It raises as ``share`` does."""
        copy = self._copy(datablock)
        if copy.proven:
            return Reached.PROVEN
        try:
            if self.lts.stored(copy.key) is None and not self._store(datablock, copy):
                return Reached.OUT_OF_TIME
        except ServiceUnavailable as error:
            if error.reason.code is not Code.LTS_VERIFY:
                raise
            return self._once_more(datablock, copy)
        return self._prove(datablock, copy)

    def _store(self, datablock: SealedDatablock, copy: Copy) -> bool:
        wanted = replace(datablock, key=copy.key)
        return self.lts.store(wanted, self.staging, self.deadline, source=datablock.key)

    def verified(self, datablock: SealedDatablock) -> SealedDatablock | None:
        """The tar under the key of its proven copy, if the storage still has that; None when it does not."""
        copy = self._copy(datablock)
        stored = replace(datablock, key=copy.key, proven_etag=copy.etag if copy.proven else "")
        return stored if self.lts.holds(stored) else None

    def _hand_over_all(self, datablocks: Iterable[SealedDatablock]) -> Reached:
        """One after the other, until the time is up; what waits for tape holds up nothing else."""
        on_tape = False
        for datablock in datablocks:
            reached = self.hand_over(datablock)
            if reached is Reached.OUT_OF_TIME:
                return reached
            on_tape = on_tape or reached is Reached.ON_TAPE
        return Reached.ON_TAPE if on_tape else Reached.PROVEN

    def _prove(self, datablock: SealedDatablock, copy: Copy) -> Reached:
        there = self.lts.stored(copy.key)
        if there is None or there.size != datablock.packed_size:
            return self._once_more(datablock, copy)
        found = there.crc64nvme
        if found is None:
            copy, reached = self._read_back(copy, there)
            self._save(datablock, copy)
            if reached is not Reached.PROVEN:
                return reached
            found = crc64nvme_to_base64(copy.crc)
        if found != datablock.crc64nvme:
            return self._once_more(datablock, copy)
        self._save(datablock, replace(copy, proven=True))
        return Reached.PROVEN

    def _read_back(self, copy: Copy, there: StoredDatablock) -> tuple[Copy, Reached]:
        """Read on from where an earlier call stopped; PROVEN when all was read."""
        begun = copy if copy.etag == there.etag else replace(copy, etag=there.etag, position=0, crc=0)
        copy = begun
        while copy.position < there.size:
            if copy is not begun and time.monotonic() >= self.deadline:
                return copy, Reached.OUT_OF_TIME
            body = self.lts.read(there, copy.position, min(STREAMED_PART, there.size - copy.position))
            if body is None:
                self.lts.recall(there.key, _RECALL_DAYS)
                return copy, Reached.ON_TAPE
            copy = replace(copy, position=copy.position + len(body), crc=crc64nvme(body, copy.crc))
        return copy, Reached.PROVEN

    def _once_more(self, datablock: SealedDatablock, copy: Copy) -> Reached:
        """Leave a wrong copy where it is, and begin the second; a second wrong one is the last."""
        if copy.wrong:
            raise ServiceRefused(
                Code.LTS_VERIFY,
                "The long-term storage kept other bytes than it was given, twice.",
                [copy.wrong, copy.key],
            )
        logger.error("a copy in the long-term storage is wrong", extra={"archive_id": copy.key})
        self._save(datablock, Copy(Keys.second_copy(datablock.key), wrong=copy.key))
        return self.hand_over(datablock)

    def _wait(self, note: Document[Waiting], why: str) -> int:
        """How many seconds to wait, when so much time has been waited already."""
        now = datetime.now(UTC)
        waiting = self.folder.load(note)
        since = (waiting.since if waiting else None) or now
        if now - since >= HAND_OVER_TIMEOUT:
            raise ServiceRefused(Code.LTS_DEADLINE, f"The long-term storage was waited for since {since}. {why}")
        self.folder.save(note, Waiting(since))
        return round(wait_after(now - since, _LONGEST_WAIT).total_seconds())

    def _copy(self, datablock: SealedDatablock) -> Copy:
        return self.folder.load(_note(datablock)) or Copy(datablock.key)

    def _save(self, datablock: SealedDatablock, copy: Copy) -> None:
        self.folder.save(_note(datablock), copy)


def _note(datablock: SealedDatablock) -> Document[Copy]:
    return Document(f"hand_over/{datablock.number:06d}.json", Copy)
