"""The mock's memory on disk: one small JSON file per object, the clock, the events, and the replicas' folder.

Every change is written before it is answered, so a restart (or a crash) goes on where it was, also in
the middle of a migration or a recall.
"""

import hashlib
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from mocks.lts.tape import TapeObject

_OBJECT = TypeAdapter(TapeObject)
# So many events are told; the file has them all.
_EVENTS_TOLD = 10_000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an object: ``at`` in seconds since the epoch, on everybody's clock."""

    at: float
    key: str
    what: str


_EVENT = TypeAdapter(Event)


class Ledger:
    """What the folder ``root`` remembers."""

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._replicas = root / "replicas"
        self._clock = root / "clock"
        self._events = root / "events.jsonl"
        for folder in (self._objects, self._replicas):
            folder.mkdir(parents=True, exist_ok=True)
        self._ahead = float(self._clock.read_text()) if self._clock.exists() else 0.0
        self.events = deque(self._noted(), maxlen=_EVENTS_TOLD)

    def now(self) -> float:
        """Seconds since the epoch on the mock's clock, which tests can move forward."""
        return time.time() + self._ahead

    def advance_clock(self, seconds: float) -> None:
        """Move the clock forward."""
        self._ahead += seconds
        _replace(self._clock, repr(self._ahead).encode())

    def note(self, *happened: tuple[str, str]) -> None:
        """Write down what happened now: to which key, and what."""
        now = time.time()
        events = [Event(now, key, what) for key, what in happened]
        self.events.extend(events)
        with self._events.open("ab") as file:
            file.writelines(_EVENT.dump_json(event) + b"\n" for event in events)

    def load(self) -> list[TapeObject]:
        """Every object that was written down."""
        return [_OBJECT.validate_json(path.read_bytes()) for path in sorted(self._objects.glob("*.json"))]

    def save(self, tape_object: TapeObject) -> None:
        """Write one object down."""
        name = _name(tape_object.bucket, tape_object.key)
        _replace(self._objects / f"{name}.json", _OBJECT.dump_json(tape_object))

    def remove(self, tape_object: TapeObject) -> None:
        """Forget one object and its second copy."""
        (self._objects / f"{_name(tape_object.bucket, tape_object.key)}.json").unlink(missing_ok=True)
        self.replica(tape_object).unlink(missing_ok=True)

    def _noted(self) -> list[Event]:
        lines = self._events.read_bytes().splitlines(keepends=True) if self._events.exists() else []
        # A crash may have cut the last line off.
        return [_EVENT.validate_json(line) for line in lines[-_EVENTS_TOLD:] if line.endswith(b"}\n")]

    def replica(self, tape_object: TapeObject) -> Path:
        """Where the second copy of an object lies."""
        return self._replicas / _name(tape_object.bucket, tape_object.key)


def _name(bucket: str, key: str) -> str:
    return hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest()


def _replace(path: Path, body: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(body)
    new.replace(path)
