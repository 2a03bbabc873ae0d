"""Deliver or refuse one datablock, or make the one tar of selected files."""

from archiver import alarms
from archiver.alarms import Alarm
from archiver.deadline import deadline
from archiver.errors import Code, ServiceRefused
from archiver.lts.long_term_storage import LongTermStorage, TapeState, long_term_storage
from archiver.models.datablocks import WantedDatablock
from archiver.models.states import LaneDone, LaneWork
from archiver.retrieve import documents, extraction
from archiver.retrieve.delivery import Delivered, Refused, Wanted, already_delivered, deliver
from archiver.retrieve.extraction import Extraction
from archiver.retrieve.renewal import renew
from archiver.settings import settings
from archiver.storage import buckets
from archiver.storage.run_folder import RunFolder
from archiver.wording import counted


def extract_selection(work: LaneWork, files: frozenset[str]) -> LaneDone:
    """Make the one tar of the selected files; the other workers have nothing to do."""
    if work.lane > 0:
        return work.reached(done=True)
    try:
        reached = extraction.extract(work, files, long_term_storage(), deadline())
    except ServiceRefused as refused:
        if refused.reason.code is Code.CORRUPT_DATABLOCK:
            alarms.sound(Alarm.DATABLOCKS_DAMAGED, "files of a datablock are refused", reason=refused.reason.message)
        raise
    on_tape = reached is Extraction.ON_TAPE
    return work.reached(done=on_tape or reached is Extraction.DONE, on_tape=on_tape)


def settle(pid: str, wanted: WantedDatablock, folder: RunFolder) -> bool:
    """Deliver or refuse a datablock, and write it down. False when there is more to do."""
    datablock = folder.need(documents.record(wanted))
    outcome = deliver(Wanted(pid, datablock), long_term_storage(), buckets.retrieval(), folder, deadline())
    if outcome is None:
        return False
    # A copy of an earlier retrieval is to live as long as one that was just made.
    if isinstance(outcome, Delivered) and not renew(outcome.key, buckets.retrieval(), deadline()):
        return False
    if isinstance(outcome, Refused):
        why = outcome.reason.message
        alarms.sound(Alarm.DATABLOCKS_DAMAGED, "a datablock is refused", archive_id=outcome.archive_id, reason=why)
        folder.save(documents.refused(wanted), outcome)
    else:
        folder.save(documents.delivered(wanted), outcome)
    return True


def recall_again(pid: str, wanted: WantedDatablock, lts: LongTermStorage) -> bool:
    """Ask for a datablock that went back to tape before it was read to its end. False when it need not be."""
    stored = lts.stored(wanted.archive_id)
    if stored is None or stored.state is TapeState.READABLE:
        return False
    if already_delivered(pid, stored, buckets.retrieval()):
        return False
    lts.recall(wanted.archive_id, settings().retrieval_days)
    return True


# The message names so many datablocks with what is wrong; their files stand in a list of their own.
NAMED_DATABLOCKS = 5


def refusal_of(refused: list[Refused], delivered: int, wanted: int) -> ServiceRefused:
    """What is wrong with which datablocks, and that the others are there."""
    named = " ".join(one.reason.message for one in refused[:NAMED_DATABLOCKS])
    more = f" And {len(refused) - NAMED_DATABLOCKS} more." if len(refused) > NAMED_DATABLOCKS else ""
    message = f"{len(refused)} of {counted(wanted, 'datablock')} refused, {delivered} can be downloaded. {named}{more}"
    files = [file for one in refused for file in one.reason.files]
    return ServiceRefused(refused[0].reason.code, message, files, sum(refusal.reason.count for refusal in refused))
