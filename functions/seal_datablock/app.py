"""Complete a worker's share of the tars, whose files all agree with the catalogue.

Raises DatasetRejected as packaging does, for the files of the last part, and ServiceRefused("pack_digest")
when S3 does not have exactly the predicted bytes.
"""

import time

from archiver import runs
from archiver.models import LaneDone, LaneWork
from archiver.packaging import planned_datablocks
from archiver.step import deadline, step
from archiver.storage import RunFolder


@step
def handler(work: LaneWork) -> LaneDone:
    packager = runs.packager(work)
    share = planned_datablocks(RunFolder(work.run_id))[work.lane :: work.lanes]
    for datablock in share:
        if time.monotonic() >= deadline():
            return LaneDone(**work.model_dump(), done=False)
        packager.seal(datablock.number)
    return LaneDone(**work.model_dump(), done=True)
