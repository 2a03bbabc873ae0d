"""Ask for the uploads that lie on tape, each once, and say when to look again.

Today's Ingestor uploads with the class GLACIER. Where a service takes that as a mere label, or the files were
restored before, nothing is asked for. Raises ServiceRefused("landing_offline") after the deadline.
"""

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
from archiver.step import step
from archiver.storage import buckets
from archiver.storage.documents import SNAPSHOT
from archiver.storage.run_folder import RunFolder

# One and a half times what the tier takes at most, of the slower of the two classes.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html
TIER, PATIENCE = "Standard", timedelta(hours=18)
# For so long the copies can be read: the wait, and the packaging after it.
RESTORED_DAYS = 7
# Requests at once, and how many files are looked at before the clock is.
_AT_ONCE = 16
_FILES_AT_ONCE = 512


@step
def handler(progress: UploadsProgress) -> UploadsProgress:
    folder = RunFolder(progress.run_id)
    snapshot = folder.need(SNAPSHOT)
    asked = _advance(folder, progress.asked, lambda file: _ask_for(file, snapshot.prefix))
    readable = progress.readable
    if asked == snapshot.entries:
        readable = _advance(folder, readable, lambda file: _can_be_read(file, snapshot.prefix))
    reached = progress.model_copy(update={"asked": asked, "readable": readable, "wait_seconds": 0})
    return reached if readable == snapshot.entries else _wait(reached, folder)


def _wait(progress: UploadsProgress, folder: RunFolder) -> UploadsProgress:
    now = datetime.now(UTC)
    since = progress.since or now
    if now - since > PATIENCE:
        first = [file.path for file in folder.files(progress.readable, 1)]
        raise ServiceRefused(Code.LANDING_OFFLINE, "The uploads did not come back from tape.", first)
    return progress.model_copy(update={"since": since, "wait_seconds": round(wait_after(now - since).total_seconds())})


def _advance(folder: RunFolder, first: int, act: Callable[[SourceFile], bool]) -> int:
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


def _ask_for(file: SourceFile, prefix: str) -> bool:
    if not _can_be_read(file, prefix):
        buckets.landing().restore(prefix + file.path, RESTORED_DAYS, TIER)
    return True


def _can_be_read(file: SourceFile, prefix: str) -> bool:
    """Whether there is nothing to wait for; of an empty file nothing will be read."""
    return not file.offline or not file.size or buckets.landing().is_readable(prefix + file.path, file.etag, file.path)
