"""How tape behaves: where each object is, the queue for the drives, and what a recall answers.

No clock and no I/O of its own: every method is told the time (seconds since the epoch).
"""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

DAY = 86_400.0

# Bucket and key; and what the place in the queue depends on: tier, time of asking, order of asking.
type _Name = tuple[str, str]
type _Turn = tuple[int, float, int]


class Place(StrEnum):
    """Where an object is. It can be read while it migrates and while it is online."""

    MIGRATING = "migrating"
    ON_TAPE = "on tape"
    QUEUED = "queued"
    RECALLING = "recalling"
    ONLINE = "online"


class Tier(StrEnum):
    """How fast a recall is asked for, fastest first."""

    EXPEDITED = "Expedited"
    STANDARD = "Standard"
    BULK = "Bulk"

    def is_faster_than(self, other: "Tier") -> bool:
        """Whether asking again with this tier speeds a recall up."""
        return self.rank < other.rank

    @property
    def rank(self) -> int:
        """0 is served first."""
        return list(Tier).index(self)


class Answer(StrEnum):
    """What the tape says to a recall."""

    ACCEPTED = "accepted"
    RENEWED = "renewed"
    IN_PROGRESS = "in progress"
    NOT_ARCHIVED = "not archived"
    NO_CAPACITY = "no capacity"


@dataclass(slots=True)
class TapeObject:
    """One object: ``due`` is when it leaves its place by itself, None when it stays."""

    bucket: str
    key: str
    place: Place
    due: float | None
    asked: float = 0.0
    days: int = 1
    tier: Tier = Tier.STANDARD
    # Of two asked for at the same time, which was first.
    order: int = 0
    replicated: bool = False
    # Whether the last recall ended without a readable copy.
    recall_failed: bool = False
    # Faults: bytes that read back inverted, the length that is left, a recall that never ends, recalls that will fail.
    flipped: list[int] = field(default_factory=list)
    truncated: int | None = None
    stuck: bool = False
    failing: int = 0

    @property
    def readable(self) -> bool:
        """Whether its bytes can be read now."""
        return self.place in (Place.MIGRATING, Place.ONLINE)

    @property
    def recalling(self) -> bool:
        """Whether a recall was asked for and has not ended."""
        return self.place in (Place.QUEUED, Place.RECALLING)

    @property
    def news(self) -> str:
        """What its last move was, in words."""
        return "recall failed" if self.recall_failed and self.place is Place.ON_TAPE else self.place

    @property
    def turn(self) -> tuple[int, float, int]:
        """Sorts the queue for the drives."""
        return self.tier.rank, self.asked, self.order


# How much longer (or shorter) a drive needs than for tier Standard.
_TIER_FACTOR = {Tier.EXPEDITED: 1 / 3, Tier.STANDARD: 1.0, Tier.BULK: 2.0}


@dataclass(frozen=True)
class Hardware:
    """Seconds until a write is on tape, the number of drives, seconds a drive needs for a recall (tier Standard)."""

    migration_delay: float = 2.0
    drives: int = 2
    recall_delay: float = 3.0
    # Whether there is capacity for the tier Expedited.
    expedited: bool = True

    def recall_seconds(self, tier: Tier) -> float:
        """Seconds a drive needs for a recall."""
        return self.recall_delay * _TIER_FACTOR[tier]


