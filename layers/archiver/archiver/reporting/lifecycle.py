"""What a failure means to the catalogue: each code stands in one row, and each row says what is written.

Pure. The rows are those of "What SciCat is told" in docs/architecture.md: a run's failure becomes
lifecycle fields of its dataset and an outcome, and a job's outcomes become the job's status.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from archiver.errors import Code, Reason
from archiver.models.states import RunOutcome

type Lifecycle = dict[str, object]


class Row(StrEnum):
    """The rows a failure can stand in."""

    USER = "A-USER"
    SYSTEM = "A-SYS"
    # The dataset is another run's, or unknown, or not even named: only the job is told.
    UNTOUCHED = "SAME"


ROWS: Mapping[Row, frozenset[Code]] = {
    Row.USER: frozenset(
        {
            Code.BAD_DROP,
            Code.MISPLACED_DROP,
            Code.UNREADABLE_FILES,
            Code.STILL_ARRIVING,
            Code.BAD_PATH,
            Code.BAD_SIZE,
            Code.BAD_CHECKSUM_ALGORITHM,
            Code.NO_FILES,
            Code.MISSING_FILES,
            Code.EXTRA_FILES,
            Code.SIZE_MISMATCH,
            Code.CHECKSUM_MISMATCH,
            Code.CHANGED_AFTER_VALIDATE,
            Code.CATALOGUE_CHANGED,
            Code.FILE_TOO_LARGE,
            Code.NOT_ARCHIVED,
            Code.NO_DATABLOCKS,
            Code.UNKNOWN_FILES,
        }
    ),
    Row.SYSTEM: frozenset(
        {
            Code.CANCELLED,
            Code.EXECUTION_LOST,
            Code.LANDING_OFFLINE,
            Code.PACK_DIGEST,
            Code.TRANSPORT_CORRUPTION,
            Code.LTS_UNAVAILABLE,
            Code.LTS_DEADLINE,
            Code.LTS_FULL,
            Code.LTS_WRITE,
            Code.LTS_VERIFY,
            Code.CORRUPT_DATABLOCK,
            Code.RECALL_TIMEOUT,
            Code.RECALL_FAILED,
            Code.SCICAT_UNAVAILABLE,
            Code.SCICAT_LOGIN,
            Code.SCICAT_FORBIDDEN,
            Code.SCICAT_REJECTED,
            Code.SCICAT_TOO_LARGE,
            Code.CATALOGUE_ENTRY_TOO_LARGE,
            Code.ARCHIVE_ID_CONFLICT,
            Code.S3_UNAVAILABLE,
            Code.S3_FULL,
            Code.KMS,
            Code.PERMISSION,
            Code.TIMEOUT,
            Code.OUT_OF_MEMORY,
            Code.INTERNAL,
        }
    ),
    Row.UNTOUCHED: frozenset(
        {
            Code.BUSY,
            Code.LEASE_LOST,
            Code.DATASET_UNKNOWN,
            Code.NO_DATASETS,
            Code.TOO_MANY_DATASETS,
        }
    ),
}
_ROW_OF = {code: row for row, codes in ROWS.items() for code in codes}


def row_of(code: Code) -> Row:
    """The row that ``code`` stands in."""
    return _ROW_OF[code]


def archive_report(reason: Reason, execution_arn: str) -> Lifecycle | None:
    """The lifecycle fields that tell a failed archiving; None leaves the dataset untouched."""
    match row_of(reason.code):
        case Row.USER:
            return {
                "archiveStatusMessage": "missingFilesError",
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
    row = row_of(reason.code)
    if row is Row.UNTOUCHED:
        return None
    message = _return_message(reason)
    if row is Row.SYSTEM:
        message["executionArn"] = execution_arn
    return {"retrieveStatusMessage": "scheduleRetrieveJobFailed", "retrieveReturnMessage": message}


def outcome_of(pid: str, reason: Reason) -> RunOutcome:
    """How a failed run ended, for the status of its job."""
    ended: Literal["rejected", "failed"] = "rejected" if row_of(reason.code) is Row.USER else "failed"
    return RunOutcome(
        pid=pid, outcome=ended, code=reason.code, message=reason.message, files=reason.files, count=reason.count
    )


def pending_outcome(pid: str, code: Code) -> RunOutcome:
    """How a run ended whose archive is verified while SciCat cannot be told (``code``): the sweep will tell it."""
    when = "when it takes the archiver's password" if code is Code.SCICAT_LOGIN else "as soon as it answers"
    message = f"The archive is complete and verified; SciCat will be told {when}."
    return RunOutcome(pid=pid, outcome="pending", code=code, message=message)


def _return_message(reason: Reason) -> dict[str, object]:
    message: dict[str, object] = {"code": str(reason.code), "message": reason.message}
    if reason.files:
        message |= {"files": list(reason.files), "count": reason.count}
    return message
