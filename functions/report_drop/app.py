"""Write dataset.status.json beside dataset.json, and tell SciCat when the drop is wrong."""

from archiver.errors import MAX_NAMED_FILES, Code, Reason, Row
from archiver.ingest import TAKEN_IN_LATER, DropContent, DropEnded, DropReported, DropStatus, drop_folder
from archiver.ingest.documents import DROP, DROP_OUTCOME
from archiver.models.files import Upload
from archiver.reporting.failures import reason_of
from archiver.reporting.lifecycle import archive_report
from archiver.scicat import catalogue
from archiver.settings import settings
from archiver.step import step
from archiver.storage import leases, sources
from archiver.storage.run_folder import RunFolder
from archiver.wording import counted

# The sweep looks for these files, and takes the drop in when they are there.
_TAKEN_IN_LATER = (
    "When all is there, the drop is taken in by itself within half an hour; writing dataset.json again is faster."
)


@step
def handler(drop: DropEnded) -> DropReported:
    folder = RunFolder(drop.run_id)
    content = folder.load(DROP)
    reason = None if drop.failure is None else reason_of(drop.failure)
    status = folder.need(DROP_OUTCOME) if reason is None else _failed(reason)
    if status.status == "already_archived":
        status = _with_kept_files(status, drop, content)
    try:
        if reason is not None and content is not None:
            _tell_catalogue(reason, content, drop.execution_arn)
    finally:
        # After SciCat, so that whoever reads it finds the same there; and also when SciCat does not answer.
        _write(status, drop, content)
    leases.release_lease(drop.prefix, drop.run_id)
    return DropReported(accepted=reason is None, code=status.code or status.status, message=status.message)


def _failed(reason: Reason) -> DropStatus:
    rejected = reason.code.row is Row.USER
    return DropStatus(
        status="rejected" if rejected else "failed",
        message=f"{reason.message} {_TAKEN_IN_LATER}" if reason.code in TAKEN_IN_LATER else reason.message,
        code=reason.code,
        help=settings().page_about(reason.code),
        files=reason.files,
        count=reason.count,
    )


def _with_kept_files(status: DropStatus, drop: DropEnded, content: DropContent | None) -> DropStatus:
    """Files dropped for an archived dataset are neither archived nor deleted: say which."""
    documents = () if content is None else content.documents
    uploaded = sources.uploaded(Upload(prefix=drop.prefix, documents=documents))
    kept = [found.key.removeprefix(drop.prefix) for found in uploaded]
    if not kept:
        return status
    were = counted(len(kept), "file in the folder is", "files in the folder are")
    message = f"{status.message} {were} kept, and not archived by this drop."
    return status.model_copy(update={"message": message, "files": tuple(kept[:MAX_NAMED_FILES]), "count": len(kept)})


def _write(status: DropStatus, drop: DropEnded, content: DropContent | None) -> None:
    if status.code != Code.BUSY:  # The execution that holds the folder writes its status.
        drop_folder.write_status(drop, status, content.pid if content else None)


def _tell_catalogue(reason: Reason, content: DropContent, execution_arn: str) -> None:
    """Only what the user must mend is told; a system's failure leaves the dataset as it is, to be dropped again.

    Nothing is told of a dataset that is another group's.
    """
    lifecycle = archive_report(reason, execution_arn)
    if lifecycle is None or reason.code.row is not Row.USER:
        return
    if catalogue().need_dataset(content.pid).owner_group == content.metadata["ownerGroup"]:
        catalogue().update_lifecycle(content.pid, **lifecycle)
