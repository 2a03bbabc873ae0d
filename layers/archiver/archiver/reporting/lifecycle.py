"""What SciCat is told of a dataset, from its registration to its retrieval, and what that means where it is read.

Pure, but for the address of the page that explains the codes. The rows are those of "What SciCat is told" in
docs/architecture.md: a success is a constant here; a failure's code stands in one row, and becomes lifecycle fields of
its dataset and an outcome.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from archiver.errors import Code, Reason, Row
from archiver.models.states import RunOutcome
from archiver.settings import settings

type Lifecycle = dict[str, object]

# The dataset of a drop is registered, its files are not listed yet: nobody may ask for the archive before they are.
FILES_AWAITED: Final[Mapping[str, object]] = {
    "archiveStatusMessage": "filesNotYetAvailable",
    "archivable": False,
    "retrievable": False,
}
# Its client has declared an upload complete.
UPLOAD_COMPLETE: Final[Mapping[str, object]] = {
    "archiveStatusMessage": "datasetCreated",
    "archivable": True,
    "retrievable": False,
}
# All files of a drop are listed; what an earlier drop of it lacked is said no more.
FILES_REGISTERED: Final[Mapping[str, object]] = {**UPLOAD_COMPLETE, "archiveReturnMessage": {}}
_STARTED: Final = "started"
ARCHIVING_STARTED: Final[Mapping[str, object]] = {
    "archiveStatusMessage": _STARTED,
    "archivable": False,
    "retrievable": False,
}
ARCHIVED: Final[Mapping[str, object]] = {
    "archiveStatusMessage": "datasetOnArchiveDisk",
    "archivable": False,
    "retrievable": True,
}
# The flags stay: it is still archived.
RETRIEVAL_STARTED: Final[Mapping[str, object]] = {"retrieveStatusMessage": _STARTED}
RETRIEVED: Final[Mapping[str, object]] = {"retrieveStatusMessage": "datasetRetrieved", "retrieveIntegrityCheck": True}

# What the owner has to mend: the dataset waits for it.
_REJECTED: Final = "missingFilesError"
# From a dataset's claim on, for as long as an upload could only do harm; other archivers write the last one.
_CLAIMED: Final = frozenset({_STARTED, ARCHIVED["archiveStatusMessage"], "isOnCentralDisk"})


def is_rejected(lifecycle: Mapping[str, object]) -> bool:
    """Whether SciCat says that its archiving found files missing or wrong."""
    return lifecycle.get("archiveStatusMessage") == _REJECTED


def is_started(lifecycle: Mapping[str, object]) -> bool:
    """Whether SciCat says that its archiving began, and not how it ended."""
    return lifecycle.get("archiveStatusMessage") == _STARTED


def is_claimed(lifecycle: Mapping[str, object]) -> bool:
    """Whether SciCat says that it is archived, or being archived."""
    return lifecycle.get("archiveStatusMessage") in _CLAIMED


def is_called_archived(lifecycle: Mapping[str, object]) -> bool:
    """Whether a run told SciCat so: a user sets ``retrievable`` alone, or ``archivable`` beside it."""
    return all(lifecycle.get(name) == ARCHIVED[name] for name in ("archiveStatusMessage", "retrievable"))


def archived_message(message: str, warnings: Sequence[Mapping[str, object]]) -> Lifecycle:
    """What an archiving that came through has to say, with its ``warnings``."""
    told: dict[str, object] = {"code": "archived", "message": message}
    return {"archiveReturnMessage": told | {"warnings": warnings} if warnings else told}


def retrieved_message(message: str) -> Lifecycle:
    """What a retrieval that came through has to say."""
    return {"retrieveReturnMessage": {"code": "retrieved", "message": message}}


def archive_report(reason: Reason, execution_arn: str) -> Lifecycle | None:
    """The lifecycle fields that tell a failed archiving; None leaves the dataset untouched."""
    match reason.code.row:
        case Row.USER:
            return {
                "archiveStatusMessage": _REJECTED,
                "archivable": False,
                "retrievable": False,
                "archiveReturnMessage": _return_message(reason) | {"files": list(reason.files)},
            }
        case Row.SYSTEM:
            return {
                "archiveStatusMessage": "scheduleArchiveJobFailed",
                "archivable": True,
                "retrievable": False,
                "archiveReturnMessage": _return_message(reason) | {"executionArn": execution_arn},
            }
        case Row.UNTOUCHED:
            return None


def retrieve_report(reason: Reason, execution_arn: str) -> Lifecycle | None:
    """The lifecycle fields that tell a failed retrieval (the flags stay); None leaves the dataset untouched."""
    row = reason.code.row
    if row is Row.UNTOUCHED:
        return None
    message = _return_message(reason)
    if row is Row.SYSTEM:
        message["executionArn"] = execution_arn
    return {"retrieveStatusMessage": "scheduleRetrieveJobFailed", "retrieveReturnMessage": message}


def outcome_of(pid: str, reason: Reason) -> RunOutcome:
    """How a failed run ended, for the status of its job."""
    ended: Literal["rejected", "failed"] = "rejected" if reason.code.row is Row.USER else "failed"
    return RunOutcome(
        pid=pid, outcome=ended, code=reason.code, message=reason.message, files=reason.files, count=reason.count
    )


def pending_outcome(pid: str, code: Code) -> RunOutcome:
    """How a run ended whose archive is verified while SciCat cannot be told (``code``): the sweep will tell it."""
    when = "when it takes the archiver's password" if code is Code.SCICAT_LOGIN else "as soon as it answers"
    message = f"The archive is complete and verified; SciCat will be told {when}."
    return RunOutcome(pid=pid, outcome="pending", code=code, message=message)


def _return_message(reason: Reason) -> dict[str, object]:
    help_page = settings().page_about(reason.code)
    message: dict[str, object] = {"code": str(reason.code), "message": reason.message, "help": help_page}
    if reason.files:
        message |= {"files": list(reason.files), "count": reason.count}
    return message
