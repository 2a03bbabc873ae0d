"""Space in the landing bucket: how much is granted to which dataset, in one note, so that it is never granted twice."""

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from archiver.keys import Keys
from archiver.storage.shared_documents import Note

# An upload that was given up without a word ends then.
GRANTED_FOR = timedelta(days=90)


class Grant(BaseModel):
    """So many bytes, for so long."""

    size: int
    until: datetime


class Grants(BaseModel):
    """All grants, by pid."""

    granted: dict[str, Grant] = {}


def grant(pid: str, size: int, budget: int) -> int | None:
    """Keep ``size`` bytes of ``budget`` for a dataset, in place of what it was granted before.

    Returns None, or how many bytes are free for the dataset where they are too few; then it keeps what it had.
    """
    now = datetime.now(UTC)
    wanted = Grant(size=size, until=now + GRANTED_FOR)
    free = 0

    def with_it(known: Grants | None) -> Grants | None:
        nonlocal free
        others = {
            other: held for other, held in (known or Grants()).granted.items() if other != pid and held.until > now
        }
        free = budget - sum(held.size for held in others.values())
        return Grants(granted=others | {pid: wanted}) if size <= free else None

    held = _note().change(with_it)
    return None if held and held.granted.get(pid) == wanted else max(free, 0)


def release(pid: str) -> None:
    """Give back the space that was granted to a dataset."""

    def without_it(known: Grants | None) -> Grants | None:
        return known and Grants(granted={other: held for other, held in known.granted.items() if other != pid})

    _note().change(without_it)


def granted() -> dict[str, int]:
    """The bytes that are granted now, by pid."""
    known, now = _note().read() or Grants(), datetime.now(UTC)
    return {pid: held.size for pid, held in known.granted.items() if held.until > now}


def _note() -> Note[Grants]:
    return Note(Keys.GRANTS, Grants)
