"""What is known of a drop on its way through the workflow, and what its folder tells of the outcome."""

import hashlib
from typing import Literal

from pydantic import BaseModel, JsonValue, ValidationError

from archiver.keys import Keys
from archiver.models import Failure, Pid, RunId, S3Object, State

type ChkAlg = Literal["md5", "sha1", "sha256", "sha512", "blake2b", "crc64nvme"]


class Drop(State):
    """A dropped folder, and the execution that takes it in."""

    run_id: RunId
    execution_arn: str
    prefix: str


class DropRead(Drop):
    """A drop whose dataset.json is sound."""

    pid: Pid


class DropRegistered(DropRead):
    """A drop whose dataset SciCat knows; ``settled``: there is nothing left to ask for."""

    settled: bool


class DropMatched(DropRegistered):
    """A drop whose folder was looked at; ``incomplete``: listed files were missing, and are looked for once more."""

    incomplete: bool = False


class DropEnded(Drop):
    """A drop that is taken in, or that a Catch ended."""

    failure: Failure | None = None


class DropReported(State):
    """What the console shows of a drop."""

    accepted: bool
    code: str
    message: str


class DropContent(BaseModel):
    """What a drop says, written down once it is read. ``listed``: it says which files it consists of."""

    pid: Pid
    metadata: dict[str, JsonValue]
    documents: tuple[str, ...]
    chk_alg: ChkAlg
    listed: bool


class FileCount(BaseModel):
    """How many files a drop has, and their size in bytes."""

    files: int
    size: int


class DropStatus(BaseModel):
    """``dataset.status.json``. ``files`` names the first hundred of the ``count`` files that the message is about."""

    status: Literal["requested", "already_requested", "already_archived", "rejected", "failed"]
    message: str
    code: str | None = None
    pid: str | None = None
    job: str | None = None
    files: tuple[str, ...] = ()
    count: int = 0
    execution: str = ""
    time: str = ""


def prefix_of(marker_key: str) -> str | None:
    """The dropped folder's prefix, or None when the key is not ``incoming/<name>/dataset.json``."""
    parts = marker_key.split("/")
    if len(parts) != 3 or parts[0] + "/" != Keys.DROPS or not parts[1] or parts[2] != Keys.DROP_MARKER:
        return None
    return f"{Keys.DROPS}{parts[1]}/"


def run_id_of(marker: S3Object) -> str:
    """The name of the execution that takes a drop in: the same for the same write of its dataset.json.

    It follows from what a listing tells, so that the event of the write and a sweep that misses it agree.
    """
    identity = (marker.key, marker.etag, marker.modified.isoformat())
    return f"drop-{hashlib.sha256(chr(10).join(identity).encode()).hexdigest()[:48]}"


def is_report(document: bytes) -> bool:
    """Whether a ``dataset.status.json`` is the service's own, and no data of the same name."""
    try:
        return bool(DropStatus.model_validate_json(document).execution)
    except ValidationError:
        return False
