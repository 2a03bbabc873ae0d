"""Delete what is archived from the landing bucket, the run's tars and open uploads, and give space and lease back.

It trusts nobody: the landing files go only when SciCat says that the dataset is archived and the
long-term storage holds each of its tars with the recorded checksum. They go by explicit key, and
only if they still are the objects that were read: S3 compares their ETags when it deletes them.
"""

from collections.abc import Iterator

from archiver import archived, grants, leftovers, runs, storage, workflows
from archiver.drops import Drop
from archiver.errors import MAX_NAMED_FILES
from archiver.keys import Keys
from archiver.lts import long_term_storage
from archiver.models import RecordedDataset, Run, RunOutcome, S3Object, SealedDatablock, Snapshot, Upload
from archiver.packaging import sealed_datablocks
from archiver.scicat import catalogue
from archiver.settings import settings
from archiver.step import logger, step
from archiver.storage import RunFolder


@step
def handler(run: Run) -> Run:
    folder = RunFolder(run.run_id)
    verified = folder.load("verified.json", list[SealedDatablock]) or []
    if verified and storage.holds_lease(run.pid, run.run_id) and _is_archived(run, verified):
        _empty_landing(run, folder)
        storage.staging().delete(datablock.key for datablock in sealed_datablocks(folder))
        runs.abort_uploads(run)  # one whose beginning nobody heard of, or that another worker's tar made needless
        grants.release(run.pid)
    storage.release_lease(run.pid, run.run_id)
    return run


def _is_archived(run: Run, verified: list[SealedDatablock]) -> bool:
    dataset = catalogue().recorded_dataset(run.pid)
    if dataset is None or not (archived.is_retrievable(dataset) or _is_told_again(run, dataset)):
        return False
    registered = {block.archive_id for block in dataset.datablocks}
    return all(datablock.key in registered and long_term_storage().holds(datablock) for datablock in verified)


def _is_told_again(run: Run, dataset: RecordedDataset) -> bool:
    """Whether SciCat, which was told already and says otherwise by now, is told once more."""
    outcome = RunFolder(run.run_id).load("outcome.json", RunOutcome)
    return outcome is not None and outcome.outcome == "done" and archived.restore(dataset)


def _empty_landing(run: Run, folder: RunFolder) -> None:
    """Delete the files that are archived, and tell which others stay in a dropped folder."""
    upload = storage.upload_of(run.pid)
    if not storage.owns_upload(run.pid, upload):
        return  # they are another dataset's now
    left: list[str] = []
    changed = storage.landing().delete_unchanged(_archived_files(upload, folder, left))
    left += [found.key.removeprefix(upload.prefix) for found in changed]
    if upload.prefix.startswith(Keys.DROPS):
        execution_arn = workflows.execution_arn(settings().archive_dataset_state_machine_arn, run.run_id)
        drop = Drop(run_id=run.run_id, execution_arn=execution_arn, prefix=upload.prefix)
        leftovers.tell(run.pid, run.job_id, drop, left)
    elif left:
        logger.warning("what came after the archive stays for the sweep", extra={"files": left[:MAX_NAMED_FILES]})


def _archived_files(upload: Upload, folder: RunFolder, left: list[str]) -> Iterator[S3Object]:
    """The objects of the files that were read and are unchanged; ``left`` gets the paths of all others.

    Both sides stand in the keys' byte order.
    """
    snapshot = folder.need("snapshot.json", Snapshot)
    files = folder.files(0, snapshot.entries)
    file = next(files, None)
    for found in storage.uploaded(upload):
        path = found.key.removeprefix(snapshot.prefix)
        while file is not None and file.path.encode() < path.encode():
            file = next(files, None)
        if file is not None and (file.path, file.etag) == (path, found.etag):
            yield found
        else:
            left.append(path)
