"""Which datablocks a retrieval is about."""

from archiver.errors import Code, DatasetRejected
from archiver.keys import Keys
from archiver.models.catalogue import RecordedDataset
from archiver.models.datablocks import WantedDatablock
from archiver.names import wrong_path
from archiver.reporting import archived
from archiver.reporting.lifecycle import is_started
from archiver.retrieve import documents
from archiver.retrieve.selection import Choice
from archiver.scicat import catalogue
from archiver.storage.documents import WANTED
from archiver.storage.run_folder import RunFolder
from archiver.wording import counted


def refuse_what_is_not_archived(dataset: RecordedDataset) -> None:
    """Raises DatasetRejected when the dataset has no datablocks of its own, or is not archived."""
    if not dataset.datablocks and dataset.others:
        message = (
            "This archiver stored nothing for the dataset: "
            f"{counted(len(dataset.others), 'datablock', 'datablocks')} that SciCat records for it are not its own. "
            "If another archiver wrote them, an operator names where they lie in FormerArchivePrefixes."
        )
        raise DatasetRejected(Code.NO_DATABLOCKS, message)
    if not dataset.datablocks and not is_started(dataset.lifecycle):
        raise DatasetRejected(Code.NO_DATABLOCKS, "The dataset has no datablocks: it was never archived.")
    if not archived.is_archived(dataset):
        raise DatasetRejected(Code.NOT_ARCHIVED, "The dataset is not archived (yet).")
    # SciCat stores any name. These become S3 keys and parts of addresses.
    names = (datablock.archive_id for datablock in dataset.datablocks)
    hostile = [name for name in names if wrong_path(name) or wrong_path(Keys.copy(dataset.pid, name))]
    if hostile:
        raise DatasetRejected(Code.BAD_PATH, "The names of datablocks cannot be keys.", hostile)


def write_down(dataset: RecordedDataset, choice: Choice, folder: RunFolder) -> list[WantedDatablock]:
    """The chosen datablocks in short, and each with its files in a document of its own: memory holds one at a time."""
    wanted = list[WantedDatablock]()
    for record in sorted(dataset.datablocks, key=lambda record: record.archive_id):
        datablock = catalogue().datablock(dataset.pid, record)
        if choice.takes(datablock):
            one = WantedDatablock(len(wanted), record.archive_id, record.packed_size, record.size)
            folder.save(documents.record(one), datablock)
            wanted.append(one)
    choice.refuse_unknown()
    folder.save(WANTED, wanted)
    return wanted