class Tape:
    """All objects, and the drives that recall them. Nothing it does takes longer the more objects it has."""

    def __init__(self, hardware: Hardware, objects: Iterable[TapeObject] = ()) -> None:
        self.hardware = hardware
        self.objects: dict[_Name, TapeObject] = {}
        self._in_drives: set[_Name] = set()
        # Who is next. Entries that came to nothing stay until they are met: see ``_next_due`` and ``_next_queued``.
        self._due: list[tuple[float, _Name]] = []
        self._queue: list[tuple[_Turn, _Name]] = []
        self._order = itertools.count()
        for tape_object in sorted(objects, key=lambda o: o.order):
            self.objects[tape_object.bucket, tape_object.key] = tape_object
            self._place(tape_object, tape_object.place, tape_object.due)

    def __iter__(self) -> Iterator[TapeObject]:
        """Every object; the tape may change meanwhile."""
        return iter(list(self.objects.values()))

    def find(self, bucket: str, key: str) -> TapeObject | None:
        """The object of that name, or None."""
        return self.objects.get((bucket, key))

    def in_drives(self) -> list[TapeObject]:
        """What is being recalled, the first to be done first."""
        return sorted((self.objects[name] for name in self._in_drives), key=lambda o: (o.due or 0.0, o.key))

    def queue(self) -> list[TapeObject]:
        """What waits for a drive, in order; last what is stuck."""
        waiting = (o for o in self.objects.values() if o.place is Place.QUEUED)
        return sorted(waiting, key=lambda o: (o.stuck, *o.turn))

    def write(self, bucket: str, key: str, now: float) -> TapeObject:
        """A write of this object was completed: it begins to migrate."""
        self.forget(bucket, key)
        tape_object = self.objects[bucket, key] = TapeObject(bucket, key, Place.MIGRATING, None)
        self._place(tape_object, Place.MIGRATING, now + self.hardware.migration_delay)
        return tape_object

    def forget(self, bucket: str, key: str) -> TapeObject | None:
        """The object is gone. Returns what it was."""
        self._in_drives.discard((bucket, key))
        return self.objects.pop((bucket, key), None)

    def recall(self, tape_object: TapeObject, days: int, tier: Tier, now: float) -> Answer:
        """Ask for a readable copy for ``days``; a faster tier overtakes in the queue and shortens the work."""
        if tape_object.place is Place.MIGRATING:
            return Answer.NOT_ARCHIVED
        if tier is Tier.EXPEDITED and not self.hardware.expedited:
            return Answer.NO_CAPACITY
        if tape_object.place is Place.ONLINE:
            tape_object.days = days
            self._place(tape_object, Place.ONLINE, now + days * DAY)
            return Answer.RENEWED
        if tape_object.recalling:
            return self._hurry(tape_object, tier, now)
        tape_object.asked, tape_object.days, tape_object.tier = now, days, tier
        tape_object.recall_failed = False
        self._place(tape_object, Place.QUEUED, None)
        return Answer.ACCEPTED

    def stick(self, tape_object: TapeObject, *, stuck: bool) -> None:
        """Keep the object's recalls from ever ending (it gives its drive back), or let them end again."""
        tape_object.stuck = stuck
        if tape_object.recalling:
            self._place(tape_object, Place.QUEUED, None)

    def advance(self, now: float) -> list[TapeObject]:
        """Let everything happen that is due by ``now``, in the order of its time.

        Returns the object of each move, as the move left it.
        """
        moved = self._load_drives(now)
        while (tape_object := self._next_due(now)) is not None:
            at = tape_object.due or now
            self._arrive(tape_object, at)
            moved += [replace(tape_object), *self._load_drives(at)]
        return moved

    def _place(self, tape_object: TapeObject, place: Place, due: float | None) -> None:
        """Put an object somewhere, and remember when it is its turn."""
        name = tape_object.bucket, tape_object.key
        tape_object.place, tape_object.due = place, due
        (self._in_drives.add if place is Place.RECALLING else self._in_drives.discard)(name)
        if due is not None:
            heapq.heappush(self._due, (due, name))
        if place is Place.QUEUED and not tape_object.stuck:
            tape_object.order = next(self._order)
            heapq.heappush(self._queue, (tape_object.turn, name))

    def _hurry(self, tape_object: TapeObject, tier: Tier, now: float) -> Answer:
        if not tier.is_faster_than(tape_object.tier):
            return Answer.IN_PROGRESS
        tape_object.tier = tier
        due = tape_object.due
        hurried = None if due is None else min(due, now + self.hardware.recall_seconds(tier))
        self._place(tape_object, tape_object.place, hurried)
        return Answer.ACCEPTED

    def _next_due(self, now: float) -> TapeObject | None:
        while self._due and self._due[0][0] <= now:
            due, name = heapq.heappop(self._due)
            tape_object = self.objects.get(name)
            if tape_object is not None and tape_object.due == due:
                return tape_object
        return None

    def _next_queued(self) -> TapeObject | None:
        while self._queue:
            turn, name = heapq.heappop(self._queue)
            tape_object = self.objects.get(name)
            is_waiting = tape_object is not None and tape_object.place is Place.QUEUED and not tape_object.stuck
            if tape_object is not None and is_waiting and tape_object.turn == turn:
                return tape_object
        return None

    def _arrive(self, tape_object: TapeObject, at: float) -> None:
        if tape_object.place is Place.RECALLING and tape_object.failing:
            tape_object.failing -= 1
            tape_object.recall_failed = True
            self._place(tape_object, Place.ON_TAPE, None)
        elif tape_object.place is Place.RECALLING:
            self._place(tape_object, Place.ONLINE, at + tape_object.days * DAY)
        else:
            self._place(tape_object, Place.ON_TAPE, None)

    def _load_drives(self, at: float) -> list[TapeObject]:
        loaded = []
        while len(self._in_drives) < self.hardware.drives and (tape_object := self._next_queued()) is not None:
            self._place(tape_object, Place.RECALLING, at + self.hardware.recall_seconds(tape_object.tier))
            loaded.append(replace(tape_object))
        return loaded
