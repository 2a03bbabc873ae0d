"""Whether a dataset is archived, and what SciCat is told when it says otherwise.

A dataset's owner may write its lifecycle in SciCat: reset it, or set a flag; and anybody may record datablocks. What
counts are the records of what was stored for the dataset (``provenance``), what the run that made them verified, and
what the long-term storage says it holds.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from archiver.keys import Keys
from archiver.log import logger
from archiver.lts.long_term_storage import LongTermStorage, long_term_storage
from archiver.models.catalogue import DatablockRecord, RecordedDataset
from archiver.models.datablocks import SealedDatablock
from archiver.reporting.lifecycle import ARCHIVED
from archiver.scicat import catalogue
from archiver.storage.documents import OUTCOME, VERIFIED
from archiver.storage.run_folder import RunFolder
from archiver.tar import provenance

# Requests to the long-term storage, or for the notes of runs, at once.
_AT_ONCE: Final = 16
# So many records that count for nothing stand in the log.
_NAMED: Final = 10


def recorded(pid: str) -> RecordedDataset | None:
    """The dataset with those of its recorded datablocks that count; None when SciCat does not know it.

    One run makes a dataset's archive, and wrote down what it consists of: where all of that is recorded, nothing else
    counts, whatever it is called.
    """
    dataset = catalogue().recorded_dataset(pid)
    return None if dataset is None else _without_others(dataset)


def need_recorded(pid: str) -> RecordedDataset:
    """As ``recorded``. Raises DatasetRejected (``DATASET_UNKNOWN``) when SciCat does not know the dataset."""
    return _without_others(catalogue().need_recorded_dataset(pid))


def _without_others(recorded: RecordedDataset) -> RecordedDataset:
    dataset = provenance.counted(recorded)
    verified = _verified_archive(dataset)
    if verified is not None:
        archive = {datablock.key for datablock in verified}
        others = tuple(one for one in dataset.datablocks if one.archive_id not in archive)
        own = tuple(one for one in dataset.datablocks if one.archive_id in archive)
        dataset = replace(dataset, datablocks=own, others=dataset.others + others)
    if dataset.others:
        names = [other.archive_id for other in dataset.others[:_NAMED]]
        logger.warning("datablocks count for nothing: this archiver did not make them", extra={"archive_ids": names})
    return dataset


def is_retrievable(dataset: RecordedDataset) -> bool:
    """Whether SciCat says so and has records: the flag alone may have been set by a user."""
    return bool(dataset.datablocks) and dataset.lifecycle.get("retrievable") is True


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
    if dataset.datablocks and ARCHIVED.items() <= dataset.lifecycle.items():
        return True
    if not _is_proven(dataset):
        return False
    logger.warning("an archived dataset is called so again", extra={"pid": dataset.pid, **dataset.lifecycle})
    catalogue().update_lifecycle(dataset.pid, **ARCHIVED)
    return True


def tell(pid: str, **fields: object) -> None:
    """Write ``fields`` to the dataset's lifecycle, and clear the contradiction that its owner may have made of it."""
    clear_contradiction(pid, catalogue().update_lifecycle(pid, **fields))


def clear_contradiction(pid: str, lifecycle: Mapping[str, object]) -> None:
    """See to it that a dataset is not called archivable *and* retrievable: its records tell which flag is wrong."""
    if lifecycle.get("archivable") is not True or lifecycle.get("retrievable") is not True:
        return
    wrong = "archivable" if need_recorded(pid).datablocks else "retrievable"
    logger.warning("SciCat says that a dataset can be archived and retrieved", extra={"pid": pid, "wrong": wrong})
    catalogue().update_lifecycle(pid, **{wrong: False})


def made_by(run_id: str, dataset: RecordedDataset) -> list[DatablockRecord]:
    """The records that a run of this dataset made: each datablock carries its run's id."""
    return [record for record in dataset.datablocks if _run_of(record, dataset.pid) == run_id]


def has_made(run_id: str, dataset: RecordedDataset) -> bool:
    """Whether all that this run verified is recorded: nothing else is the dataset's archive then."""
    return _all_verified(run_id, dataset) is not None


