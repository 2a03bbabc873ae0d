"""The one list of codes: why runs, drops and retrievals fail, what each code means, and who does what about it.

docs/error-codes.md is written from it (and from ``archiver.http.request_codes``).
"""

from dataclasses import dataclass
from enum import StrEnum

_ASK_LATER = "Ask again later. If it fails again, ask the operator."
_LISTS_AGAIN = "Upload the files as they are listed, or correct the list, and ask again."


class Row(StrEnum):
    """What a failure means to SciCat; ``reports`` says what is written for each row."""

    USER = "A-USER"
    SYSTEM = "A-SYS"
    # The dataset belongs to another run, or is unknown, or is not even named: only the job is told.
    UNTOUCHED = "SAME"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A sentence of what a code means, and what to do about it.

    ``user`` is for the dataset's owner, or whoever asked; ``operator`` is for whoever runs the service. Whose is
    empty has nothing to do.
    """

    meaning: str
    user: str = ""
    operator: str = ""


def _rejected(meaning: str, user: str, operator: str = "") -> tuple[Row, Explanation]:
    return Row.USER, Explanation(meaning, user, operator)


def _failed(meaning: str, operator: str, user: str = _ASK_LATER) -> tuple[Row, Explanation]:
    return Row.SYSTEM, Explanation(meaning, user, operator)


def _untouched(meaning: str, user: str) -> tuple[Row, Explanation]:
    return Row.UNTOUCHED, Explanation(meaning, user)


class Code(StrEnum):
    """Every reason a run, a drop or a retrieval can fail for; its row, and what it means (``about``)."""

    row: Row
    about: Explanation

    def __new__(cls, code: str, *told: tuple[Row, Explanation]) -> "Code":
        """Written with its row and its explanation; ``Code("busy")`` looks it up by its code alone."""
        member = str.__new__(cls, code)
        member._value_ = code
        ((member.row, member.about),) = told
        return member

    # The data or the request is wrong: the user mends it.
    BAD_DROP = (
        "bad_drop",
        _rejected(
            "The dataset.json of a dropped folder, or its list of files, is wrong, or does not fit what SciCat has.",
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
            "S3 does not let the service read a file of the dropped folder.",
            "Upload it again, without an encryption key of your own and in class STANDARD. Write dataset.json last.",
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
        _rejected(
            "The dataset has no files.",
            "Upload and list its files, and ask again; a dropped folder is looked at by itself.",
        ),
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
