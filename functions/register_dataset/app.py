"""Make a dropped dataset known to SciCat, and remember which drop it came from.

A dataset that is archived already, or whose archive job is not finished, is left as it is. Raises DatasetRejected
("bad_drop") while the folder is being archived as another dataset: its files would be deleted under this one; and for a
dataset that SciCat has as another group's, which anybody who knows the folder could have made before.
"""

from archiver.errors import Code, DatasetRejected
from archiver.ingest import DropRead, DropRegistered, DropStatus
from archiver.ingest.documents import DROP, DROP_OUTCOME
from archiver.models.files import Upload
from archiver.reporting import archived
from archiver.scicat import Job, catalogue
from archiver.step import step
from archiver.storage import sources
from archiver.storage.run_folder import RunFolder

# The files are not listed yet; nobody may ask for the archive before they are.
_LIFECYCLE = {"archiveStatusMessage": "filesNotYetAvailable", "archivable": False, "retrievable": False}


@step
def handler(drop: DropRead) -> DropRegistered:
    folder = RunFolder(drop.run_id)
    content = folder.need(DROP)
    created = catalogue().create_dataset({**content.metadata, "datasetlifecycle": _LIFECYCLE}, drop.pid)
    settled = None if created else _settled(drop.pid, str(content.metadata["ownerGroup"]))
    if settled is None:
        upload = Upload(prefix=drop.prefix, documents=content.documents)
        _refuse_taken(upload, drop.pid)
        sources.record_upload(drop.pid, upload)
    else:
        folder.save(DROP_OUTCOME, settled)
    return DropRegistered(**drop.model_dump(), settled=settled is not None)


def _settled(pid: str, owner_group: str) -> DropStatus | None:
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


def _refuse_taken(upload: Upload, pid: str) -> None:
    owner = sources.owner_of(upload)
    job = None if owner in {None, pid} else _unfinished_job(str(owner))
    if job is not None:
        message = f"The folder is being archived as the dataset {owner}. Drop it again when its job {job.id} has ended."
        raise DatasetRejected(Code.BAD_DROP, message)


def _unfinished_job(pid: str) -> Job | None:
    return next((job for job in catalogue().jobs_of(pid, "archive") if job.unfinished), None)
