"""Hand a worker's share of the sealed tars over to the long-term storage, and prove every copy.

Raises ServiceRefused: ``lts_write``, ``lts_full``, ``lts_verify`` naming two copies that proved wrong, and
``lts_deadline`` when the storage was waited for too long.
"""

from archiver.archive.storing import HandOver
from archiver.deadline import deadline
from archiver.lts.long_term_storage import long_term_storage
from archiver.models.states import LaneDone, LaneWork
from archiver.packaging import sealed_datablocks
from archiver.step import step
from archiver.storage import buckets
from archiver.storage.run_folder import RunFolder


@step
def handler(work: LaneWork) -> LaneDone:
    folder = RunFolder(work.run_id)
    hand_over = HandOver(long_term_storage(), buckets.staging(), folder, deadline())
    seconds = hand_over.share(sealed_datablocks(folder)[work.lane :: work.lanes], work.lane)
    return work.reached(done=seconds is None, wait_seconds=seconds or 0)
