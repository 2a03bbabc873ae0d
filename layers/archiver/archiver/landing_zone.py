"""What is noted of uploads by clients: whose multipart upload is whose, how much space was granted, what is complete.

The notes lie in the staging bucket, where no client can write.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import batched
from uuid import uuid4

import orjson
from pydantic import BaseModel

from archiver import storage
from archiver.inbox import inbox
from archiver.keys import Keys
from archiver.s3 import MAX_KEYS_PER_DELETE

_NOTE_BYTES = 10_000
_DELETED_AT_ONCE = 8
# No request lasts longer: one that was asking then has ended without a word.
_ASKING = timedelta(minutes=1)


class ClientUpload(BaseModel):
    """A multipart upload that a user began for one file; ``ended`` when it was completed or aborted here."""

    upload_id: str
    parts: int
    ended: bool = False


def upload_of(pid: str, key: str, username: str) -> ClientUpload | None:
    """The multipart upload that the user began last for the file, or None."""
    body = storage.staging().read(Keys.open_upload(pid, key, username), _NOTE_BYTES)
    return None if body is None else ClientUpload.model_validate_json(body)


def begin_upload(pid: str, key: str, username: str, parts: int) -> ClientUpload:
    """The user's open multipart upload of the file: the one that was begun before, or a new one.

    It begins anew where the earlier one ended, is unknown to S3 by now, or had another number of parts.
    """
    note = Keys.open_upload(pid, key, username)
    head, known = storage.staging().head(note), upload_of(pid, key, username)
    if known is not None and not known.ended:
        if known.parts == parts and inbox().client_parts(key, known.upload_id, limit=1) is not None:
            return known
        inbox().abort_upload(key, known.upload_id)
    begun = ClientUpload(upload_id=inbox().begin(key), parts=parts)
    if _write(note, begun.model_dump_json().encode(), head.etag if head else None):
        return begun
    # The same request ran at the same time, and was first.
    inbox().abort_upload(key, begun.upload_id)
    return upload_of(pid, key, username) or begin_upload(pid, key, username, parts)


def _write(note: str, body: bytes, etag: str | None) -> bool:
    """Write a note in place of the one that had this ETag, or of none; whether it is there now, and no other."""
    if etag is None:
        written = storage.staging().put(note, body, only_if_absent=True)
    else:
        written = storage.staging().put_if_match(note, body, etag)
    # A request whose answer was lost was repeated, and refused because of itself.
    return written or storage.staging().read(note, _NOTE_BYTES) == body


def end_upload(pid: str, key: str, username: str, upload: ClientUpload) -> None:
    """Note that the user's upload was completed or aborted."""
    ended = upload.model_copy(update={"ended": True})
    storage.staging().put(Keys.open_upload(pid, key, username), ended.model_dump_json().encode())


def empty(pid: str) -> None:
    """Abort every multipart upload of the dataset, delete every file that was uploaded, and free the space."""
    prefix = Keys.uploads(pid)
    for key, upload_id in inbox().uploads(prefix):
        inbox().abort_upload(key, upload_id)
    with ThreadPoolExecutor(_DELETED_AT_ONCE) as deleters:
        list(deleters.map(inbox().delete_unchanged, batched(inbox().list(prefix), MAX_KEYS_PER_DELETE, strict=False)))
    notes = storage.staging().list(Keys.open_uploads(pid))
    storage.staging().delete(found.key for found in notes)
    release(pid)


def is_finalized(pid: str) -> bool:
    """Whether the uploads of the dataset were declared complete."""
    return storage.staging().head(Keys.finalized(pid)) is not None


def finalize(pid: str) -> None:
    """Note that the uploads of the dataset are complete."""
    storage.staging().put(Keys.finalized(pid), orjson.dumps({"at": datetime.now(UTC)}))


@contextmanager
def asking(pid: str) -> Iterator[bool]:
    """Whether the caller is the one that asks SciCat for the archive job: of requests at the same time only one is."""
    note = Keys.asking(pid)
    body = orjson.dumps({"at": datetime.now(UTC), "request": uuid4()})
    first = _write(note, body, None) or _take_over(note, body)
    try:
        yield first
    finally:
        if first:
            storage.staging().delete([note])


def _take_over(note: str, body: bytes) -> bool:
    head = storage.staging().head(note)
    return head is not None and datetime.now(UTC) - head.modified > _ASKING and _write(note, body, head.etag)


def grant(pid: str, size: int, budget: int) -> int | None:
    """Keep ``size`` bytes of ``budget`` for a dataset, in place of what it was granted before.

    Returns None, or how many bytes are free for the dataset where they are too few. It is noted first and summed up
    then: of two that do not fit together, both may be refused, but never both granted.
    """
    wanted, own = Keys.grant(pid, size), Keys.grants(pid)
    if storage.staging().head(wanted) is not None:
        return None
    storage.staging().put(wanted, pid.encode(), content_type="text/plain")
    granted = [found.key for found in storage.staging().list(Keys.GRANTS)]
    free = budget - sum(Keys.granted_bytes(key) for key in granted if not key.startswith(own))
    if size > free:
        storage.staging().delete([wanted])
        return max(free, 0)
    storage.staging().delete(key for key in granted if key.startswith(own) and key != wanted)
    return None


def release(pid: str) -> None:
    """Give back the space that was granted to a dataset."""
    storage.staging().delete(found.key for found in storage.staging().list(Keys.grants(pid)))
