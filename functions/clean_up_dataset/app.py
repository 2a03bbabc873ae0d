"""Delete what is archived from the landing bucket, the run's tars and open uploads, and give space and lease back.

It trusts nobody: the landing files go only when SciCat says that the dataset is archived and the
long-term storage holds each of its tars with the recorded checksum. They go by explicit key, and
only if they still are the objects that were read.
"""

from collections.abc import Iterator

from archiver import landing_zone, runs, storage
from archiver.lts import long_term_storage
from archiver.models import Run, SealedDatablock, Snapshot
from archiver.packaging import sealed_datablocks
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage import RunFolder


@step
def handler(run: Run) -> Run:
    folder = RunFolder(run.run_id)
    verified = folder.load("verified.json", list[SealedDatablock]) or []
    if verified and storage.holds_lease(run.pid, run.run_id) and _is_archived(run, verified):
        storage.landing().delete(_archived_keys(run, folder))
        storage.staging().delete(datablock.key for datablock in sealed_datablocks(folder))
        runs.abort_uploads(run)  # one whose beginning nobody heard of, or that another worker's tar made needless
        landing_zone.release(run.pid)
    storage.release_lease(run.pid, run.run_id)
    return run


def _is_archived(run: Run, verified: list[SealedDatablock]) -> bool:
    dataset = catalogue().dataset(run.pid, datablocks=True)
    if dataset is None or dataset.lifecycle.get("retrievable") is not True:
        return False
    registered = {block.archive_id for block in dataset.datablocks}
    return all(datablock.key in registered and long_term_storage().holds(datablock) for datablock in verified)


def _archived_keys(run: Run, folder: RunFolder) -> Iterator[str]:
    """The keys of the files that were read and are unchanged; both sides stand in the keys' byte order."""
    upload = storage.upload_of(run.pid)
    if not storage.owns_upload(run.pid, upload):
        return  # they are another dataset's now
    snapshot = folder.need("snapshot.json", Snapshot)
    uploaded = storage.uploaded(upload)
    found = next(uploaded, None)
    for file in folder.files(0, snapshot.entries):
        key = snapshot.prefix + file.path
        while found is not None and found.key.encode() < key.encode():
            found = next(uploaded, None)
        if found is not None and (found.key, found.etag) == (key, file.etag):
            yield key
