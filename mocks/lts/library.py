"""The tape library: the tape, its memory on disk, and the work that goes on by itself."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import httpx

from mocks.lts.backend import Backend
from mocks.lts.ledger import Event, Ledger
from mocks.lts.tape import Answer, Hardware, Place, Tape, TapeObject, Tier

_log = logging.getLogger(__name__)
_TICK_SECONDS = 0.1


class Library:
    """What the HTTP side asks; every change is on disk before the method returns."""

    def __init__(self, ledger: Ledger, backend: Backend, hardware: Hardware, *, replicas: bool) -> None:
        self._ledger = ledger
        self._backend = backend
        self._replicas = replicas
        self._tape = Tape(hardware, ledger.load())
        self._to_replicate = asyncio.Event()

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Migrate, recall and replicate in the background."""
        tasks = [asyncio.create_task(self._keep_time()), asyncio.create_task(self._replicate())]
        self._to_replicate.set()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def now(self) -> float:
        """The library's clock, in seconds since the epoch."""
        return self._ledger.now()

    def advance_clock(self, seconds: float) -> None:
        """Move the clock; what becomes due happens before this returns."""
        self._ledger.advance_clock(seconds)
        self.settle()

    def settle(self) -> None:
        """Let happen what is due."""
        moved = self._tape.advance(self.now())
        if not moved:
            return
        self._ledger.note(*((tape_object.key, tape_object.news) for tape_object in moved))
        for name in dict.fromkeys((tape_object.bucket, tape_object.key) for tape_object in moved):
            self._ledger.save(self._tape.objects[name])
        self._to_replicate.set()

    def tape(self) -> Tape:
        """Objects, drives and queue as they are now."""
        self.settle()
        return self._tape

    def events(self) -> list[Event]:
        """What happened to the objects, the last ten thousand events."""
        return list(self._ledger.events)

    def known(self, bucket: str, key: str) -> TapeObject | None:
        """The object as it is now, or None when the tape has not heard of it."""
        self.settle()
        return self._tape.find(bucket, key)

    async def find(self, bucket: str, key: str) -> TapeObject | None:
        """The object as it is now. What the store holds and the tape has not heard of is taken in."""
        known = self.known(bucket, key)
        if known is None and await self._backend.exists(bucket, key):
            # Written beside the tape, or by a request during which the mock was killed.
            return self.known(bucket, key) or self.written(bucket, key)
        return known

    def written(self, bucket: str, key: str) -> TapeObject:
        """A write was completed."""
        tape_object = self._tape.write(bucket, key, self.now())
        self._ledger.note((key, "written"))
        self._ledger.save(tape_object)
        return tape_object

    def read(self, tape_object: TapeObject) -> None:
        """Bytes of the object are about to be read; many reads one after the other are one event."""
        last = self._ledger.events[-1] if self._ledger.events else None
        if last is None or (last.key, last.what) != (tape_object.key, "read"):
            self._ledger.note((tape_object.key, "read"))

    def recall(self, tape_object: TapeObject, days: int, tier: Tier) -> Answer:
        """Ask for a readable copy."""
        answer = self._tape.recall(tape_object, days, tier, self.now())
        self._ledger.note((tape_object.key, f"recall asked for, {answer}"))
        self._ledger.save(tape_object)
        self.settle()
        return answer

    def damage(self, tape_object: TapeObject, *, flip: int | None = None, truncate: int | None = None) -> None:
        """Let the object read back with one byte inverted, or cut to a length."""
        if flip is not None:
            tape_object.flipped.append(flip)
        if truncate is not None:
            tape_object.truncated = truncate
        self._ledger.save(tape_object)

    def stick(self, tape_object: TapeObject, *, stuck: bool) -> None:
        """Keep the object's recalls from ending, or let them end again."""
        self._tape.stick(tape_object, stuck=stuck)
        self._ledger.save(tape_object)

    def fail(self, tape_object: TapeObject, recalls: int) -> None:
        """Let the object's next ``recalls`` end without a readable copy, though a drive works for each."""
        tape_object.failing = recalls
        self._ledger.save(tape_object)

    async def delete(self, bucket: str, key: str) -> None:
        """Delete the object and its second copy. Raises httpx.HTTPError when the store does not."""
        await self._backend.delete(bucket, key)
        self.forget(bucket, key)

    def forget(self, bucket: str, key: str) -> None:
        """The object was deleted."""
        tape_object = self._tape.forget(bucket, key)
        if tape_object is not None:
            self._ledger.note((key, "deleted"))
            self._ledger.remove(tape_object)

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.settle()

    async def _replicate(self) -> None:
        while self._replicas:
            await self._to_replicate.wait()
            self._to_replicate.clear()
            for tape_object in self._tape:
                if not tape_object.replicated and tape_object.place is not Place.MIGRATING:
                    await self._copy(tape_object)

    async def _copy(self, tape_object: TapeObject) -> None:
        try:
            await self._backend.copy_to(tape_object.bucket, tape_object.key, self._ledger.replica(tape_object))
        except httpx.HTTPError as error:
            _log.warning("no second copy of %s: %s", tape_object.key, error)
            return
        # It may have been deleted meanwhile.
        if self._tape.find(tape_object.bucket, tape_object.key) is tape_object:
            tape_object.replicated = True
            self._ledger.save(tape_object)
        else:
            self._ledger.remove(tape_object)
