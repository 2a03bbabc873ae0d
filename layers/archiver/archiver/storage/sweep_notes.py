"""What a sweep notes for the next one."""

from pydantic import BaseModel

from archiver.keys import Keys
from archiver.storage import buckets


class AnsweredDrops(BaseModel):
    """The drops that were found answered in an ``hour`` (UTC): they are looked at again in the next one."""

    hour: str
    prefixes: frozenset[str] = frozenset()


def answered_drops(hour: str) -> frozenset[str]:
    """The drops that were found answered in this hour."""
    body = buckets.staging().read(Keys.ANSWERED_DROPS, buckets.DOCUMENT_LIMIT)
    known = AnsweredDrops(hour=hour) if body is None else AnsweredDrops.model_validate_json(body)
    return known.prefixes if known.hour == hour else frozenset()


def record_answered_drops(hour: str, prefixes: frozenset[str]) -> None:
    """Write down which drops were found answered in this hour."""
    buckets.staging().put(Keys.ANSWERED_DROPS, AnsweredDrops(hour=hour, prefixes=prefixes).model_dump_json().encode())