def are_left_behind(records: Iterable[DatablockRecord], pid: str) -> bool:
    """Whether all these records were made by runs that failed, and could not take them back."""
    return all(run_id is not None and _has_failed(run_id) for run_id in _runs_of(records, pid))


def exist(records: Iterable[DatablockRecord], pid: str) -> list[DatablockRecord]:
    """Those of the records that stand for anything: a run wrote down that it made it, or it is in the storage."""
    lts, records = long_term_storage(), list(records)
    noted = {run_id for run_id in _runs_of(records, pid) if run_id is not None and _left_notes(run_id, pid)}

    def exists(record: DatablockRecord) -> bool:
        return _run_of(record, pid) in noted or lts.stored(record.archive_id) is not None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [record for record, does in zip(records, pool.map(exists, records), strict=True) if does]


def take_back(pid: str, records: Iterable[DatablockRecord]) -> None:
    """Delete records of datablocks; what the long-term storage holds of them stays there."""
    for record in records:
        catalogue().delete_datablock(pid, record.id)


def _is_proven(dataset: RecordedDataset) -> bool:
    verified = _verified_archive(dataset)
    if verified is not None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return all(pool.map(long_term_storage().holds, verified))
    runs = _runs_of(dataset.datablocks, dataset.pid)
    run_id = runs.pop() if len(runs) == 1 else None
    return run_id is not None and not _left_notes(run_id, dataset.pid) and _proves_itself(dataset)


def _verified_archive(dataset: RecordedDataset) -> list[SealedDatablock] | None:
    """What the run verified that made the dataset's archive; None when there is none, or its notes are kept no more."""
    runs = sorted(run_id for run_id in _runs_of(dataset.datablocks, dataset.pid) if run_id is not None)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        made = pool.map(lambda run_id: None if _has_failed(run_id) else _all_verified(run_id, dataset), runs)
        return next((verified for verified in made if verified), None)


def _all_verified(run_id: str, dataset: RecordedDataset) -> list[SealedDatablock] | None:
    """The datablocks that a run verified, when all are recorded."""
    verified = RunFolder(run_id).load(VERIFIED)
    recorded = {(record.archive_id, record.packed_size) for record in dataset.datablocks}
    return (
        verified
        if verified and {(datablock.key, datablock.packed_size) for datablock in verified} <= recorded
        else None
    )


def _proves_itself(dataset: RecordedDataset) -> bool:
    """Whether the archive is whole, by the storage's word alone: a run's notes are not kept for ever.

    Then SciCat must count as many archived files as it lists, and the storage have computed the checksum that was
    written down beside each datablock before it was handed over.
    """
    if _files_archived(dataset) != dataset.dataset.totals.files:
        return False
    lts = long_term_storage()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return all(pool.map(lambda record: _is_as_recorded(record, lts), dataset.datablocks))


def _files_archived(dataset: RecordedDataset) -> int:
    """How many files the datablocks list; SciCat's own count is of all records, also of those that do not count."""
    if not dataset.others:
        return dataset.dataset.totals.files_archived
    return sum(len(catalogue().datablock(dataset.pid, record).files) for record in dataset.datablocks)


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
    return {_run_of(record, pid) for record in records}


def _run_of(record: DatablockRecord, pid: str) -> str | None:
    made = Keys.made(record.archive_id)
    return made.run_id if made is not None and made.pid == pid else None


def _left_notes(run_id: str, pid: str) -> bool:
    """Whether a run of this dataset wrote down what it verified, or how it ended.

    Anybody who records a datablock for others may name it after a run of their own, whose notes say nothing here.
    """
    folder = RunFolder(run_id)
    verified, outcome = folder.load(VERIFIED), folder.load(OUTCOME)
    return (outcome is not None and outcome.pid == pid) or any(
        provenance.is_made_for(pid, datablock.key) for datablock in verified or ()
    )


def _has_failed(run_id: str) -> bool:
    outcome = RunFolder(run_id).load(OUTCOME)
    return outcome is not None and outcome.outcome in {"failed", "rejected"}
