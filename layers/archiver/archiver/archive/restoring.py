"""Bring uploads that lie on tape back before they are read."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import batched

from archiver.deadline import deadline
from archiver.errors import Code, ServiceRefused
from archiver.lts.polling import wait_after
from archiver.models.files import SourceFile
from archiver.models.states import UploadsProgress
from archiver.storage import buckets
from archiver.storage.run_folder import RunFolder

# One and a half times what the tier takes at most, of the slower of the two classes.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html
TIER, RESTORE_TIMEOUT = "Standard", timedelta(hours=18)
# For so long the copies can be read: the wait, and the packaging after it.
RESTORED_DAYS = 7
# Requests at once, and how many files are looked at before the clock is.
_AT_ONCE = 16
_FILES_AT_ONCE = 512


def wait(progress: UploadsProgress, folder: RunFolder) -> UploadsProgress:
    """Look again later. Raises ServiceRefused(LANDING_OFFLINE) after ``RESTORE_TIMEOUT``."""
    now = datetime.now(UTC)
    since = progress.since or now
    if now - since > RESTORE_TIMEOUT:
        first = [file.path for file in folder.files(progress.readable, 1)]
        raise ServiceRefused(Code.LANDING_OFFLINE, "The uploads did not come back from tape.", first)
    return progress.model_copy(update={"since": since, "wait_seconds": round(wait_after(now - since).total_seconds())})


def advance(folder: RunFolder, first: int, act: Callable[[SourceFile], bool]) -> int:
    """Do something to the files from ``first`` on; returns the index of the first that it could not be done to."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for some in batched(folder.files(first), _FILES_AT_ONCE, strict=False):
            if time.monotonic() >= deadline():
                break
            done = list(pool.map(act, some))
            if not all(done):
                return first + done.index(False)
            first += len(some)
    return first


def ask_for(file: SourceFile, prefix: str) -> bool:
    """Ask for a file that cannot be read yet; that can always be done."""
    if not can_be_read(file, prefix):
        buckets.landing().restore(prefix + file.path, RESTORED_DAYS, TIER)
    return True


def can_be_read(file: SourceFile, prefix: str) -> bool:
    """Whether there is nothing to wait for; of an empty file nothing will be read."""
    return not file.offline or not file.size or buckets.landing().is_readable(prefix + file.path, file.etag, file.path)
