"""The uploads of datasets by clients, and what is noted of each: its state, its files, its multipart uploads.

The notes lie in the staging bucket, where no client can write. An upload is open from the request for space on, until
it is declared complete or given up; both take a while, and exclude each other.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, Field

from archiver.aws.s3 import MAX_KEYS_PER_DELETE
from archiver.keys import Keys
from archiver.models.catalogue import CatalogueTotals
from archiver.storage import buckets
from archiver.storage.shared_documents import Note
from archiver.uploads import quota
from archiver.uploads.known_files import FilesNoted
from archiver.uploads.presigning import inbox

_AT_ONCE = 8
# No request lasts longer: one that was at work then has ended without a word.
_LONGEST_REQUEST = timedelta(minutes=1)


class DatasetUpload(BaseModel):
    """The upload of a dataset.

    ``listed`` are SciCat's files, at the request for space, which an owner of the dataset made or not; ``totals`` is
    what SciCat counted then. It works ``until`` the grant ends. ``pinned`` is what lay there when it was declared
    complete. ``changed`` tells one state from another.
    """

    state: Literal["open", "finalizing", "finalized", "emptying"] = "open"
    since: datetime = Field(default_factory=lambda: datetime.now(UTC))
    changed: str = Field(default_factory=lambda: uuid4().hex)
    by_owner: bool = True
    until: datetime | None = None
    listed: FilesNoted | None = None
    totals: CatalogueTotals | None = None
    pinned: FilesNoted | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is declaring it complete, or giving it up, at this moment."""
        return self.state in {"finalizing", "emptying"} and datetime.now(UTC) - self.since < _LONGEST_REQUEST

    @property
    def may_be_sent_to(self) -> bool:
        """Whether space is granted, and neither complete nor given up what it is for."""
        granted = self.until is not None and self.until > datetime.now(UTC)
        return granted and self.state in {"open", "finalizing"} and not self.is_busy

    def becoming(self, state: Literal["open", "finalizing", "finalized", "emptying"]) -> "DatasetUpload":
        """The same in another state, from now on."""
        return self.model_copy(update={"state": state, "since": datetime.now(UTC), "changed": uuid4().hex})


def _note(pid: str) -> Note[DatasetUpload]:
    return Note(Keys.upload(pid), DatasetUpload)


def upload(pid: str) -> DatasetUpload | None:
    """The dataset's upload, or None when nobody asked for space."""
    return _note(pid).read()


def open_upload(pid: str, wanted: DatasetUpload) -> bool:
    """Begin the dataset's upload, or go on with it; False when it is complete, being declared so, or given up."""
    opened = _note(pid).change(
        lambda known: None if known and (known.is_busy or known.state == "finalized") else wanted
    )
    return opened == wanted


def reopen(pid: str, seen: DatasetUpload) -> bool:
    """Open an upload that was declared complete, if it is still the one that was ``seen``; whether it is open now."""

    def reopened(known: DatasetUpload | None) -> DatasetUpload | None:
        is_seen = known is not None and known.changed == seen.changed
        return seen.becoming("open").model_copy(update={"pinned": None}) if is_seen else None

    now = _note(pid).change(reopened)
    return now is not None and now.state == "open"


# Declaring it complete, and giving it up


class Finalizing:
    """A request that declares an upload complete."""

    def __init__(self, pid: str, entered: DatasetUpload) -> None:
        self._pid, self._entered = pid, entered

    def pin(self, seen: FilesNoted) -> bool:
        """Note what lies there now; False when the upload is given up by another request."""
        return self._change(lambda known: known.model_copy(update={"pinned": seen}))

    def end(self) -> bool:
        """Nothing can be uploaded any more. False when the upload is given up by another request."""
        return self._change(lambda known: known.becoming("finalized"))

    def leave(self) -> None:
        """It is not complete: let it be open again, unless another request declares it complete."""

        def left(known: DatasetUpload | None) -> DatasetUpload | None:
            return known.becoming("open") if known and known.changed == self._entered.changed else None

        _note(self._pid).change(left)

    def _change(self, change: Callable[[DatasetUpload], DatasetUpload]) -> bool:
        def changed(known: DatasetUpload | None) -> DatasetUpload | None:
            return change(known) if known and known.state in {"finalizing", "finalized"} else None

        now = _note(self._pid).change(changed)
        return now is not None and now.state in {"finalizing", "finalized"}


