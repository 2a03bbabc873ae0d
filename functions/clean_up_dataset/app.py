"""Delete what is archived from the landing bucket, the run's tars and open uploads, and give space and lease back.

It trusts nobody: the landing files go only when SciCat says that the dataset is archived and the
long-term storage holds each of its tars with the recorded checksum. They go by explicit key, and
only if they still are the objects that were read: S3 compares their ETags when it deletes them.
Otherwise an alarm is sounded, and each sweep tries again: a tar that the storage lost is stored once more while it lies
in staging, and SciCat is told once more.
"""

from collections.abc import Iterator
from enum import StrEnum

from archiver import alarms
from archiver.alarms import Alarm
from archiver.archive import runs
from archiver.aws import step_functions
from archiver.deadline import deadline
from archiver.errors import MAX_NAMED_FILES, ServiceRefused
from archiver.ingest import Drop, leftovers
from archiver.keys import Keys
from archiver.log import logger
from archiver.lts.long_term_storage import long_term_storage
from archiver.models.catalogue import RecordedDataset
from archiver.models.datablocks import SealedDatablock
from archiver.models.files import S3Object, Upload
from archiver.models.states import Run
from archiver.packaging import sealed_datablocks
from archiver.reporting import archived
from archiver.settings import settings
from archiver.step import step
from archiver.storage import buckets, leases, sources
from archiver.storage.documents import OUTCOME, SNAPSHOT, VERIFIED
from archiver.storage.run_folder import RunFolder
from archiver.uploads import quota


@step
def handler(run: Run) -> Run:
    folder = RunFolder(run.run_id)
    verified = folder.load(VERIFIED) or []
    if not verified or not leases.holds_lease(run.pid, run.run_id):
        leases.release_lease(run.pid, run.run_id)
        return run
    standing = _standing(run, folder, verified)
    if standing is _Standing.ARCHIVED:
        _empty_landing(run, folder)
        buckets.staging().delete(datablock.key for datablock in sealed_datablocks(folder))
        runs.abort_uploads(run)  # one whose beginning nobody heard of, or that another worker's tar made needless
        quota.release(run.pid)
    else:
        alarms.sound(Alarm.CLEAN_UPS_REFUSED, f"nothing is cleaned up: {standing}", run=run.run_id, subject=run.pid)
    if standing not in _FOR_THE_SWEEP:
        leases.release_lease(run.pid, run.run_id)
    return run


class _Standing(StrEnum):
    """Whether all is as it must be before anything is deleted; else what is wrong."""

    ARCHIVED = "it is archived"
    TAKEN_BACK = "SciCat has none of its datablocks any more"
    LOST = "the long-term storage lost a tar"
    NOT_CALLED_ARCHIVED = "SciCat does not say that it is archived"


# What may be put right: the run keeps its lease, by which each sweep finds it and calls this step again.
_FOR_THE_SWEEP = {_Standing.LOST, _Standing.NOT_CALLED_ARCHIVED}


def _standing(run: Run, folder: RunFolder, verified: list[SealedDatablock]) -> _Standing:
    dataset = archived.recorded(run.pid)
    registered = set() if dataset is None else {block.archive_id for block in dataset.datablocks}
    own = {datablock.key for datablock in verified}
    if dataset is None or not own & registered:
        return _Standing.TAKEN_BACK
    lts = long_term_storage()
    lost = [datablock for datablock in verified if not lts.holds(datablock)]
    _store_again(lost, folder)
    if not all(lts.holds(datablock) for datablock in lost):
        return _Standing.LOST
    if own <= registered and (archived.is_retrievable(dataset) or _is_told_again(run, dataset)):
        return _Standing.ARCHIVED
    return _Standing.NOT_CALLED_ARCHIVED


def _store_again(lost: list[SealedDatablock], folder: RunFolder) -> None:
    """Store the tars that still lie in staging; what was sent of a large one is gone on with by the next call."""
    sealed = {datablock.number: datablock.key for datablock in sealed_datablocks(folder)} if lost else {}
    for datablock in lost:
        source = sealed[datablock.number]
        if buckets.staging().head(source) is not None:
            logger.warning("a tar that the long-term storage lost is stored again", extra={"archive_id": datablock.key})
            try:
                long_term_storage().store(datablock, buckets.staging(), deadline(), source=source)
            except ServiceRefused as refused:
                logger.error("a tar cannot be stored again", extra={"reason": refused.reason.to_json()})


def _is_told_again(run: Run, dataset: RecordedDataset) -> bool:
    """Whether SciCat, which was told already and says otherwise by now, is told once more."""
    outcome = RunFolder(run.run_id).load(OUTCOME)
    return outcome is not None and outcome.outcome == "done" and archived.restore(dataset)


def _empty_landing(run: Run, folder: RunFolder) -> None:
    """Delete the files that are archived, and tell which others stay in a dropped folder."""
    upload = sources.upload_of(run.pid)
    if not sources.owns_upload(run.pid, upload):
        return  # they are another dataset's now
    left: list[str] = []
    changed = buckets.landing().delete_unchanged(_archived_files(upload, folder, left))
    left += [found.key.removeprefix(upload.prefix) for found in changed]
    if upload.prefix.startswith(Keys.DROPS):
        execution_arn = step_functions.execution_arn(settings().archive_dataset_state_machine_arn, run.run_id)
        drop = Drop(run_id=run.run_id, execution_arn=execution_arn, prefix=upload.prefix)
        leftovers.tell(run.pid, run.job_id, drop, left)
    elif left:
        logger.warning("what came after the archive stays for the sweep", extra={"files": left[:MAX_NAMED_FILES]})


def _archived_files(upload: Upload, folder: RunFolder, left: list[str]) -> Iterator[S3Object]:
    """The objects of the files that were read and are unchanged; ``left`` gets the paths of all others.

    Both sides stand in the keys' byte order.
    """
    snapshot = folder.need(SNAPSHOT)
    files = folder.files(0, snapshot.entries)
    file = next(files, None)
    for found in sources.uploaded(upload):
        path = found.key.removeprefix(snapshot.prefix)
        while file is not None and file.path.encode() < path.encode():
            file = next(files, None)
        if file is not None and (file.path, file.etag) == (path, found.etag):
            yield found
        else:
            left.append(path)
