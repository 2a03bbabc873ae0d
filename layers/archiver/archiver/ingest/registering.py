"""Whether a drop's dataset is new, or settled already."""

from archiver.errors import Code, DatasetRejected
from archiver.ingest import DropStatus
from archiver.models.files import Upload
from archiver.reporting import archived
from archiver.scicat import Job, catalogue
from archiver.storage import sources


def settled_before(pid: str, owner_group: str) -> DropStatus | None:
    """What became of an earlier drop of the same dataset, when nothing is left to ask for."""
    dataset = archived.recorded(pid)
    if dataset is not None and dataset.dataset.owner_group != owner_group:
        message = f"SciCat has the dataset {pid} as one of another group than {owner_group}: it is not this drop's."
        raise DatasetRejected(Code.BAD_DROP, message)
    if dataset is not None and archived.is_retrievable(dataset):
        return DropStatus(status="already_archived", message="The dataset is archived already.", pid=pid)
    job = _unfinished_job(pid)
    if job is not None:
        message = "An archive job for this dataset was requested before and is not finished."
        return DropStatus(status="already_requested", message=message, pid=pid, job=job.id)
    return None


def refuse_taken(upload: Upload, pid: str) -> None:
    """Refuse a folder that is being archived as another dataset."""
    owner = sources.owner_of(upload)
    job = None if owner in {None, pid} else _unfinished_job(str(owner))
    if job is not None:
        message = f"The folder is being archived as the dataset {owner}. Drop it again when its job {job.id} has ended."
        raise DatasetRejected(Code.BAD_DROP, message)


def _unfinished_job(pid: str) -> Job | None:
    return next((job for job in catalogue().jobs_of(pid, "archive") if job.unfinished), None)
