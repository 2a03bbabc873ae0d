"""What may be uploaded where: keys, part numbers and the checksum of checksums. Pure: no requests are made here."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from archiver.errors import Code, DatasetRejected
from archiver.keys import Keys
from archiver.names import wrong_path, wrong_pid
from archiver.settings import GIB, MIB
from archiver.wording import counted

# S3's own limits: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PARTS: Final = 10_000
MIN_PART_BYTES: Final = 5 * MIB
MAX_PART_BYTES: Final = 5 * GIB
MAX_FILE_BYTES: Final = MAX_PARTS * MAX_PART_BYTES
# What a client that has not decided yet is told to use, as long as 10,000 of them are enough.
USUAL_PART_BYTES: Final = 128 * MIB

_RAW_FILES: Final = "raw_files"


def key_of(pid: str, object_name: str) -> str:
    """The key of a dataset's file that a client calls ``object_name``: the key that it would have to be.

    Raises DatasetRejected(BAD_PATH) for a name that lies elsewhere or may not name a file.
    """
    wrong = _wrong_pid(pid) or _wrong_name(Keys.uploads(pid), object_name)
    if wrong:
        raise DatasetRejected(Code.BAD_PATH, wrong)
    return Keys.uploads(pid) + object_name.removeprefix(Keys.uploads(pid))


def pid_of(object_name: str) -> str:
    """The dataset whose file is called so. Raises DatasetRejected(BAD_PATH) when it cannot be any dataset's."""
    pid, found, _ = object_name.removeprefix(Keys.UPLOADS).partition(f"/{_RAW_FILES}/")
    if not found or not object_name.startswith(Keys.UPLOADS):
        raise DatasetRejected(Code.BAD_PATH, "object_name is not the name of a dataset's file.")
    return pid


def _wrong_pid(pid: str) -> str | None:
    wrong = wrong_pid(pid)
    if wrong:
        return f"The pid {wrong}."
    # One dataset's files would lie among another's.
    return f"The pid has the part {_RAW_FILES}." if _RAW_FILES in pid.split("/") else None


def _wrong_name(prefix: str, object_name: str) -> str | None:
    if not object_name.startswith(prefix):
        return f"object_name must begin with {prefix}"
    path = object_name.removeprefix(prefix)
    # Proxies and clients decode such a path on their way; it must not climb then either.
    wrong = wrong_path(path, prefix) or wrong_path(unquote(path), "")
    if wrong or path.endswith("/"):
        return f"The path below {prefix} {wrong or 'names a folder'}."
    return None


def part_size(size: int, parts: int) -> int:
    """How many bytes each part of a file has, the last one fewer.

    Raises DatasetRejected(BAD_SIZE) when S3 would not take such parts; the sentence proposes a number that it takes.
    """
    each = -(-size // parts)
    # A part that is the last one, as the only one is, may be short.
    if each <= MAX_PART_BYTES and (parts == 1 or each >= MIN_PART_BYTES):
        return each
    proposed = -(-size // max(USUAL_PART_BYTES, -(-size // MAX_PARTS)))
    raise DatasetRejected(
        Code.BAD_SIZE,
        f"{counted(parts, 'part')} would have {counted(each, 'byte')} each; "
        f"{MIN_PART_BYTES:,} to {MAX_PART_BYTES:,} are allowed. {counted(proposed, 'part')} would do.",
    )


def length_of(part: int, size: int, parts: int) -> int:
    """How many bytes a part of a file has that is cut as ``part_size`` says, which raises as well."""
    each = part_size(size, parts)
    return each if part < parts else size - each * (parts - 1)


def refuse_parts(size: int, parts: int) -> None:
    """Raise DatasetRejected(BAD_SIZE) for more parts, or fewer, than S3 would take, whatever size they have."""
    fewest, most = max(1, -(-size // MAX_PART_BYTES)), max(1, -(-size // MIN_PART_BYTES))
    if not fewest <= parts <= most:
        raise DatasetRejected(
            Code.BAD_SIZE,
            f"S3 takes {counted(size, 'byte')} in {fewest:,} to {counted(most, 'part')}, not in {parts:,}.",
        )


def checksum_of(checksums: Iterable[str]) -> str:
    """The SHA-256 of the parts' SHA-256 digests, all in base64: what S3 calls the composite checksum, without ``-N``.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    digest = hashlib.sha256()
    for checksum in checksums:
        digest.update(base64.b64decode(checksum))
    return base64.b64encode(digest.digest()).decode()


def is_checksum_of(claimed: str | None, stored: str | None) -> bool:
    """Whether a client's checksum of checksums is the one that S3 has: of a file in many parts it ends with ``-N``.

    What either side does not know cannot differ.
    """
    if claimed is None or stored is None:
        return True
    digest, _, parts = stored.partition("-")
    return claimed == digest if parts else claimed in {digest, checksum_of([digest])}
