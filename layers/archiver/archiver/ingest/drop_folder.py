"""What is read from a dropped folder in the landing bucket, and what is written there.

Failures that the user can mend come out as DatasetRejected and name the file as it is called in the folder.
"""

from collections.abc import Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import batched, islice

from archiver import ingest
from archiver.aws import step_functions
from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.ingest import Attributes, Drop, DropStatus
from archiver.keys import Keys
from archiver.models import file_modes
from archiver.models.files import S3Object, SourceFile
from archiver.settings import settings
from archiver.storage import buckets

# The first files whose metadata is looked at: a client writes it to every file, or to none.
SAMPLED_FILES = 5
# So many files' metadata is asked for, 0.04 dollars on AWS and two minutes; of the rest the time of the upload is kept.
MOST_FILES_WITH_ATTRIBUTES = 100_000
_ASKED_AT_ONCE, _FILES_AT_ONCE = 32, 5_000


def drop_of(marker: S3Object, after: str = "") -> Drop | None:
    """The ingest of the folder in which this dataset.json lies; None when that is no drop's.

    ``after`` is the ETag of the report that rejected the drop, when it is taken in once more.
    """
    prefix = ingest.prefix_of(marker.key)
    return None if prefix is None else _drop(marker, prefix, after)


def misplaced_drop_of(marker: S3Object) -> Drop | None:
    """The ingest that answers a dataset.json which is not in its place; None for what is no such thing."""
    prefix = ingest.prefix_of_misplaced(marker.key)
    return None if prefix is None else _drop(marker, prefix).model_copy(update={"misplaced": marker.key})


def _drop(marker: S3Object, prefix: str, after: str = "") -> Drop:
    name = ingest.run_id_of(marker, after)
    arn = step_functions.execution_arn(settings().ingest_state_machine_arn, name)
    return Drop(run_id=name, execution_arn=arn, prefix=prefix)


def read_document(prefix: str, name: str, limit: int) -> tuple[bytes, str] | None:
    """A document of the drop and its ETag; None when it is not there.

    Raises DatasetRejected(``bad_drop``) for one of more than ``limit`` bytes, and (``unreadable_files``) for one that
    S3 does not let the service read.
    """
    key = prefix + name
    try:
        head = buckets.landing().head(key)
        if head is None:
            return None
        if head.size > limit:
            raise DatasetRejected(Code.BAD_DROP, f"{name} has {head.size:,} bytes; {limit:,} are allowed.")
        body = buckets.landing().read(key, limit)
    except ServiceRefused as refused:
        raise _unreadable(name, refused) from refused
    return None if body is None else (body, head.etag)


def _unreadable(name: str, refused: ServiceRefused) -> DatasetRejected:
    sentence = (
        f"S3 does not let the service read {name} ({refused.reason.message.rstrip('.')}). Upload it again without "
        "an encryption key of your own and in class STANDARD, or let the service use the key; then write dataset.json "
        "again."
    )
    return DatasetRejected(Code.UNREADABLE_FILES, sentence, [name])


def read_status(prefix: str) -> DropStatus | None:
    """What the service said last of the drop; None when it said nothing, or data of the user's own lies there."""
    key = prefix + Keys.DROP_STATUS
    try:
        body = buckets.landing().read(key, ingest.MARKER_LIMIT)
    except (ServiceRefused, ValueError):
        return None
    return DropStatus.model_validate_json(body) if body is not None and ingest.is_report(body) else None


def holds_foreign_report(drop: Drop) -> bool:
    """Whether data of the user's own lies in the drop under the name of its report."""
    found = buckets.landing().list(drop.prefix + Keys.DROP_STATUS)
    return (
        any(candidate.key == drop.prefix + Keys.DROP_STATUS for candidate in found) and read_status(drop.prefix) is None
    )


def write_status(drop: Drop, status: DropStatus, pid: str | None) -> None:
    """Write dataset.status.json; data of the user's own under this name is not written over."""
    if not holds_foreign_report(drop):
        replace_status(drop, status, pid)


def replace_status(drop: Drop, status: DropStatus, pid: str | None) -> None:
    """Write dataset.status.json where nothing, or a report of the service, lies under this name."""
    known = {"execution": drop.execution_arn, "time": datetime.now(UTC).isoformat(timespec="seconds")}
    said = status.model_copy(update=known | ({} if pid is None else {"pid": pid}))
    # What is only said while a drop is waited for, or when it failed, is left out of every other report.
    body = said.model_dump_json(
        indent=2, exclude={n for n in ("help", "since", "until", "arrived") if getattr(said, n) is None}
    )
    buckets.landing().put(drop.prefix + Keys.DROP_STATUS, f"{body}\n".encode())


def remove_own_refusals(prefix: str, paths: Iterable[str]) -> None:
    """Take away the answers that a dataset.json deeper in the folder got before the folder itself was a drop."""

    def is_own(path: str) -> bool:
        said = read_status(prefix + path.removesuffix(Keys.DROP_STATUS))
        return said is not None and said.code == Code.MISPLACED_DROP

    buckets.landing().delete(prefix + path for path in paths if is_own(path))


def with_attributes(files: Iterable[SourceFile], prefix: str, timed: Container[str]) -> Iterator[SourceFile]:
    """The files with the times and modes that their objects' metadata says, where the first few say any.

    What the drop's list says counts more: of the time for the paths ``timed``, and of any mode. Raises
    DatasetRejected(``unreadable_files``) for a file that was looked at and cannot be read.
    """

    def known(file: SourceFile, said: Attributes) -> SourceFile:
        perm = file.perm or (None if said.mode is None else file_modes.written(said.mode))
        if said.time is None or file.path in timed:
            return replace(file, perm=perm)
        seconds = int(said.time.timestamp())
        return replace(file, perm=perm, time=ingest.utc(said.time), mtime_ns=seconds * 10**9)

    rest = iter(files)
    sample = list(islice(rest, SAMPLED_FILES))
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as askers:
        asked = list(askers.map(lambda file: _attributes(file, prefix), sample))
        yield from map(known, sample, asked)
        if any(said != Attributes() for said in asked):
            for some in batched(islice(rest, MOST_FILES_WITH_ATTRIBUTES - len(sample)), _FILES_AT_ONCE, strict=False):
                yield from map(known, some, askers.map(lambda file: _attributes(file, prefix), some))
    yield from rest


def _attributes(file: SourceFile, prefix: str) -> Attributes:
    try:
        head = buckets.landing().head(prefix + file.path)
    except ServiceRefused as refused:
        raise _unreadable(file.path, refused) from refused
    return Attributes() if head is None else ingest.attributes(head.metadata)
