"""Take back what a failed run made: its catalogue records, its tars in staging, its open uploads. Nothing else.

Everything a run makes carries its run id. What it handed to the long-term storage stays there, without
a record: the storage is write-once.
"""

from archiver import storage
from archiver.keys import Keys
from archiver.models import CatalogueDataset, RunFailed, RunRolledBack
from archiver.scicat import catalogue
from archiver.step import step


@step
def handler(run: RunFailed) -> RunRolledBack:
    dataset = catalogue().dataset(run.pid, datablocks=True)
    archived = dataset is not None and _was_told(dataset, run)
    if not archived:
        if dataset is not None:
            _delete_records(dataset, run)
        _delete_tars(run)
    return RunRolledBack(**run.model_dump(), archived=archived)


def _was_told(dataset: CatalogueDataset, run: RunFailed) -> bool:
    """Whether SciCat says already that this run archived the dataset: then the run only failed to hear the answer."""
    return dataset.lifecycle.get("retrievable") is True and any(
        _is_ours(block.archive_id, run) for block in dataset.datablocks
    )


def _delete_records(dataset: CatalogueDataset, run: RunFailed) -> None:
    for block in dataset.datablocks:
        if block.id is not None and _is_ours(block.archive_id, run):
            catalogue().delete_datablock(run.pid, block.id)


def _delete_tars(run: RunFailed) -> None:
    own = Keys.datablocks(run.pid, run.run_id)
    for key, upload_id in storage.staging().uploads(own):
        storage.staging().abort_upload(key, upload_id)
    storage.staging().delete(found.key for found in storage.staging().list(own))


def _is_ours(archive_id: str, run: RunFailed) -> bool:
    return archive_id.startswith(Keys.datablocks(run.pid, run.run_id))
