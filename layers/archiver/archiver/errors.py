"""What can go wrong: three exceptions, and the one list of codes they carry, each with all there is to know of it.

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


class Row(StrEnum):
    """What a failure means to SciCat; ``reports`` says what is written for each row."""

    USER = "A-USER"
    SYSTEM = "A-SYS"
    # The dataset belongs to another run, or is unknown, or is not even named: only the job is told.
    UNTOUCHED = "SAME"


@dataclass(frozen=True, slots=True)
class About:
    """What there is to know of a code: its row, a sentence of what it means, and what to do about it.

    ``user`` is for the dataset's owner, or whoever asked; ``operator`` is for whoever runs the service. An empty
    one has nothing to do.
    """

    row: Row
    meaning: str
    user: str = ""
    operator: str = ""


def _rejected(meaning: str, user: str, operator: str = "") -> About:
    return About(Row.USER, meaning, user, operator)


def _failed(meaning: str, operator: str, user: str = "Ask again later. If it fails again, ask the operator.") -> About:
    return About(Row.SYSTEM, meaning, user, operator)


def _untouched(meaning: str, user: str, operator: str = "") -> About:
    return About(Row.UNTOUCHED, meaning, user, operator)


_LISTS_AGAIN = "Upload the files as they are listed, or correct the list, and ask again."


class Code(StrEnum):
    """Every reason a run, a drop or a retrieval can fail for, and what is to be known of it (``about``).

    docs/error-codes.md is written from this list.
    """

    about: About

    def __new__(cls, code: str, *about: About) -> "Code":
        """A member is its code and one ``About``; what looks a member up (``Code("busy")``) has the code alone."""
        member = str.__new__(cls, code)
        member._value_ = code
        (member.about,) = about
        return member

    # The data or the request is wrong: the user mends it.
    BAD_DROP = (
        "bad_drop",
        _rejected(
            "The dataset.json of a dropped folder cannot be used: it is unreadable, has a wrong field, or does not fit"
            " what SciCat has.",
            "Correct what the message names, and write dataset.json again.",
        ),
    )
    MISPLACED_DROP = (
        "misplaced_drop",
        _rejected(
            "A file that is meant as a dataset.json has another name, or is not directly in a dropped folder.",
            "Move or rename it as the message says.",
        ),
    )
    UNREADABLE_FILES = (
        "unreadable_files",
        _rejected(
            "The list of checksums in a dropped folder cannot be read.",
            "Correct the line that the message names, or write the list anew, and write dataset.json again.",
        ),
    )
    STILL_ARRIVING = (
        "still_arriving",
        _rejected(
            "Files were still being uploaded into the dropped folder when the time for it was over.",
            "Complete or abort the uploads that are named; then the drop is taken in by itself.",
        ),
    )
    BAD_PATH = (
        "bad_path",
        _rejected("A name cannot be the name of a file in an archive.", "Rename what is named, and ask again."),
    )
    BAD_SIZE = (
        "bad_size",
        _rejected("A size is not a number of bytes that a file can have.", "Correct the size, and ask again."),
    )
    BAD_CHECKSUM_ALGORITHM = (
        "bad_checksum_algorithm",
        _rejected(
            "A file is listed with a checksum by an algorithm that the archiver does not know.",
            "List the files with one that it knows: sha256, md5, sha1, sha512, blake2b or crc64nvme.",
        ),
    )
    NO_FILES = (
        "no_files",
        _rejected("The dataset has no files.", "Upload its files, and ask again; a dropped folder is looked at again."),
    )
    MISSING_FILES = (
        "missing_files",
        _rejected(
            "Files that are listed are not there.", "Upload them; a dropped folder is looked at again by itself."
        ),
    )
    EXTRA_FILES = (
        "extra_files",
        _rejected("There are files that are not listed.", "Remove them, or list them, and ask again."),
    )
    SIZE_MISMATCH = ("size_mismatch", _rejected("A file does not have the size that is listed.", _LISTS_AGAIN))
    CHECKSUM_MISMATCH = (
        "checksum_mismatch",
        _rejected("The bytes of a file do not have the checksum that is listed.", _LISTS_AGAIN),
    )
    CHANGED_AFTER_VALIDATE = (
        "changed_after_validate",
        _rejected(
            "A file was changed or removed after it had been looked at.",
            "Let nothing write to the files while they are archived, and ask again.",
        ),
    )
    CATALOGUE_CHANGED = (
        "catalogue_changed",
        _rejected(
            "The list of files in SciCat was changed while the dataset was archived.",
            "Ask again when the list is complete.",
        ),
    )
    FILE_TOO_LARGE = (
        "file_too_large",
        _rejected("A file is larger than a datablock can be.", "Split the file, list its pieces, and ask again."),
    )
    NOT_ARCHIVED = (
        "not_archived",
        _rejected("The dataset is not archived (yet).", "Have it archived first; then ask for its files."),
    )
    NO_DATABLOCKS = (
        "no_datablocks",
        _rejected(
            "SciCat has no datablocks of the dataset that this archiver may give back.",
            "Ask whoever archived the dataset.",
            "If another archiver made its tars, say which with FormerArchivePrefixes.",
        ),
    )
    UNKNOWN_FILES = (
        "unknown_files",
        _rejected("Files were asked for that the archive does not have.", "Ask for files that SciCat lists."),
    )
    # Only the job is told.
    DATASET_UNKNOWN = (
        "dataset_unknown",
        _untouched("SciCat does not know the dataset.", "Correct the pid; or register the dataset first."),
    )
    NO_DATASETS = ("no_datasets", _untouched("The job names no datasets.", "Send a job that names at least one."))
    TOO_MANY_DATASETS = (
        "too_many_datasets",
        _untouched("The job names more datasets than fit into one.", "Ask with several jobs."),
    )
    BUSY = (
        "busy",
        _untouched("Another run works on the dataset or the folder.", "Wait until that one has ended, and ask again."),
    )
    LEASE_LOST = (
        "lease_lost",
        _untouched(
            "Another run took the dataset over, because this one had not been heard of for long.",
            "Look at the status of the dataset: the other run says how it ended.",
        ),
    )
    # A system failed: the operator mends it, or it mends itself.
    CANCELLED = (
        "cancelled",
        _failed("An operator stopped the work.", "Nothing: what was made is taken back.", "Ask again if you need it."),
    )
    EXECUTION_LOST = (
        "execution_lost",
        _failed(
            "The workflow that did the work is gone without a report.",
            "Look for the execution in the console: Step Functions forgets it after 90 days, or somebody removed it.",
        ),
    )
    LANDING_OFFLINE = (
        "landing_offline",
        _failed(
            "Uploaded files were moved to a storage class from which they did not come back in time.",
            "Look at the lifecycle rules of the landing bucket, and at the restore requests of the named files.",
        ),
    )
    PACK_DIGEST = (
        "pack_digest",
        _failed(
            "A tar in staging does not have the checksum that was computed for it.",
            "Once is a fault of transport; if it repeats, compare the tar in staging with the log of the step.",
        ),
    )
    TRANSPORT_CORRUPTION = (
        "transport_corruption",
        _failed(
            "Bytes changed on their way to or from S3, several times in a row.",
            "Look at the network, at proxies, and at the S3 service under its address.",
        ),
    )
    LTS_UNAVAILABLE = (
        "lts_unavailable",
        _failed(
            "The long-term storage does not answer.",
            "See whether it is up, and whether the service can reach it under LtsEndpointUrl.",
        ),
    )
    LTS_DEADLINE = (
        "lts_deadline",
        _failed(
            "The long-term storage was waited for until the time for it was over.",
            "The message says what it was waited for; start it again when the storage works.",
        ),
    )
    LTS_FULL = ("lts_full", _failed("There is no space left in the long-term storage.", "Make room, or ask for more."))
    LTS_WRITE = (
        "lts_write",
        _failed(
            "The long-term storage does not take a tar.",
            "The message says why. Other bytes under the same key are never written over: look at who wrote them.",
        ),
    )
    LTS_VERIFY = (
        "lts_verify",
        _failed(
            "What the long-term storage holds is not what was sent to it.",
            "Compare the named tars with the storage; ask for the archiving again when it is sound.",
        ),
    )
    CORRUPT_DATABLOCK = (
        "corrupt_datablock",
        _failed(
            "An archived tar is gone, damaged, or another one than SciCat records.",
            "Put a good copy under its key.",
            "Ask the operator: the tar has to be put right first. Then ask again.",
        ),
    )
    RECALL_TIMEOUT = (
        "recall_timeout",
        _failed(
            "Tape did not bring the tars back in time.",
            "See whether the tape library works, and how long its queue is.",
        ),
    )
    RECALL_FAILED = (
        "recall_failed",
        _failed(
            "The long-term storage cannot bring a tar back from tape.",
            "See what it says of the named tars.",
        ),
    )
    SCICAT_UNAVAILABLE = (
        "scicat_unavailable",
        _failed(
            "SciCat does not answer, or not so that it is understood.",
            "See whether SciCat is up, and whether it is SciCat that answers under SciCatUrl.",
        ),
    )
    SCICAT_LOGIN = (
        "scicat_login",
        _failed(
            "SciCat refuses the login of the archiver's own account.",
            "Put the account's password into the secret; make doctor says whether it is right.",
        ),
    )
    SCICAT_FORBIDDEN = (
        "scicat_forbidden",
        _failed(
            "The archiver's own account lacks a right in SciCat.",
            "The message names the setting of SciCat that gives it; make doctor looks at all of them.",
        ),
    )
    SCICAT_REJECTED = (
        "scicat_rejected",
        _failed(
            "SciCat refuses what the archiver sent.",
            "The message is SciCat's; make doctor says whether this SciCat and the archiver fit each other.",
        ),
    )
    SCICAT_TOO_LARGE = (
        "scicat_too_large",
        _failed(
            "SciCat's answer is larger than the archiver can read.",
            "See which dataset has so many entries, and whether they are meant.",
        ),
    )
    CATALOGUE_ENTRY_TOO_LARGE = (
        "catalogue_entry_too_large",
        _failed(
            "SciCat does not take the record of a datablock, because it is too large.",
            "Let the server in front of SciCat accept larger requests.",
        ),
    )
    ARCHIVE_ID_CONFLICT = (
        "archive_id_conflict",
        _failed(
            "SciCat records other datablocks of the dataset than those that were archived.",
            "The message says which; decide which of them are the dataset's archive, and remove the records of the"
            " others.",
            "Ask the operator: it is not retried by itself.",
        ),
    )
    S3_UNAVAILABLE = ("s3_unavailable", _failed("S3 does not answer.", "See whether it is up and can be reached."))
    S3_FULL = ("s3_full", _failed("There is no space left in S3.", "Make room in the bucket that is named."))
    KMS = (
        "kms",
        _failed(
            "An object's encryption key cannot be used.",
            "Enable the key, and allow the function's role to use it.",
        ),
    )
    PERMISSION = (
        "permission",
        _failed("S3 does not allow what the archiver asks for.", "Compare the bucket's policy with the template."),
    )
    TIMEOUT = (
        "timeout",
        _failed("A step took longer than it may.", "The execution shows which step; its log says what it waited for."),
    )
    OUT_OF_MEMORY = (
        "out_of_memory",
        _failed("A step ran out of memory.", "The execution shows which step; give its function more memory."),
    )
    INTERNAL = (
        "internal",
        _failed(
            "The service itself failed.", "The execution shows which step; its log has the details: report the fault."
        ),
    )

    @property
    def row(self) -> Row:
        """The row of reports that the code stands in."""
        return self.about.row


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
