"""Who may archive a dataset: one run at a time, and one without records that mean something."""

from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.models.catalogue import RecordedDataset
from archiver.models.states import Lease, RunStarted
from archiver.names import wrong_pid
from archiver.reporting import archived
from archiver.storage import leases
from archiver.storage.documents import VERIFIED
from archiver.storage.run_folder import RunFolder


def take_back_or_refuse(dataset: RecordedDataset) -> None:
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


def refuse_wrong_name(pid: str) -> None:
    """SciCat stores any pid; here it becomes part of S3 keys and of the tars' archive ids."""
    wrong = wrong_pid(pid)
    if wrong:
        raise DatasetRejected(Code.BAD_PATH, f"The pid {wrong}.", [pid])


def take_lease(run: RunStarted) -> None:
    """Be the one run that works on the dataset. Raises ServiceRefused(BUSY) naming the run that does."""
    wanted = Lease(run_id=run.run_id, execution_arn=run.execution_arn)
    holder = leases.take_lease(run.pid, wanted, ended=_left_nothing)
    if holder is not None:
        raise ServiceRefused(Code.BUSY, f"The dataset is being worked on by the run {holder.run_id}.")


def _left_nothing(held: Lease) -> bool:
    """Whether the holder is gone and the catalogue knows nothing of its work, which begins with a verified archive."""
    return leases.is_abandoned(held) and RunFolder(held.run_id).read(VERIFIED.name) is None
