"""Look up which datablocks are wanted of a dataset, and tell SciCat that its retrieval began.

Raises DatasetRejected (``dataset_unknown``, ``no_datablocks``, ``not_archived``, ``bad_path``,
``unknown_files``).
"""

from dataclasses import replace

from archiver.errors import Code, DatasetRejected
from archiver.extraction import selection_of
from archiver.models import CatalogueDatablock, CatalogueDataset, RecallProgress, RunStarted, WantedDatablock
from archiver.names import wrong_path
from archiver.scicat import catalogue
from archiver.selection import choose
from archiver.settings import settings
from archiver.step import step
from archiver.storage import RunFolder


@step
def handler(run: RunStarted) -> RecallProgress:
    dataset = catalogue().need_dataset(run.pid, datablocks=True)
    _refuse_what_is_not_archived(dataset)
    wanted = choose(dataset.datablocks, selection_of(run))
    _write_down(wanted, RunFolder(run.run_id))
    catalogue().update_lifecycle(run.pid, retrieveStatusMessage="started")
    lanes = range(min(settings().lanes, len(wanted)))
    return RecallProgress(**run.model_dump(), lanes=tuple(lanes))


def _refuse_what_is_not_archived(dataset: CatalogueDataset) -> None:
    if not dataset.datablocks and dataset.lifecycle.get("archiveStatusMessage") != "started":
        raise DatasetRejected(Code.NO_DATABLOCKS, "The dataset has no datablocks: it was never archived.")
    # The flag alone may have been set by a user, and the records alone by an archiving that goes on.
    if not dataset.datablocks or dataset.lifecycle.get("retrievable") is not True:
        raise DatasetRejected(Code.NOT_ARCHIVED, "The dataset is not archived (yet).")
    # SciCat stores any name. These become S3 keys and parts of addresses.
    hostile = [datablock.archive_id for datablock in dataset.datablocks if wrong_path(datablock.archive_id)]
    if hostile:
        raise DatasetRejected(Code.BAD_PATH, "The names of datablocks cannot be keys.", hostile)


def _write_down(datablocks: tuple[CatalogueDatablock, ...], folder: RunFolder) -> None:
    """The list in short, and each datablock with its files in a document of its own: memory stays bounded."""
    ordered = sorted(datablocks, key=lambda datablock: datablock.archive_id)
    wanted = [
        WantedDatablock(number, datablock.archive_id, datablock.packed_size, datablock.size)
        for number, datablock in enumerate(ordered)
    ]
    for one, datablock in zip(wanted, ordered, strict=True):
        folder.save(one.note("datablocks"), replace(datablock, files=tuple(datablock.files)))
    folder.save("datablocks.json", wanted)
