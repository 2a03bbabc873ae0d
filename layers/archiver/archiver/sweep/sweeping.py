"""What a sweep does with one thing after the other: what fails with one is told, and holds up no other one."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from archiver import alarms
from archiver.alarms import Alarm
from archiver.errors import ServiceUnavailable
from archiver.models.states import SweepProgress

# When so many in a row fail because a service does not answer, it will not answer for the next one either.
_SILENCES: Final = 3


class Sweeping:
    """One call of a part of a sweep, which goes on from ``begun``."""

    def __init__(self, begun: SweepProgress) -> None:
        self._begun = begun
        self._did = Counter(begun.did)
        self._failed = begun.failed
        self._silences = 0

    def did(self, what: str, *, times: int = 1) -> None:
        """Something was put right: ``what``, in the plural."""
        self._did[what] += times

    @contextmanager
    def alone(self, subject: str) -> Iterator[None]:
        """Let whatever fails with one thing be its own affair: it is told, and the next sweep tries again.

        Raises ServiceUnavailable when a service does not answer for one after the other.
        """
        try:
            yield
        except Exception as error:
            self._failed += 1
            tell_failure(self._begun.part, subject, error)
            self._silences = self._silences + 1 if isinstance(error, ServiceUnavailable) else 0
            if self._silences == _SILENCES:
                raise
        else:
            self._silences = 0

    def reached[T: SweepProgress](self, kind: type[T], cursor: str, *, done: bool, **more: object) -> T:
        """How far the sweep is after this call; ``more`` are the other fields of ``kind``."""
        begun = {name: getattr(self._begun, name) for name in ("run_id", "execution_arn", "part")}
        return kind(
            **begun,
            **more,
            cursor="" if done else cursor,
            done=done,
            calls=self._begun.calls + 1,
            did={what: times for what, times in self._did.items() if times},
            failed=self._failed,
        )


def tell_failure(part: str, subject: str, error: Exception | None = None) -> None:
    """Say what a sweep could not put right, in the log and for the alarm ``SweepsFallShort``."""
    alarms.sound(Alarm.SWEPT_IN_VAIN, "a sweep could not put it right", error, part=part, subject=subject)
