"""What runs left in staging and in the long-term storage, and whether nobody needs it any more."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from archiver.aws import step_functions
from archiver.aws.s3 import Bucket
from archiver.keys import Keys
from archiver.log import logger
from archiver.lts.long_term_storage import long_term_storage
from archiver.settings import settings
from archiver.storage import buckets, leases

# The longest function takes 15 minutes.
LONGEST_CALL = timedelta(minutes=20)

_FAILURES = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})
# Of two calls of one step, the late one may begin an upload when the run has come through without it.
_ENDS = _FAILURES | {"SUCCEEDED"}


def found_behind() -> Iterator[tuple[str, frozenset[str], Callable[[], str]]]:
    """What may be left behind: its key, how its run must have ended for that, and what removes it."""
    staging, lts = buckets.staging(), long_term_storage().bucket
    for key, upload_id in staging.uploads(Keys.UPLOADS):
        yield key, _ENDS, partial(_abort, staging, key, upload_id)
    for found in staging.list(Keys.UPLOADS):
        # One that succeeded has cleaned up; where it did not, the storage had lost a tar that lies here.
        yield found.key, _FAILURES, partial(_delete, staging, found.key)
    for key, upload_id in lts.uploads(Keys.UPLOADS):
        yield key, _ENDS, partial(_abort, lts, key, upload_id)


def run_of(key: str) -> tuple[str, str] | None:
    """The pid and the id of the run that made what lies under the key, if any did."""
    made = Keys.made(key)
    return None if made is None else (made.pid, made.run_id)


def is_over(run: tuple[str, str] | None, ends: frozenset[str]) -> bool:
    """Whether the run (its pid and id) came to one of these ``ends``, so that nobody will need what it left behind."""
    if run is None:
        return False
    pid, run_id = run
    arn = step_functions.execution_arn(settings().archive_dataset_state_machine_arn, run_id)
    if step_functions.status(arn) not in ends:
        return False
    ended = step_functions.ended_at(arn)
    return ended is not None and datetime.now(UTC) - ended > LONGEST_CALL and not leases.holds_lease(pid, run_id)


def _abort(bucket: Bucket, key: str, upload_id: str) -> str:
    logger.warning("an upload that was left behind is aborted", extra={"key": key})
    bucket.abort_upload(key, upload_id)
    return "uploads aborted"


def _delete(bucket: Bucket, key: str) -> str:
    logger.warning("a tar that was left behind is deleted", extra={"key": key})
    bucket.delete([key])
    return "tars deleted"
