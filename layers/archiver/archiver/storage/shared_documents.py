"""Notes in staging that several may change at once: whoever was late looks again, and changes what is there by then."""

import random
import time
from collections.abc import Callable
from uuid import uuid4

import orjson
from pydantic import BaseModel

from archiver.errors import Code, ServiceUnavailable
from archiver.settings import MIB
from archiver.storage import buckets

_NOTE_BYTES = 64 * MIB
# Of so many changes at the same time each one comes through; all pauses together are some 15 seconds.
_ATTEMPTS, _LONGEST_PAUSE = 60, 0.5


class Note[T: BaseModel]:
    """One note. Every method raises as ``s3.Bucket`` does."""

    def __init__(self, key: str, kind: type[T]) -> None:
        self._key, self._kind = key, kind

    def read(self) -> T | None:
        """What it says, or None when there is none."""
        body = buckets.staging().read(self._key, _NOTE_BYTES)
        return None if body is None else self._kind.model_validate_json(body)

    def look(self) -> tuple[T | None, str | None]:
        """What it says, and the ETag that ``replace`` wants: of this, or of something older."""
        head = buckets.staging().head(self._key)
        return (None, None) if head is None else (self.read(), head.etag)

    def replace(self, etag: str | None, value: T) -> bool:
        """Write it in place of the one that had this ETag, or of none; whether it is there now, and no other."""
        body = _body(value)
        if etag is None:
            written = buckets.staging().put(self._key, body, only_if_absent=True)
        else:
            written = buckets.staging().put_if_match(self._key, body, etag)
        # A request whose answer was lost was repeated, and refused because of itself.
        return written or buckets.staging().read(self._key, _NOTE_BYTES) == body

    def write(self, value: T) -> None:
        """Write it, whatever it said."""
        buckets.staging().put(self._key, _body(value))

    def change(self, change: Callable[[T | None], T | None]) -> T | None:
        """Make of it what ``change`` makes of what it says; returns what it says then.

        ``change`` is called again when another change came first. What it does not change is not written, and None
        changes nothing. What ``change`` raises leaves the note as it is.
        """
        for attempt in range(_ATTEMPTS):
            now, etag = self.look()
            changed = change(now)
            if changed is None or changed == now:
                return now
            if self.replace(etag, changed):
                return changed
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.01 * 2**attempt)))  # noqa: S311 - no secret
        raise ServiceUnavailable(Code.S3_UNAVAILABLE, f"{self._key} is changed by too many at once.")

    def delete(self) -> None:
        """Remove it, whatever it says."""
        buckets.staging().delete([self._key])


def _body(value: BaseModel) -> bytes:
    """What is written: never the same twice, so that whoever wrote it knows it again."""
    return orjson.dumps(value.model_dump(mode="json") | {"written": uuid4()})
