"""Our own buckets: what lies where, the folder of a run, leases and waits.

Failures come out of ``s3.Bucket`` already translated (``ServiceUnavailable``, ``ServiceRefused``).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import batched, islice

import orjson
from pydantic import BaseModel, TypeAdapter

from archiver import clients
from archiver.errors import Code, ServiceRefused
from archiver.keys import Keys
from archiver.models.files import S3Object, SourceFile, Upload
from archiver.models.states import Lease, Wait
from archiver.names import wrong_path
from archiver.s3 import Bucket
from archiver.settings import MIB, settings

# A page of the file list: one small object each, so that any datablock's files are found without reading the rest.
FILES_PER_PAGE = 5_000
# S3 lists a thousand keys at a time, one page after the other: long lists are cut into shares of so many.
_LISTED_IN_A_ROW, _LISTERS = 5_000, 8
_DOCUMENT_LIMIT = 64 * MIB
_FILES = TypeAdapter(list[SourceFile])


@cache
def landing() -> Bucket:
    """Where uploads and drops arrive."""
    return Bucket(clients.s3(), settings().landing_bucket)


@cache
def staging() -> Bucket:
    """Where tars are built, and where runs keep their notes."""
    return Bucket(clients.s3(), settings().staging_bucket, changed=Code.PACK_DIGEST)


@cache
def retrieval() -> Bucket:
    """Where recalled tars wait for their reader."""
    return Bucket(clients.s3(), settings().retrieval_bucket)


class RunFolder:
    """Everything a run writes down: ``runs/<run id>/`` in the staging bucket."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id

    def read(self, name: str) -> bytes | None:
        """A document's bytes, or None when it was not written (yet)."""
        return staging().read(Keys.run(self.run_id, name), _DOCUMENT_LIMIT)

    def write(self, name: str, body: bytes) -> None:
        """Write, or replace, a document."""
        staging().put(Keys.run(self.run_id, name), body)

    def names(self, prefix: str = "") -> list[str]:
        """The names of the documents that begin with ``prefix``, sorted."""
        start = len(Keys.run(self.run_id))
        return [found.key[start:] for found in staging().list(Keys.run(self.run_id, prefix))]

    def load[T](self, name: str, kind: type[T]) -> T | None:
        """A document as ``kind`` (a model, a dataclass or a list of them), or None."""
        body = self.read(name)
        return None if body is None else TypeAdapter(kind).validate_json(body)

    def save(self, name: str, value: object) -> None:
        """Write ``value`` (a model, a dataclass or a list of them) as JSON."""
        self.write(name, TypeAdapter(type(value)).dump_json(value))

    def need[T](self, name: str, kind: type[T]) -> T:
        """A document that an earlier step must have written. Raises LookupError when it did not."""
        value = self.load(name, kind)
        if value is None:
            raise LookupError(f"{Keys.run(self.run_id, name)} was not written")
        return value

    def write_files(self, files: Iterable[SourceFile]) -> tuple[int, int]:
        """Write the dataset's file list, page by page; returns the numbers of files and of bytes."""
        count = size = 0
        for page, some in enumerate(batched(files, FILES_PER_PAGE, strict=False)):
            self.write(_page(page), _FILES.dump_json(list(some)))
            count += len(some)
            size += sum(file.size for file in some)
        # An empty page ends the list, also over the pages of an attempt that found more files.
        self.write(_page(-(-count // FILES_PER_PAGE)), b"[]")
        return count, size

    def files(self, first: int = 0, count: int | None = None) -> Iterator[SourceFile]:
        """``count`` files of the list from index ``first`` on (all by default), one page in memory at a time."""
        page, offset = divmod(first, FILES_PER_PAGE)
        return islice(self._files_from(page), offset, None if count is None else offset + count)

    def _files_from(self, page: int) -> Iterator[SourceFile]:
        while files := _FILES.validate_json(self.read(_page(page)) or b"[]"):
            yield from files
            page += 1


def _page(number: int) -> str:
    return f"files/{number:06d}.json"


def upload_of(pid: str) -> Upload:
    """Where a dataset's files lie in the landing bucket: its drop, or the prefix of API uploads."""
    body = staging().read(Keys.source(pid), _DOCUMENT_LIMIT)
    return Upload(prefix=Keys.uploads(pid)) if body is None else Upload.model_validate_json(body)


def record_upload(pid: str, upload: Upload) -> None:
    """Write down which drop a dataset came from. From then on the folder is this dataset's, and no other one's."""
    staging().put(Keys.source(pid), upload.model_dump_json().encode())
    staging().put(Keys.owner(upload.prefix), orjson.dumps(pid))


def owner_of(upload: Upload) -> str | None:
    """The pid of the dataset that a dropped folder belongs to, if any."""
    body = staging().read(Keys.owner(upload.prefix), _DOCUMENT_LIMIT)
    return None if body is None else str(orjson.loads(body))


def owns_upload(pid: str, upload: Upload) -> bool:
    """Whether the files are this dataset's still: the folder may have been dropped as another one since."""
    return owner_of(upload) in {None, pid}


def uploaded(upload: Upload, after: str = "", until: str | None = None) -> Iterator[S3Object]:
    """The uploaded files, in the order of their keys' UTF-8 bytes; those behind the key ``after``, to ``until``.

    The drop's own documents and directory markers (empty objects that end with ``/``) are no files.
    """
    own = {upload.prefix + name for name in upload.documents}
    for found in landing().list(upload.prefix, after):
        if until is not None and found.key > until:
            return
        if found.key not in own and not (found.key.endswith("/") and found.size == 0):
            yield found
        if found.key == until:
            return


class GivenUpError(Exception):
    """Nobody waits for it any more."""


def uploaded_at_once(
    upload: Upload,
    paths: Sequence[str],
    share: int = _LISTED_IN_A_ROW,
    given_up: Callable[[], bool] = lambda: False,
) -> Iterator[S3Object]:
    """As ``uploaded``, in a fraction of the time: shares of ``paths``, which are probably there, are listed at once.

    ``paths`` stand in order; whatever else is there is found too. Raises GivenUpError when it is ``given_up``.
    """

    def listed(between: tuple[str, str | None]) -> list[S3Object]:
        objects, found = uploaded(upload, *between), list[S3Object]()
        while not given_up():
            one = next(objects, None)
            if one is None:
                return found
            found.append(one)
        raise GivenUpError

    ends = [upload.prefix + path for path in paths[share - 1 : -1 : share] if not wrong_path(path, upload.prefix)]
    with ThreadPoolExecutor(_LISTERS) as listers:
        for found in listers.map(listed, zip(["", *ends], [*ends, None], strict=True)):
            yield from found


class AnsweredDrops(BaseModel):
    """The drops that were found answered in an ``hour`` (UTC): they are looked at again in the next one."""

    hour: str
    prefixes: frozenset[str] = frozenset()


def answered_drops(hour: str) -> frozenset[str]:
    """The drops that were found answered in this hour."""
    body = staging().read(Keys.ANSWERED_DROPS, _DOCUMENT_LIMIT)
    known = AnsweredDrops(hour=hour) if body is None else AnsweredDrops.model_validate_json(body)
    return known.prefixes if known.hour == hour else frozenset()


def record_answered_drops(hour: str, prefixes: frozenset[str]) -> None:
    """Write down which drops were found answered in this hour."""
    staging().put(Keys.ANSWERED_DROPS, AnsweredDrops(hour=hour, prefixes=prefixes).model_dump_json().encode())


def take_lease(pid: str, lease: Lease, ended: Callable[[Lease], bool]) -> Lease | None:
    """Become the one writer of a dataset. Returns None on success, else the lease that is held.

    A lease whose holder has ``ended`` is taken over; of two that try, one succeeds.
    """
    return _take(Keys.lease(pid), lease.model_copy(update={"subject": pid}), ended)


def take_delivery_lease(pid: str, lease: Lease, ended: Callable[[Lease], bool]) -> Lease | None:
    """Become the one that brings a dataset's datablocks into the retrieval bucket; otherwise as ``take_lease``.

    It is never given back: the next one takes it over when this one's execution has ended.
    """
    return _take(Keys.delivery_lease(pid), lease, ended)


def take_sweep_lease(lease: Lease, ended: Callable[[Lease], bool]) -> Lease | None:
    """Become the one sweep; otherwise as ``take_delivery_lease``."""
    return _take(Keys.SWEEP_LEASE, lease, ended)


def lease_keys(start_after: str = "") -> Iterator[str]:
    """The keys after ``start_after`` of the leases of all datasets and drops."""
    return (found.key for found in staging().list(Keys.LEASES, start_after))


def lease_at(key: str) -> Lease | None:
    """The lease under a key, or None when it was given back."""
    return _read_lease(key)


def sweep_lease(key: str, lease: Lease, swept_by: str) -> bool:
    """Let a sweep settle the run that holds this lease: from then on that run may write no more.

    False when the lease is another one by now, or was given back.
    """
    head = staging().head(key)
    if head is None or _read_lease(key) != lease:
        return False
    body = lease.model_copy(update={"swept_by": swept_by}).model_dump_json().encode()
    return staging().put_if_match(key, body, head.etag)


def _take(key: str, lease: Lease, ended: Callable[[Lease], bool]) -> Lease | None:
    body = lease.model_dump_json().encode()
    if staging().put(key, body, only_if_absent=True):
        return None
    head, held = staging().head(key), _read_lease(key)
    if head is None or held is None:  # given back in between
        return None if staging().put(key, body, only_if_absent=True) else _read_lease(key)
    if held.run_id == lease.run_id:
        return None
    if ended(held) and staging().put_if_match(key, body, head.etag):
        return None
    return held


def read_lease(pid: str) -> Lease | None:
    """The lease of a dataset, or None when nobody holds it."""
    return _read_lease(Keys.lease(pid))


def _read_lease(key: str) -> Lease | None:
    body = staging().read(key, _DOCUMENT_LIMIT)
    return None if body is None else Lease.model_validate_json(body)


def holds_lease(pid: str, run_id: str) -> bool:
    """Whether this run, or a sweep on its behalf, is the one writer."""
    held = read_lease(pid)
    return held is not None and held.run_id == run_id


def hold_lease(pid: str, run_id: str) -> None:
    """Make sure that this run may write. Raises ServiceRefused("lease_lost") when another one or a sweep took over."""
    held = read_lease(pid)
    if held is None or held.run_id != run_id or held.swept_by:
        raise ServiceRefused(Code.LEASE_LOST, "Another run took the dataset over.")


def release_lease(pid: str, run_id: str) -> None:
    """Give the lease back, if this run holds it."""
    if holds_lease(pid, run_id):
        staging().delete([Keys.lease(pid)])


def waits(archive_id: str) -> Iterator[tuple[str, Wait]]:
    """Whoever waits until a datablock is readable: each wait with its key."""
    for found in staging().list(Keys.waits(archive_id)):
        body = staging().read(found.key, _DOCUMENT_LIMIT)
        if body is not None:
            yield found.key, Wait.model_validate_json(body)
