"""How tape behaves: where each object is, the queue for the drives, and what a recall answers.

No clock and no I/O of its own: every method is told the time (seconds since the epoch).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

DAY = 86_400.0


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
    replicated: bool = False
    # Faults: bytes that read back inverted, the length that is left, a recall that never ends.
    flipped: list[int] = field(default_factory=list)
    truncated: int | None = None
    stuck: bool = False

    @property
    def readable(self) -> bool:
        """Whether its bytes can be read now."""
        return self.place in (Place.MIGRATING, Place.ONLINE)

    @property
    def recalling(self) -> bool:
        """Whether a recall was asked for and has not ended."""
        return self.place in (Place.QUEUED, Place.RECALLING)


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
    """All objects, and the drives that recall them."""

    def __init__(self, hardware: Hardware, objects: Iterable[TapeObject] = ()) -> None:
        self._hardware = hardware
        self._objects = {(tape_object.bucket, tape_object.key): tape_object for tape_object in objects}

    def __iter__(self) -> Iterator[TapeObject]:
        """Every object; the tape may change meanwhile."""
        return iter(list(self._objects.values()))

    def find(self, bucket: str, key: str) -> TapeObject | None:
        """The object of that name, or None."""
        return self._objects.get((bucket, key))

    def write(self, bucket: str, key: str, now: float) -> TapeObject:
        """A write of this object was completed: it begins to migrate."""
        due = now + self._hardware.migration_delay
        tape_object = self._objects[bucket, key] = TapeObject(bucket, key, Place.MIGRATING, due)
        return tape_object

    def forget(self, bucket: str, key: str) -> TapeObject | None:
        """The object is gone. Returns what it was."""
        return self._objects.pop((bucket, key), None)

    def recall(self, tape_object: TapeObject, days: int, tier: Tier, now: float) -> Answer:
        """Ask for a readable copy for ``days``; a faster tier overtakes in the queue and shortens the work."""
        if tape_object.place is Place.MIGRATING:
            return Answer.NOT_ARCHIVED
        if tier is Tier.EXPEDITED and not self._hardware.expedited:
            return Answer.NO_CAPACITY
        if tape_object.place is Place.ONLINE:
            tape_object.days, tape_object.due = days, now + days * DAY
            return Answer.RENEWED
        if tape_object.recalling:
            return self._hurry(tape_object, tier, now)
        tape_object.place, tape_object.due = Place.QUEUED, None
        tape_object.asked, tape_object.days, tape_object.tier = now, days, tier
        self._load_drives(now)
        return Answer.ACCEPTED

    def stick(self, tape_object: TapeObject, *, stuck: bool) -> None:
        """Keep the object's recalls from ever ending (it gives its drive back), or let them end again."""
        tape_object.stuck = stuck
        if tape_object.recalling:
            tape_object.place, tape_object.due = Place.QUEUED, None

    def advance(self, now: float) -> list[TapeObject]:
        """Let everything happen that is due by ``now``, in the order of its time. Returns what moved."""
        moved = self._load_drives(now)
        while (due := self._next_due(now)) is not None:
            tape_object, at = due
            self._arrive(tape_object, at)
            moved += [tape_object, *self._load_drives(at)]
        return moved

    def _hurry(self, tape_object: TapeObject, tier: Tier, now: float) -> Answer:
        if not tier.is_faster_than(tape_object.tier):
            return Answer.IN_PROGRESS
        tape_object.tier = tier
        if tape_object.due is not None:
            tape_object.due = min(tape_object.due, now + self._hardware.recall_seconds(tier))
        return Answer.ACCEPTED

    def _next_due(self, now: float) -> tuple[TapeObject, float] | None:
        due = ((o.due, o.bucket, o.key) for o in self._objects.values() if o.due is not None and o.due <= now)
        first = min(due, default=None)
        return None if first is None else (self._objects[first[1:]], first[0])

    def _arrive(self, tape_object: TapeObject, at: float) -> None:
        if tape_object.place is Place.RECALLING:
            tape_object.place, tape_object.due = Place.ONLINE, at + tape_object.days * DAY
        else:
            tape_object.place, tape_object.due = Place.ON_TAPE, None

    def _load_drives(self, at: float) -> list[TapeObject]:
        busy = sum(o.place is Place.RECALLING for o in self._objects.values())
        queue = [o for o in self._objects.values() if o.place is Place.QUEUED and not o.stuck]
        loaded = sorted(queue, key=lambda o: (o.tier.rank, o.asked))[: max(self._hardware.drives - busy, 0)]
        for tape_object in loaded:
            tape_object.place = Place.RECALLING
            tape_object.due = at + self._hardware.recall_seconds(tape_object.tier)
        return loaded
