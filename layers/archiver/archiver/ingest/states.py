"""What is known of a drop on its way through the workflow, and what its folder tells of the outcome."""

import hashlib
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, JsonValue, ValidationError

from archiver.errors import Code
from archiver.models.files import S3Object
from archiver.models.states import Failure, Pid, RunId, State

type ChkAlg = Literal["md5", "sha1", "sha256", "sha512", "blake2b", "crc64nvme"]

# A drop that was rejected for these is taken in by itself when what it lacks has come.
TAKEN_IN_LATER = frozenset({Code.MISSING_FILES, Code.NO_FILES, Code.STILL_ARRIVING})


class Waiting(State):
    """How long a drop has been waited for: ``since`` then, for ``waited`` seconds, the last ``quiet`` undisturbed.

    ``seen`` tells one look into the folder from another. It is looked at again after ``seconds``, and must have been
    quiet for ``needed`` of them.
    """

    since: datetime | None = None
    waited: int = 0
    quiet: int = 0
    seen: str = ""
    seconds: int = 0
    needed: int = 0


class Drop(State):
    """A dropped folder, and the execution that takes it in.

    ``misplaced`` is the key of a document that was meant as its dataset.json, and is not in its place.
    """

    run_id: RunId
    execution_arn: str
    prefix: str
    misplaced: str = ""
    waiting: Waiting = Waiting()


class DropRead(Drop):
    """A drop whose dataset.json is sound. ``owner_group`` is whose turn it takes where many wait."""

    pid: Pid
    owner_group: str = ""


class DropRegistered(DropRead):
    """A drop whose dataset SciCat knows; ``settled``: there is nothing left to ask for."""

    settled: bool


class DropMatched(DropRegistered):
    """A drop whose folder was looked at.

    ``reread``: what says which files belong to it came or changed meanwhile, and is read again.
    """

    reread: bool = False


class DropEnded(Drop):
    """A drop that is taken in, or that a Catch ended."""

    failure: Failure | None = None


class DropReported(State):
    """What the console shows of a drop."""

    accepted: bool
    code: str
    message: str


class DropContent(BaseModel):
    """What a drop says, written down once it is read. ``listed``: it says which files it consists of.

    ``sources`` are the documents that were looked for to know it, each with the ETag that it had, or None where it was
    not there. ``awaited`` is the list of checksums that the drop names and that is not there yet.
    """

    pid: Pid
    metadata: dict[str, JsonValue]
    documents: tuple[str, ...]
    chk_alg: ChkAlg
    listed: bool
    sources: dict[str, str | None] = {}
    awaited: str | None = None


class FileCount(BaseModel):
    """How many files a drop has, and their size in bytes."""

    files: int
    size: int


class DropStatus(BaseModel):
    """``dataset.status.json``. ``help`` is where its ``code`` is explained.

    ``files`` names the first hundred of the ``count`` files that the message is about.

    While the drop is waited for: ``since`` when and ``until`` when at the latest, and what ``arrived`` so far.
    """

    status: Literal["waiting", "requested", "archived", "already_requested", "already_archived", "rejected", "failed"]
    message: str
    code: str | None = None
    help: str | None = None
    pid: str | None = None
    job: str | None = None
    files: tuple[str, ...] = ()
    count: int = 0
    since: str | None = None
    until: str | None = None
    arrived: FileCount | None = None
    execution: str = ""
    time: str = ""


def run_id_of(marker: S3Object, after: str = "") -> str:
    """The name of the execution that takes a drop in: the same for the same write of its dataset.json.

    It follows from what a listing tells, so that the event of the write and a sweep that misses it agree. A drop that
    was rejected is taken in once more ``after`` the report with this ETag.
    """
    identity = (marker.key, marker.etag, marker.modified.isoformat(), *filter(None, [after]))
    return f"drop-{hashlib.sha256(chr(10).join(identity).encode()).hexdigest()[:48]}"


def is_report(document: bytes) -> bool:
    """Whether a ``dataset.status.json`` is the service's own, and no data of the same name."""
    try:
        return bool(DropStatus.model_validate_json(document).execution)
    except ValidationError:
        return False
