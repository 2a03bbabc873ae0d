"""Ask the long-term storage for the datablocks that cannot be read yet, and say when to look again.

Asking again does no harm, so the same call begins a recall, looks after it and repeats what was lost. When all
can be read, one run brings them into the retrieval bucket; another one of the same dataset waits until it has.
What the storage calls readable and the workers could not read is waited for, too.
One whose recall failed twice is written down as refused: the others are delivered all the same. Raises
ServiceRefused (``recall_timeout``; ``recall_failed`` when the job names files, whose tar needs every datablock).
"""

from datetime import UTC, datetime

from archiver.lts.long_term_storage import long_term_storage
from archiver.models.states import RecallProgress
from archiver.retrieve.recalling import (
    ask_again_or_give_up,
    is_being_delivered,
    wait,
    wait_until_readable,
    waited_for_of,
)
from archiver.step import step
from archiver.storage.documents import WANTED
from archiver.storage.run_folder import RunFolder


@step
def handler(progress: RecallProgress) -> RecallProgress:
    now = datetime.now(UTC)
    lts = long_term_storage()
    wanted = RunFolder(progress.run_id).need(WANTED)
    was_unread = progress.shares is not None and progress.shares.on_tape
    progress = progress.model_copy(update={"shares": None})
    waited_for = waited_for_of(progress, wanted, lts, now)
    if waited_for:
        progress = ask_again_or_give_up(progress, waited_for, lts, now)
        return wait(progress.model_copy(update={"unread_since": None}), waited_for, now)
    if was_unread:
        return wait_until_readable(progress, [datablock.archive_id for datablock in wanted], now)
    if is_being_delivered(progress):
        return wait(progress, [one.archive_id for one in wanted], now)
    return progress.model_copy(update={"since": None, "asked_again": None, "wait_seconds": 0, "wait_key": ""})
