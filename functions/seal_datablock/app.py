"""Complete a worker's share of the tars, whose files all agree with the catalogue.

A tar of which S3 does not have exactly the predicted bytes is packaged once more. Raises DatasetRejected as
packaging does, and for a dataset that was deleted meanwhile: what is sealed goes to tape. Raises
ServiceRefused("pack_digest") when S3 refuses the second tar, too.
"""

import time

from archiver.archive import runs
from archiver.deadline import deadline
from archiver.errors import Code, DatasetRejected
from archiver.models.states import LaneDone, LaneWork
from archiver.packaging import planned_datablocks
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage.run_folder import RunFolder


@step
def handler(work: LaneWork) -> LaneDone:
    if catalogue().has_forgotten(work.pid):
        raise DatasetRejected(Code.DATASET_UNKNOWN, f"SciCat no longer knows the dataset {work.pid}.")
    packager = runs.packager(work)
    share = planned_datablocks(RunFolder(work.run_id))[work.lane :: work.lanes]
    done = all(time.monotonic() < deadline() and packager.complete(datablock.number, deadline()) for datablock in share)
    return work.reached(done=done)
