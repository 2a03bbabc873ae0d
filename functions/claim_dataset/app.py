"""Become the one writer of a dataset, and tell SciCat that its archiving began.

Raises ServiceRefused("busy") while another run works on it, or has left a verified archive for the sweep to
settle, and ServiceRefused("scicat_forbidden") when SciCat would not let its archive be recorded;
DatasetRejected("dataset_unknown"), and DatasetRejected("bad_path") for a pid that could not stand in a key.
A dataset that is archived already is left as it is, and SciCat told so where it says otherwise. Records that a
failed run left are taken back, and those that stand for nothing are passed over; others that cannot be proven are
refused, ServiceRefused("archive_id_conflict").
"""

from archiver.aws import step_functions
from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.models.catalogue import RecordedDataset
from archiver.models.states import Lease, RunClaimed, RunOutcome, RunStarted
from archiver.names import wrong_pid
from archiver.reporting import archived
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage import leases
from archiver.storage.documents import OUTCOME, VERIFIED
from archiver.storage.run_folder import RunFolder


@step
def handler(run: RunStarted) -> RunClaimed:
    _refuse_wrong_name(run.pid)
    _take_lease(run)
    dataset = archived.need_recorded(run.pid)
    is_archived = archived.is_archived(dataset)
    if is_archived:
        outcome = RunOutcome(pid=run.pid, outcome="done", code="already_archived", message="It is archived already.")
        RunFolder(run.run_id).save(OUTCOME, outcome)
    else:
        _take_back_or_refuse(dataset)
        catalogue().need_rights(run.pid)
        catalogue().update_lifecycle(run.pid, archiveStatusMessage="started", archivable=False, retrievable=False)
    return RunClaimed(**run.model_dump(), archived=is_archived)


def _take_back_or_refuse(dataset: RecordedDataset) -> None:
    """See to it that the dataset has no records any more that mean anything."""
    records = archived.exist(dataset.datablocks, dataset.pid)
    if not archived.are_left_behind(records, dataset.pid):
        message = (
            "SciCat records datablocks of which it cannot be proven that they are the whole archive of the dataset. "
            "If they are, an operator sets the dataset's lifecycle to datasetOnArchiveDisk, archivable false and "
            "retrievable true; if they are not, an operator deletes these records and asks for the archive once more."
        )
        raise ServiceRefused(Code.ARCHIVE_ID_CONFLICT, message, [record.archive_id for record in records])
    archived.take_back(dataset.pid, records)


def _refuse_wrong_name(pid: str) -> None:
    """SciCat stores any pid; here it becomes part of S3 keys and of the tars' archive ids."""
    wrong = wrong_pid(pid)
    if wrong:
        raise DatasetRejected(Code.BAD_PATH, f"The pid {wrong}.", [pid])


def _take_lease(run: RunStarted) -> None:
    wanted = Lease(run_id=run.run_id, execution_arn=run.execution_arn)
    holder = leases.take_lease(run.pid, wanted, ended=_left_nothing)
    if holder is not None:
        raise ServiceRefused(Code.BUSY, f"The dataset is being worked on by the run {holder.run_id}.")


def _left_nothing(held: Lease) -> bool:
    """Whether the holder is gone and the catalogue knows nothing of its work, which begins with a verified archive."""
    return step_functions.has_ended(held.worker_arn) and RunFolder(held.run_id).read(VERIFIED.name) is None
