"""Copy, glue and fingerprint a worker's share of the files, slice by slice.

Raises DatasetRejected: ``checksum_mismatch`` naming file, expected and actual, ``changed_after_validate``.
"""

from archiver.archive import runs
from archiver.deadline import deadline
from archiver.models.states import LaneDone, LaneWork
from archiver.step import step


@step
def handler(work: LaneWork) -> LaneDone:
    packager = runs.packager(work)
    share = packager.slices()[work.lane :: work.lanes]
    done = all(packager.package(piece, deadline()) for piece in share)
    return work.reached(done=done)
