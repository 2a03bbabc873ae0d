"""Recalling datablocks from tape: what is waited for, how long, and when it is given up."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from archiver import alarms
from archiver.alarms import Alarm
from archiver.errors import Code, ServiceRefused
from archiver.keys import Keys
from archiver.lts.long_term_storage import LongTermStorage, TapeState
from archiver.lts.polling import wait_after
from archiver.models.datablocks import WantedDatablock
from archiver.models.states import Lease, RecallProgress
from archiver.retrieve import documents
from archiver.retrieve.delivery import already_delivered, unreadable
from archiver.retrieve.extraction import selection_of
from archiver.settings import settings
from archiver.storage import buckets, leases
from archiver.storage.run_folder import RunFolder

# How long a tier may take before everything is asked for once more, and how long it may take then: together at
# least one and a half times what it promises.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html
RECALL_TIMEOUTS = {
    "Expedited": (timedelta(hours=12), timedelta(hours=12)),
    "Standard": (timedelta(hours=12), timedelta(hours=12)),
    "Bulk": (timedelta(hours=48), timedelta(hours=24)),
}
# A readable copy that goes sooner than this may go before it is delivered.
SHORTEST_EXPIRY = timedelta(hours=5)
# A medium that could not be read twice will not be read the third time.
MOST_RECALLS = 2
# Requests to the long-term storage at once.
_AT_ONCE = 16


def waited_for_of(
    progress: RecallProgress, wanted: list[WantedDatablock], lts: LongTermStorage, now: datetime
) -> list[str]:
    """The datablocks that must be waited for, by archive id; each is asked for, and what failed twice is refused."""
    folder = RunFolder(progress.run_id)
    before = folder.load(documents.RECALLS) or {}

    def look(one: WantedDatablock) -> int | None:
        return _look(progress.pid, one.archive_id, before.get(one.archive_id, 0), lts, now)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        counts = pool.map(look, wanted)
        recalls = {one.archive_id: count for one, count in zip(wanted, counts, strict=True) if count is not None}
    failed = {one for one, count in recalls.items() if count > MOST_RECALLS}
    # What failed in an earlier look has been refused already.
    _refuse(
        progress,
        [
            datablock
            for datablock in wanted
            if datablock.archive_id in failed and before[datablock.archive_id] <= MOST_RECALLS
        ],
    )
    if recalls != before:
        folder.save(documents.RECALLS, recalls)
    return [archive_id for archive_id in recalls if archive_id not in failed]


def _look(pid: str, archive_id: str, recalls: int, lts: LongTermStorage, now: datetime) -> int | None:
    """How often the datablock was asked for by now, ``recalls`` before; more than MOST_RECALLS: it never will be.

    None when there is nothing to wait for: it can be delivered now, was, or is not there. One that lies on tape
    is asked for, and one that would soon go back there is kept.
    """
    if recalls > MOST_RECALLS:
        return recalls
    stored = lts.stored(archive_id)
    if stored is None:
        return None  # its delivery says so, when the others are delivered
    if stored.state is TapeState.READABLE:
        if stored.expiry is not None and stored.expiry - now < SHORTEST_EXPIRY:
            lts.recall(archive_id, settings().retrieval_days)
        return None
    if already_delivered(pid, stored, buckets.retrieval()):
        return None
    if stored.state is TapeState.RECALLING:
        return recalls
    if recalls < MOST_RECALLS:
        lts.recall(archive_id, settings().retrieval_days)
    return recalls + 1


def _refuse(progress: RecallProgress, failed: list[WantedDatablock]) -> None:
    """Write down which datablocks tape cannot bring back; their files are told when the others are delivered."""
    if failed and selection_of(progress):
        named = [datablock.archive_id for datablock in failed]
        raise ServiceRefused(Code.RECALL_FAILED, "Tape could not bring the datablocks back, twice.", named)
    folder = RunFolder(progress.run_id)
    for one in failed:
        alarms.sound(Alarm.DATABLOCKS_DAMAGED, "tape could not bring a datablock back", archive_id=one.archive_id)
        folder.save(documents.refused(one), unreadable(folder.need(documents.record(one))))


def ask_again_or_give_up(
    progress: RecallProgress, waited_for: list[str], lts: LongTermStorage, now: datetime
) -> RecallProgress:
    """Ask once more for what did not come in time. Raises ServiceRefused(RECALL_TIMEOUT) when it did not come then."""
    first, second = RECALL_TIMEOUTS[settings().lts_recall_tier]
    if progress.asked_again is not None and now - progress.asked_again > second:
        raise ServiceRefused(
            Code.RECALL_TIMEOUT, "The long-term storage did not bring the datablocks back.", waited_for
        )
    if progress.asked_again is not None or now - (progress.since or now) <= first:
        return progress
    for archive_id in waited_for:
        lts.recall(archive_id, settings().retrieval_days)
    return progress.model_copy(update={"asked_again": now})


def wait_until_readable(progress: RecallProgress, wanted: list[str], now: datetime) -> RecallProgress:
    """Wait, ever longer, while the storage calls readable what it does not let be read."""
    since = progress.unread_since or now
    if now - since > sum(RECALL_TIMEOUTS[settings().lts_recall_tier], timedelta()):
        message = "The long-term storage calls the datablocks readable, and does not let them be read."
        raise ServiceRefused(Code.RECALL_TIMEOUT, message, wanted)
    waiting = wait(progress.model_copy(update={"since": since}), wanted, now)
    return waiting.model_copy(update={"since": None, "unread_since": since})


def wait(progress: RecallProgress, waited_for: list[str], now: datetime) -> RecallProgress:
    """Wait for the one whose digest comes last: whatever the tape's order, few of n waits (ln n) end before the last.

    Had every datablock its own wait, thousands of events would end thousands of waits.
    """
    since = progress.since or now
    wait_key = max(Keys.wait(archive_id, progress.run_id) for archive_id in waited_for)
    seconds = round(wait_after(now - since).total_seconds())
    return progress.model_copy(update={"since": since, "wait_seconds": seconds, "wait_key": wait_key})


def is_being_delivered(progress: RecallProgress) -> bool:
    """Whether another run delivers the same datablocks now; if none does, this one does."""
    if selection_of(progress):
        return False  # the tar of selected files is the run's own
    mine = Lease(run_id=progress.run_id, execution_arn=progress.execution_arn)
    holder = leases.take_delivery_lease(progress.pid, mine)
    return holder is not None
