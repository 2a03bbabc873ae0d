"""Take back what a failed run made: its catalogue records, its tars in staging, its open uploads. Nothing else.

Everything a run makes carries its run id. What it handed to the long-term storage stays there, without
a record: the storage is write-once. A dataset that SciCat calls archived, by this run or by an earlier
one, stays archived: then only the run failed. And when all that failed is that SciCat does not answer, a verified
archive is kept, and SciCat is told later.
"""

from collections.abc import Iterable

from archiver import reports, runs, storage
from archiver.errors import Code
from archiver.keys import Keys
from archiver.models import CatalogueDatablock, CatalogueDataset, RunFailed, RunOutcome, RunRolledBack
from archiver.scicat import catalogue
from archiver.step import step

# SciCat does not answer, or not to the password that it is asked with: either ends.
_SILENT = {Code.SCICAT_UNAVAILABLE, Code.SCICAT_LOGIN}


@step
def handler(run: RunFailed) -> RunRolledBack:
    folder = storage.RunFolder(run.run_id)
    reason = reports.reason_of(run.failure)
    pending = reason.code in _SILENT and folder.read("verified.json") is not None
    # First for ourselves: the reason is not lost when SciCat does not answer.
    outcome = reports.pending(run.pid, reason.code) if pending else reports.outcome(run.pid, reason)
    folder.save("outcome.json", outcome)
    archived = not pending and _take_back(run)
    if archived:
        folder.save("outcome.json", RunOutcome(pid=run.pid, outcome="done", code="archived", message="It is archived."))
    return RunRolledBack(**run.model_dump(), archived=archived, pending=pending)


def _take_back(run: RunFailed) -> bool:
    """Take back what the run made, unless SciCat calls it the dataset's archive; returns whether it has one."""
    dataset = catalogue().dataset(run.pid, datablocks=True)
    records = () if dataset is None else dataset.datablocks
    archived = dataset is not None and _is_archived(dataset)
    if not (archived and all(_is_ours(record, run) for record in records)):
        _delete_records(records, run)
        _delete_tars(run)
    return archived


def _is_archived(dataset: CatalogueDataset) -> bool:
    """Whether a run told SciCat so: `retrievable` alone may have been set by a user while records are missing."""
    told = {"archiveStatusMessage": "datasetOnArchiveDisk", "retrievable": True}
    return bool(dataset.datablocks) and told.items() <= dataset.lifecycle.items()


def _delete_records(records: Iterable[CatalogueDatablock], run: RunFailed) -> None:
    for record in records:
        if record.id is not None and _is_ours(record, run):
            catalogue().delete_datablock(run.pid, record.id)


def _delete_tars(run: RunFailed) -> None:
    runs.abort_uploads(run)
    own = Keys.datablocks(run.pid, run.run_id)
    storage.staging().delete(found.key for found in storage.staging().list(own))


def _is_ours(record: CatalogueDatablock, run: RunFailed) -> bool:
    return record.archive_id.startswith(Keys.datablocks(run.pid, run.run_id))
