"""Ask the long-term storage for the datablocks that cannot be read yet, and say when to look again.

Asking again does no harm, so the same call begins a recall, looks after it and repeats what was lost.
Raises ServiceRefused (``recall_failed`` when a datablock is not there, ``recall_timeout``).
"""

from datetime import UTC, datetime, timedelta

from archiver import storage
from archiver.delivery import is_delivered
from archiver.errors import Code, ServiceRefused
from archiver.lts import LongTermStorage, TapeState, long_term_storage
from archiver.models import RecallProgress, WantedDatablock
from archiver.settings import settings
from archiver.step import step

# Each look costs nine of an execution's 25,000 events. So a wait is a quarter of the time already waited:
# a recall of seconds is noticed in seconds, and one of three days takes about 450 looks.
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=2), timedelta(minutes=10)
# At least twice what each tier promises for the class GLACIER:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html
DEADLINES = {"Expedited": timedelta(hours=24), "Standard": timedelta(hours=24), "Bulk": timedelta(hours=72)}


@step
def handler(progress: RecallProgress) -> RecallProgress:
    now = datetime.now(UTC)
    since = progress.since or now
    wanted = storage.RunFolder(progress.run_id).need("datablocks.json", list[WantedDatablock])
    lts = long_term_storage()
    waited_for = [one.archive_id for one in wanted if not _is_at_hand(one.archive_id, lts)]
    if waited_for and now - since > DEADLINES[settings().lts_recall_tier]:
        raise ServiceRefused(
            Code.RECALL_TIMEOUT, "The long-term storage did not bring the datablocks back.", waited_for
        )
    wait = wait_after(now - since) if waited_for else timedelta()
    return progress.model_copy(update={"since": since, "wait_seconds": round(wait.total_seconds())})


def wait_after(waited: timedelta) -> timedelta:
    """How long to wait before the next look, when so much time has been waited already."""
    return max(SHORTEST_WAIT, min(waited / 4, LONGEST_WAIT))


def _is_at_hand(archive_id: str, lts: LongTermStorage) -> bool:
    """Whether the datablock can be delivered now, or was; it is asked for if it lies on tape."""
    stored = lts.stored(archive_id)
    if stored is None:
        raise ServiceRefused(Code.RECALL_FAILED, f"{archive_id} is not in the long-term storage.", [archive_id])
    if stored.state is TapeState.READABLE or is_delivered(archive_id, lts, storage.retrieval()):
        return True
    if stored.state is TapeState.ARCHIVED:
        lts.recall(archive_id, settings().retrieval_days)
    return False
