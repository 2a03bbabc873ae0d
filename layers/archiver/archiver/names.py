"""Which names a file of a dataset and a dataset itself may carry.

A tar, a shell and three operating systems will read these names. What could escape a folder, cut a
name or end a line is refused; everything else is kept byte for byte.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

# S3 allows keys of 1,024 bytes (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
MAX_KEY_BYTES = 1024
MAX_PID_CHARACTERS = 300
# Members under it belong to the archiver: each tar's manifest lies there.
RESERVED_FOLDER = ".datablock"

_RULES = (
    (re.compile("[\ud800-\udfff]"), "is not valid Unicode"),
    (re.compile(r"^(?:[A-Za-z]:[\\/]|[\\/]|~)"), "is absolute"),
    # A '/' at the very end leaves no empty part behind it.
    (re.compile(r"(?:^|/)(?:\.{0,2}/|\.{1,2}\Z)|^\Z"), "has an empty, '.' or '..' part"),
    (re.compile(r"[\x00-\x1f\x7f-\x9f]"), "has a control character"),
    # Two more that XML cannot hold.
    (re.compile("[\ufffe\uffff]"), "has a character that is none"),
    (re.compile(rf"^{re.escape(RESERVED_FOLDER)}(?:/|\Z)"), f"lies in the reserved folder {RESERVED_FOLDER}"),
)
# https://www.w3.org/TR/xml/#charsets
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def fits_xml(key: str) -> bool:
    """Whether XML, in which S3 is told what to delete, can hold a key."""
    return _NOT_IN_XML.search(key) is None


def pid_of(prefix: str, unique: UUID) -> str:
    """The pid of a new dataset in a catalogue whose pids begin with ``prefix`` and a slash.

    Without a prefix it has the form that SciCat's example settings ask of pids (``DATASET_CREATION_VALIDATION_REGEX``):
    a UUID of version 4 in capitals. The same UUID always gives the same pid.
    """
    return f"{prefix}/{unique}" if prefix else str(UUID(bytes=unique.bytes, version=4)).upper()


def wrong_path(path: str, key_prefix: str = "") -> str | None:
    """Why ``path`` may not name a file, or None when it may.

    ``key_prefix`` is the S3 prefix that the file lies under: both together must fit a key.
    """
    for wrong, sentence in _RULES:
        if wrong.search(path):
            return sentence
    bytes_of_key = len((key_prefix + path).encode())
    if bytes_of_key > MAX_KEY_BYTES:
        return f"is too long: its key has {bytes_of_key} bytes, {MAX_KEY_BYTES} are allowed"
    return None


def alike(listed: Iterable[str], found: Iterable[str]) -> dict[str, str]:
    """Found paths that are listed in another form, each with the form in the list.

    Letters may be composed otherwise (macOS takes names apart that others write in one piece) and backslashes stand
    between the parts. Where more than one name could be meant, none is.
    """
    by_form: defaultdict[str, list[str]] = defaultdict(list)
    for path in listed:
        by_form[_form(path)].append(path)
    candidates: defaultdict[str, list[str]] = defaultdict(list)
    for path in found if by_form else ():
        if _form(path) in by_form:
            candidates[_form(path)].append(path)
    return {paths[0]: by_form[form][0] for form, paths in candidates.items() if len(paths) == len(by_form[form]) == 1}


def _form(path: str) -> str:
    return (path if path.isascii() else unicodedata.normalize("NFC", path)).replace("\\", "/")


def told_apart(path: str) -> str:
    """The path in ASCII, where two that look the same do not: letters beyond it as escapes."""
    return path.encode("ascii", "backslashreplace").decode()


def wrong_pid(pid: str) -> str | None:
    """Why ``pid`` may not name a dataset here, or None when it may."""
    if not pid or len(pid) > MAX_PID_CHARACTERS:
        return f"must have 1 to {MAX_PID_CHARACTERS} characters"
    return wrong_path(pid)
