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
from archiver.archive.clean_up import FOR_THE_SWEEP, Standing, archived_files, standing_of
from archiver.aws import step_functions
from archiver.errors import MAX_NAMED_FILES
from archiver.ingest import Drop, leftovers
from archiver.keys import Keys
from archiver.log import logger
from archiver.models.states import Run
from archiver.packaging import sealed_datablocks
from archiver.settings import settings
from archiver.step import step
from archiver.storage import buckets, leases, sources
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
        _empty_landing(run, folder)
        buckets.staging().delete(datablock.key for datablock in sealed_datablocks(folder))
        runs.abort_uploads(run)  # one whose beginning nobody heard of, or that another worker's tar made needless
        quota.release(run.pid)
    else:
        alarms.sound(Alarm.CLEAN_UPS_REFUSED, f"nothing is cleaned up: {standing}", run=run.run_id, subject=run.pid)
    if standing not in FOR_THE_SWEEP:
        leases.release_lease(run.pid, run.run_id)
    return run


def _empty_landing(run: Run, folder: RunFolder) -> None:
    """Delete the files that are archived, and tell which others stay in a dropped folder."""
    upload = sources.upload_of(run.pid)
    if not sources.owns_upload(run.pid, upload):
        return  # they are another dataset's now
    left: list[str] = []
    changed = buckets.landing().delete_unchanged(archived_files(upload, folder, left))
    left += [found.key.removeprefix(upload.prefix) for found in changed]
    if upload.prefix.startswith(Keys.DROPS):
        execution_arn = step_functions.execution_arn(settings().archive_dataset_state_machine_arn, run.run_id)
        drop = Drop(run_id=run.run_id, execution_arn=execution_arn, prefix=upload.prefix)
        leftovers.tell(run.pid, run.job_id, drop, left)
    elif left:
        logger.warning("what came after the archive stays for the sweep", extra={"files": left[:MAX_NAMED_FILES]})
