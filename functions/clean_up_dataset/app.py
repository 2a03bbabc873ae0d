"""Delete what is archived from the landing bucket, the run's tars and open uploads, and give space and lease back.

It trusts nobody: the landing files go only when SciCat says that the dataset is archived and the
long-term storage holds each of its tars with the recorded checksum. They go by explicit key, and
only if they still are the objects that were read: S3 compares their ETags when it deletes them.
Otherwise an alarm is sounded, and each sweep tries again: a tar that the storage lost is stored once more while it lies
in staging, and SciCat is told once more.
"""

from archiver import alarms
from archiver.alarms import Alarm
from archiver.archive import runs
from archiver.archive.clean_up import FOR_THE_SWEEP, Standing, empty_landing, standing_of
from archiver.ingest import leftovers
from archiver.models.states import Run
from archiver.packaging import sealed_datablocks
from archiver.step import step
from archiver.storage import buckets, leases
from archiver.storage.documents import VERIFIED
from archiver.storage.run_folder import RunFolder
from archiver.uploads import quota


@step
def handler(run: Run) -> Run:
    folder = RunFolder(run.run_id)
    verified = folder.load(VERIFIED) or []
    if not verified or not leases.holds_lease(run.pid, run.run_id):
        leases.release_lease(run.pid, run.run_id)
        return run
    standing = standing_of(run, folder, verified)
    if standing is Standing.ARCHIVED:
        emptied = empty_landing(run.pid, folder)
        if emptied is not None:
            leftovers.tell_of_run(run, *emptied)
        buckets.staging().delete(datablock.key for datablock in sealed_datablocks(folder))
        runs.abort_uploads(run)  # one whose beginning nobody heard of, or that another worker's tar made needless
        quota.release(run.pid)
    else:
        alarms.sound(Alarm.CLEAN_UPS_REFUSED, f"nothing is cleaned up: {standing}", run=run.run_id, subject=run.pid)
    if standing not in FOR_THE_SWEEP:
        leases.release_lease(run.pid, run.run_id)
    return run
