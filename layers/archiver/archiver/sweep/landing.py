"""Datasets in the landing zone that nobody uploads, archives or waits for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from archiver.aws.s3 import LAST_CHARACTER
from archiver.errors import MAX_NAMED_FILES, DatasetRejected
from archiver.keys import Keys
from archiver.log import logger
from archiver.models.catalogue import RecordedDataset
from archiver.models.files import S3Object
from archiver.reporting import archived
from archiver.reporting.lifecycle import is_rejected
from archiver.settings import settings
from archiver.storage import buckets, leases
from archiver.uploads import registry, rules


def datasets_in_landing(after: str) -> Iterator[str]:
    """The pids under which something lies, behind this one; a request for each."""
    last = Keys.uploads(after) + LAST_CHARACTER if after else ""
    while (found := next(buckets.landing().list(Keys.UPLOADS, last), None)) is not None:
        try:
            pid = rules.pid_of(found.key)
        except DatasetRejected:
            last = found.key  # no client brought it
            continue
        yield pid
        last = Keys.uploads(pid) + LAST_CHARACTER


def is_somebodys(pid: str) -> bool:
    """Whether somebody uploads it, works on it, or waits for its archive."""
    upload = registry.upload(pid)
    if upload is not None and (upload.is_busy or upload.may_be_sent_to):
        return True
    if leases.read_lease(pid) is not None:
        return True
    is_complete = upload is not None and upload.state == "finalized"
    dataset = archived.recorded(pid)
    return dataset is not None and _waits(dataset, is_complete=is_complete)


def _waits(dataset: RecordedDataset, *, is_complete: bool) -> bool:
    lifecycle = dataset.lifecycle
    return (is_complete or is_rejected(lifecycle) or lifecycle.get("archivable") is True) and not archived.restore(
        dataset
    )


def empty(pid: str) -> int:
    """Delete what has lain there for long enough; returns how many files that were."""
    before = datetime.now(UTC) - timedelta(days=settings().landing_days)
    named: list[str] = []
    count = 0

    def old() -> Iterator[S3Object]:
        nonlocal count
        for found in buckets.landing().list(Keys.uploads(pid)):
            if found.modified < before:
                count += 1
                named.extend([found.key] if len(named) < MAX_NAMED_FILES else [])
                yield found

    changed = buckets.landing().delete_unchanged(old())
    if count:
        logger.warning("files of nobody's are deleted", extra={"pid": pid, "count": count, "files": named})
    return count - len(changed)