@contextmanager
def finalizing(pid: str) -> Iterator[Finalizing | None]:
    """Declare the dataset's upload complete, unless it is being given up (None). What is raised leaves it open."""
    entered = _enter(pid, "finalizing")
    if entered is None:
        yield None
        return
    at_work = Finalizing(pid, entered)
    try:
        yield at_work
    except BaseException:
        at_work.leave()
        raise


def empty(pid: str) -> bool:
    """Give the dataset's upload up: abort, delete and forget all of it, and free its space.

    False while it is declared complete, or when it was.
    """
    if _enter(pid, "emptying") is None:
        return False
    prefix = Keys.uploads(pid)
    for key, upload_id in inbox().uploads(prefix):
        inbox().abort_upload(key, upload_id)
    with ThreadPoolExecutor(_AT_ONCE) as deleters:
        list(deleters.map(inbox().delete_unchanged, batched(inbox().list(prefix), MAX_KEYS_PER_DELETE, strict=False)))
    own = Keys.upload(pid)
    buckets.staging().delete(found.key for found in buckets.staging().list(Keys.upload_notes(pid)) if found.key != own)
    quota.release(pid)
    # Last: until then nothing of the upload can begin anew.
    buckets.staging().delete([own])
    return True


def _enter(pid: str, state: Literal["finalizing", "emptying"]) -> DatasetUpload | None:
    """The upload in a state that only one kind of request may bring it into at a time; None when it cannot be."""
    entered: DatasetUpload | None = None

    def enter(known: DatasetUpload | None) -> DatasetUpload | None:
        nonlocal entered
        known = known or DatasetUpload()
        other = known.state == "finalized" or (known.is_busy and known.state != state)
        entered = None if other else known.becoming(state)
        return entered

    _note(pid).change(enter)
    return entered


# The multipart uploads of its files


class ClientUpload(BaseModel):
    """A multipart upload that was begun for one file; ``ended`` when it was completed or aborted here."""

    upload_id: str
    parts: int
    ended: bool = False


def _upload_note(pid: str, key: str) -> Note[ClientUpload]:
    return Note(Keys.open_upload(pid, key), ClientUpload)


def upload_of(pid: str, key: str) -> ClientUpload | None:
    """The multipart upload that was begun last for the file, or None."""
    return _upload_note(pid, key).read()


def begin_upload(pid: str, key: str, parts: int) -> ClientUpload:
    """The open multipart upload of the file: the one that was begun before, or a new one.

    It begins anew where the earlier one ended, is unknown to S3 by now, or had another number of parts.
    """
    note = _upload_note(pid, key)
    known, etag = note.look()
    if known is not None and not known.ended:
        if known.parts == parts and inbox().client_parts(key, known.upload_id, limit=1) is not None:
            return known
        inbox().abort_upload(key, known.upload_id)
    begun = ClientUpload(upload_id=inbox().begin(key), parts=parts)
    if note.replace(etag, begun):
        return begun
    # The same request ran at the same time, and was first.
    inbox().abort_upload(key, begun.upload_id)
    return note.read() or begin_upload(pid, key, parts)


def end_upload(pid: str, key: str, known: ClientUpload) -> None:
    """Note that a multipart upload was completed or aborted."""
    _upload_note(pid, key).write(known.model_copy(update={"ended": True}))


# Its archive job


class _Asking(BaseModel):
    since: datetime = Field(default_factory=lambda: datetime.now(UTC))
    request: str = Field(default_factory=lambda: uuid4().hex)


@contextmanager
def asking(pid: str) -> Iterator[bool]:
    """Whether the caller is the one that asks SciCat for the archive job: of requests at the same time only one is."""
    note, own = Note(Keys.asking(pid), _Asking), _Asking()
    held = note.change(lambda known: None if known and own.since - known.since < _LONGEST_REQUEST else own)
    first = held == own
    try:
        yield first
    finally:
        if first:
            note.delete()
