"""Remove what lies in the landing bucket under a dataset that nobody uploads, archives or waits for.

Uploads that were given up without a word, what a URL of before brought after the archive, files of a dataset that
SciCat does not know any more: as soon as they have lain there for ``LandingDays``. Whatever was declared complete, or
may be archived by SciCat's word, waits for its archive, however long; what was rejected waits for its owner, who may
have no other copy.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from archiver.aws.s3 import LAST_CHARACTER
from archiver.deadline import deadline
from archiver.errors import MAX_NAMED_FILES, DatasetRejected
from archiver.keys import Keys
from archiver.log import logger
from archiver.models.catalogue import RecordedDataset
from archiver.models.files import S3Object
from archiver.models.states import SweepProgress
from archiver.reporting import archived
from archiver.reporting.lifecycle import REJECTED
from archiver.settings import settings
from archiver.step import step
from archiver.storage import buckets, leases
from archiver.sweep.sweeping import Sweeping
from archiver.uploads import registry, rules


@step
def handler(sweep: SweepProgress) -> SweepProgress:
    sweeping, cursor, done = Sweeping(sweep), sweep.cursor, True
    for pid in _datasets(cursor):
        if time.monotonic() >= deadline():
            done = False
            break
        with sweeping.alone(pid):
            if not _is_somebodys(pid):
                sweeping.did("files of nobody's deleted", times=_empty(pid))
        cursor = pid
    return sweeping.reached(SweepProgress, cursor, done=done)


def _datasets(after: str) -> Iterator[str]:
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


def _is_somebodys(pid: str) -> bool:
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
    is_rejected = lifecycle.get("archiveStatusMessage") == REJECTED
    return (is_complete or is_rejected or lifecycle.get("archivable") is True) and not archived.restore(dataset)


def _empty(pid: str) -> int:
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
