"""Remove what runs left in staging, and the uploads that they left in the long-term storage.

Only what carries the id of a run whose execution is known to have ended (for a tar: without success), longer ago than
a function that it called may take, and whose lease nobody holds: such a run is settled, or its dataset was taken over.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, partial

from archiver import storage, workflows
from archiver.keys import Keys
from archiver.lts import long_term_storage
from archiver.models import SweepProgress
from archiver.s3 import Bucket
from archiver.settings import settings
from archiver.step import deadline, logger, step

# The longest function takes 15 minutes.
LONGEST_CALL = timedelta(minutes=20)

_FAILURES = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})
# Of two calls of one step, the late one may begin an upload when the run has come through without it.
_ENDS = _FAILURES | {"SUCCEEDED"}


@step
def handler(sweep: SweepProgress) -> SweepProgress:
    done = True
    for remove in _left_behind():
        remove()
        if time.monotonic() >= deadline():
            done = False
            break
    return SweepProgress(run_id=sweep.run_id, execution_arn=sweep.execution_arn, done=done)


def _left_behind() -> Iterator[Callable[[], None]]:
    """What removes each thing that is left behind."""
    is_over = cache(_is_over)
    staging = storage.staging()
    for bucket in (staging, long_term_storage().bucket):
        for key, upload_id in bucket.uploads(Keys.UPLOADS):
            if is_over(Keys.run_of(key), _ENDS):
                yield partial(_abort, bucket, key, upload_id)
    for found in staging.list(Keys.UPLOADS):
        # One that succeeded has cleaned up; where it did not, the storage had lost a tar that lies here.
        if is_over(Keys.run_of(found.key), _FAILURES):
            yield partial(_delete, staging, found.key)


def _is_over(run: tuple[str, str] | None, ends: frozenset[str]) -> bool:
    """Whether the run (its pid and id) came to one of these ``ends``, so that nobody will need what it left behind."""
    if run is None:
        return False
    pid, run_id = run
    arn = workflows.execution_arn(settings().archive_dataset_state_machine_arn, run_id)
    if workflows.status(arn) not in ends:
        return False
    ended = workflows.ended_at(arn)
    return ended is not None and datetime.now(UTC) - ended > LONGEST_CALL and not storage.holds_lease(pid, run_id)


def _abort(bucket: Bucket, key: str, upload_id: str) -> None:
    logger.warning("an upload that was left behind is aborted", extra={"key": key})
    bucket.abort_upload(key, upload_id)


def _delete(bucket: Bucket, key: str) -> None:
    logger.warning("a tar that was left behind is deleted", extra={"key": key})
    bucket.delete([key])
