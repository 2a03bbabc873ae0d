"""Whether a dataset is archived, and what SciCat is told when it says otherwise.

A dataset's owner may write its lifecycle in SciCat: reset it, or set a flag. What counts are SciCat's records of the
datablocks, what the run that made them verified, and what the long-term storage says it holds.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aws_lambda_powertools import Logger

from archiver.keys import Keys
from archiver.lts import LongTermStorage, long_term_storage
from archiver.models import DatablockRecord, RecordedDataset, RunOutcome, SealedDatablock
from archiver.scicat import catalogue
from archiver.storage import RunFolder

# What SciCat is told of a dataset that is archived.
TOLD: Final[Mapping[str, object]] = {
    "archiveStatusMessage": "datasetOnArchiveDisk",
    "archivable": False,
    "retrievable": True,
}
# Requests to the long-term storage at once.
_AT_ONCE: Final = 16

logger = Logger(service="archiver", child=True)


def is_retrievable(dataset: RecordedDataset) -> bool:
    """Whether SciCat says so and has records: the flag alone may have been set by a user."""
    return bool(dataset.datablocks) and dataset.lifecycle.get("retrievable") is True


def is_called_archived(lifecycle: Mapping[str, object]) -> bool:
    """Whether a run told SciCat so: a user sets ``retrievable`` alone, or ``archivable`` beside it."""
    return all(lifecycle.get(name) == TOLD[name] for name in ("archiveStatusMessage", "retrievable"))


def is_archived(dataset: RecordedDataset) -> bool:
    """Whether the dataset is archived; SciCat, where it says otherwise, is told the truth.

    What another archiver recorded cannot be proven here: then SciCat's word that it can be retrieved is taken.
    """
    if restore(dataset):
        return True
    if not is_retrievable(dataset) or are_left_behind(dataset.datablocks, dataset.pid):
        return False
    clear_contradiction(dataset.pid, dataset.lifecycle)
    return True


def restore(dataset: RecordedDataset) -> bool:
    """Tell SciCat that the dataset is archived, if it says otherwise and the archive is proven.

    Returns whether SciCat says so now. It is proven when every datablock that one run of ours verified is recorded,
    no other is, and the long-term storage has each with the recorded size and checksum.
    """
    if dataset.datablocks and TOLD.items() <= dataset.lifecycle.items():
        return True
    if not _is_proven(dataset):
        return False
    logger.warning("an archived dataset is called so again", extra={"pid": dataset.pid, **dataset.lifecycle})
    catalogue().update_lifecycle(dataset.pid, **TOLD)
    return True


def tell(pid: str, **fields: object) -> None:
    """Write ``fields`` to the dataset's lifecycle, and clear the contradiction that its owner may have made of it."""
    clear_contradiction(pid, catalogue().update_lifecycle(pid, **fields))


def clear_contradiction(pid: str, lifecycle: Mapping[str, object]) -> None:
    """See to it that a dataset is not called archivable *and* retrievable: its records tell which flag is wrong."""
    if lifecycle.get("archivable") is not True or lifecycle.get("retrievable") is not True:
        return
    wrong = "archivable" if catalogue().need_recorded_dataset(pid).datablocks else "retrievable"
    logger.warning("SciCat says that a dataset can be archived and retrieved", extra={"pid": pid, "wrong": wrong})
    catalogue().update_lifecycle(pid, **{wrong: False})


def made_by(run_id: str, dataset: RecordedDataset) -> list[DatablockRecord]:
    """The records that a run of this dataset made: each datablock carries its run's id."""
    own = Keys.datablocks(dataset.pid, run_id)
    return [record for record in dataset.datablocks if record.archive_id.startswith(own)]


def are_left_behind(records: Iterable[DatablockRecord], pid: str) -> bool:
    """Whether all these records were made by runs that failed, and could not take them back."""
    return all(run_id is not None and _has_failed(run_id) for run_id in _runs_of(records, pid))


def take_back(pid: str, records: Iterable[DatablockRecord]) -> None:
    """Delete records of datablocks; what the long-term storage holds of them stays there."""
    for record in records:
        catalogue().delete_datablock(pid, record.id)


def _is_proven(dataset: RecordedDataset) -> bool:
    runs = _runs_of(dataset.datablocks, dataset.pid)
    run_id = runs.pop() if len(runs) == 1 else None
    if run_id is None or _has_failed(run_id):
        return False
    verified = RunFolder(run_id).load("verified.json", list[SealedDatablock])
    if verified is None:
        return _proves_itself(dataset)
    recorded = {(record.archive_id, record.packed_size) for record in dataset.datablocks}
    if recorded != {(datablock.key, datablock.packed_size) for datablock in verified}:
        return False
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return all(pool.map(long_term_storage().holds, verified))


def _proves_itself(dataset: RecordedDataset) -> bool:
    """Whether the archive is whole, by the storage's word alone: a run's notes are not kept for ever.

    Then SciCat must count as many archived files as it lists, and the storage have computed the checksum that was
    written down beside each datablock before it was handed over.
    """
    totals = dataset.dataset.totals
    if totals.files_archived != totals.files:
        return False
    lts = long_term_storage()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return all(pool.map(lambda record: _is_as_recorded(record, lts), dataset.datablocks))


def _is_as_recorded(record: DatablockRecord, lts: LongTermStorage) -> bool:
    stored = lts.stored(record.archive_id)
    return (
        stored is not None
        and stored.size == record.packed_size
        and stored.recorded is not None
        and stored.recorded == stored.crc64nvme
    )


def _runs_of(records: Iterable[DatablockRecord], pid: str) -> set[str | None]:
    """The runs of the dataset that made these records; None stands for whatever else made some."""
    runs = {Keys.run_of(record.archive_id) for record in records}
    return {run[1] if run is not None and run[0] == pid else None for run in runs}


def _has_failed(run_id: str) -> bool:
    outcome = RunFolder(run_id).load("outcome.json", RunOutcome)
    return outcome is not None and outcome.outcome in {"failed", "rejected"}
