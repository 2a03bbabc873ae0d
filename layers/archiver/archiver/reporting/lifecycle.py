"""What a failure means to the catalogue: each code stands in one row, and each row says what is written.

Pure, but for the address of the page that explains the codes. The rows are those of "What SciCat is told" in
docs/architecture.md: a run's failure becomes lifecycle fields of its dataset and an outcome.
"""

from typing import Final, Literal

from archiver.errors import Code, Reason, Row
from archiver.models.states import RunOutcome
from archiver.settings import settings

type Lifecycle = dict[str, object]

# What the owner has to mend: the dataset waits for it.
REJECTED: Final = "missingFilesError"


def archive_report(reason: Reason, execution_arn: str) -> Lifecycle | None:
    """The lifecycle fields that tell a failed archiving; None leaves the dataset untouched."""
    match reason.code.row:
        case Row.USER:
            return {
                "archiveStatusMessage": REJECTED,
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
