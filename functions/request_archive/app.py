"""Ask SciCat for the archive job of a dropped dataset, once."""

from archiver.ingest import DropRegistered, DropStatus
from archiver.ingest.documents import DROP_OUTCOME, EARLIER_JOBS, MATCHED
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage.run_folder import RunFolder
from archiver.wording import counted


@step
def handler(drop: DropRegistered) -> DropRegistered:
    folder = RunFolder(drop.run_id)
    job = _requested(drop, folder) or _request(drop.pid)
    matched = folder.need(MATCHED)
    files = counted(matched.files, "file")
    message = f"{files} ({counted(matched.size, 'byte')}) registered, and their archive job requested."
    folder.save(DROP_OUTCOME, DropStatus(status="requested", message=message, pid=drop.pid, job=job))
    return drop


def _requested(drop: DropRegistered, folder: RunFolder) -> str | None:
    """The job that an attempt of this run created before, or that is not finished."""
    jobs = catalogue().jobs_of(drop.pid, "archive")
    earlier = folder.load(EARLIER_JOBS)
    if earlier is None:
        earlier = [job.id for job in jobs]
        folder.save(EARLIER_JOBS, earlier)
    return next((job.id for job in jobs if job.unfinished or job.id not in earlier), None)


def _request(pid: str) -> str:
    dataset = catalogue().need_dataset(pid)
    # SciCat replaces a user it does not know by our account; the group is what lets the owner see the job.
    return catalogue().create_job(
        "archive", [pid], owner_group=dataset.owner_group, owner_user=None, contact_email=dataset.contact_email
    )
