"""Hand a worker's share of the sealed tars over to the long-term storage.

Raises ServiceUnavailable("lts_unavailable") and ServiceRefused("lts_write").
"""

from archiver import storage
from archiver.lts import long_term_storage
from archiver.models import LaneDone, LaneWork
from archiver.packaging import sealed_datablocks
from archiver.step import deadline, step


@step
def handler(work: LaneWork) -> LaneDone:
    share = sealed_datablocks(storage.RunFolder(work.run_id))[work.lane :: work.lanes]
    done = all(long_term_storage().store(datablock, storage.staging(), deadline()) for datablock in share)
    return LaneDone(**work.model_dump(), done=done)
