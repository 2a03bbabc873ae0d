"""What can go wrong: three exceptions, and the closed list of codes they carry.

Step Functions sees the bare class name of an exception and its text. So the names are few and
never subclassed, and the text is JSON (``Reason``) that the reporting steps read back.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

MAX_NAMED_FILES = 100
# Step Functions cuts a Cause at 32,768 characters, and it quotes ours twice: a cut one could not be read back.
MAX_NAMED_CHARACTERS = 12_000


class Code(StrEnum):
    """Every reason a run, a drop or a retrieval can fail for; each maps to one row of ``reports``."""

    # The data or the request is wrong: the user mends it.
    BAD_DROP = "bad_drop"
    MISPLACED_DROP = "misplaced_drop"
    UNREADABLE_FILES = "unreadable_files"
    STILL_ARRIVING = "still_arriving"
    BAD_PATH = "bad_path"
    BAD_SIZE = "bad_size"
    BAD_CHECKSUM_ALGORITHM = "bad_checksum_algorithm"
    NO_FILES = "no_files"
    MISSING_FILES = "missing_files"
    EXTRA_FILES = "extra_files"
    SIZE_MISMATCH = "size_mismatch"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    CHANGED_AFTER_VALIDATE = "changed_after_validate"
    CATALOGUE_CHANGED = "catalogue_changed"
    FILE_TOO_LARGE = "file_too_large"
    DATASET_UNKNOWN = "dataset_unknown"
    NO_DATASETS = "no_datasets"
    TOO_MANY_DATASETS = "too_many_datasets"
    NOT_ARCHIVED = "not_archived"
    NO_DATABLOCKS = "no_datablocks"
    UNKNOWN_FILES = "unknown_files"
    # A system failed: the operator mends it, or it mends itself.
    BUSY = "busy"
    CANCELLED = "cancelled"
    EXECUTION_LOST = "execution_lost"
    LANDING_OFFLINE = "landing_offline"
    LEASE_LOST = "lease_lost"
    PACK_DIGEST = "pack_digest"
    TRANSPORT_CORRUPTION = "transport_corruption"
    LTS_UNAVAILABLE = "lts_unavailable"
    LTS_DEADLINE = "lts_deadline"
    LTS_FULL = "lts_full"
    LTS_WRITE = "lts_write"
    LTS_VERIFY = "lts_verify"
    CORRUPT_DATABLOCK = "corrupt_datablock"
    RECALL_TIMEOUT = "recall_timeout"
    RECALL_FAILED = "recall_failed"
    SCICAT_UNAVAILABLE = "scicat_unavailable"
    SCICAT_LOGIN = "scicat_login"
    SCICAT_FORBIDDEN = "scicat_forbidden"
    SCICAT_REJECTED = "scicat_rejected"
    SCICAT_TOO_LARGE = "scicat_too_large"
    CATALOGUE_ENTRY_TOO_LARGE = "catalogue_entry_too_large"
    ARCHIVE_ID_CONFLICT = "archive_id_conflict"
    S3_UNAVAILABLE = "s3_unavailable"
    S3_FULL = "s3_full"
    KMS = "kms"
    PERMISSION = "permission"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something failed, as a person and a program read it.

    ``files`` names at most the first hundred; ``count`` says how many there were.
    """

    code: Code
    message: str
    files: tuple[str, ...] = field(default=())
    count: int = 0

    def to_json(self) -> str:
        """One line of JSON; lone surrogates and control characters arrive escaped."""
        body: dict[str, object] = {"code": str(self.code), "message": self.message}
        if self.files:
            body |= {"files": list(self.files), "count": self.count}
        return json.dumps(body)

    @classmethod
    def from_json(cls, text: str) -> "Reason":
        """Read back ``to_json``. Raises ValueError on anything else."""
        body = json.loads(text)
        if not isinstance(body, dict) or "code" not in body:
            raise ValueError("not a reason")
        files = tuple(body.get("files", ()))
        return cls(Code(body["code"]), str(body["message"]), files, int(body.get("count", len(files))))


def reason(code: Code, message: str, files: Sequence[str] = (), count: int | None = None) -> Reason:
    """A reason that names the first hundred of ``files``; ``count`` says how many there are if not all are given."""
    named, characters = [], 0
    for file in files[:MAX_NAMED_FILES]:
        characters += len(json.dumps(file))
        if characters > MAX_NAMED_CHARACTERS:
            break
        named.append(file)
    return Reason(code, message, tuple(named), len(files) if count is None else count)


class DatasetRejected(Exception):
    """The data or the request is wrong. Never retried; the reason is shown to the user."""

    def __init__(self, code: Code, message: str, files: Sequence[str] = (), count: int | None = None) -> None:
        self.reason = reason(code, message, files, count)
        super().__init__(self.reason.to_json())


class ServiceUnavailable(Exception):
    """S3, SciCat or the LTS did not answer. Retried by the state machine."""

    def __init__(self, code: Code, message: str) -> None:
        self.reason = reason(code, message)
        super().__init__(self.reason.to_json())


class ServiceRefused(Exception):
    """S3, SciCat or the LTS answered, and asking again would not change the answer. Never retried."""

    def __init__(self, code: Code, message: str, files: Sequence[str] = (), count: int | None = None) -> None:
        self.reason = reason(code, message, files, count)
        super().__init__(self.reason.to_json())
