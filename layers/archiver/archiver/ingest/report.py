"""How a drop ended: beside its dataset.json, and in SciCat."""

from archiver.errors import MAX_NAMED_FILES, Code, Reason, Row
from archiver.ingest import TAKEN_IN_LATER, DropContent, DropEnded, DropStatus, drop_folder
from archiver.models.files import Upload
from archiver.reporting.lifecycle import archive_report
from archiver.scicat import catalogue
from archiver.settings import settings
from archiver.storage import sources
from archiver.wording import counted

# The sweep looks for these files, and takes the drop in when they are there.
_TAKEN_IN_LATER = (
    "When all is there, the drop is taken in by itself within half an hour; writing dataset.json again is faster."
)


def status_of(reason: Reason) -> DropStatus:
    """What dataset.status.json says of a drop that failed."""
    rejected = reason.code.row is Row.USER
    return DropStatus(
        status="rejected" if rejected else "failed",
        message=f"{reason.message} {_TAKEN_IN_LATER}" if reason.code in TAKEN_IN_LATER else reason.message,
        code=reason.code,
        help=settings().page_about(reason.code),
        files=reason.files,
        count=reason.count,
    )


def with_kept_files(status: DropStatus, drop: DropEnded, content: DropContent | None) -> DropStatus:
    """Files dropped for an archived dataset are neither archived nor deleted: say which."""
    documents = () if content is None else content.documents
    uploaded = sources.uploaded(Upload(prefix=drop.prefix, documents=documents))
    kept = [found.key.removeprefix(drop.prefix) for found in uploaded]
    if not kept:
        return status
    were = counted(len(kept), "file in the folder is", "files in the folder are")
    message = f"{status.message} {were} kept, and not archived by this drop."
    return status.model_copy(update={"message": message, "files": tuple(kept[:MAX_NAMED_FILES]), "count": len(kept)})


def write(status: DropStatus, drop: DropEnded, content: DropContent | None) -> None:
    """Write dataset.status.json, unless the folder is another execution's."""
    if status.code != Code.BUSY:  # The execution that holds the folder writes its status.
        drop_folder.write_status(drop, status, content.pid if content else None)


def tell_catalogue(reason: Reason, content: DropContent, execution_arn: str) -> None:
    """Only what the user must mend is told; a system's failure leaves the dataset as it is, to be dropped again.

    Nothing is told of a dataset that is another group's.
    """
    lifecycle = archive_report(reason, execution_arn)
    if lifecycle is None or reason.code.row is not Row.USER:
        return
    if catalogue().need_dataset(content.pid).owner_group == content.metadata["ownerGroup"]:
        catalogue().update_lifecycle(content.pid, **lifecycle)
