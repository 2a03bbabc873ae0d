"""Which names a file of a dataset and a dataset itself may carry.

A tar, a shell and three operating systems will read these names. What could escape a folder, cut a
name or end a line is refused; everything else is kept byte for byte.
"""

import re
import unicodedata

# S3 allows keys of 1,024 bytes (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
MAX_KEY_BYTES = 1024
# Members under it belong to the archiver: the manifest lies there.
RESERVED_FOLDER = ".datablock"

_ABSOLUTE = re.compile(r"^[A-Za-z]:[\\/]|^[\\/]{1,2}|^~")


def wrong_path(path: str, key_prefix: str = "") -> str | None:
    """Why ``path`` may not name a file, or None when it may.

    ``key_prefix`` is the S3 prefix that the file lies under: both together must fit a key.
    """
    parts = path.removesuffix("/").split("/")
    bytes_of_key = len((key_prefix + path).encode(errors="surrogatepass"))
    rules = (
        (any(unicodedata.category(letter) == "Cs" for letter in path), "is not valid Unicode"),
        (_ABSOLUTE.match(path) is not None, "is absolute"),
        (any(part in ("", ".", "..") for part in parts), "has an empty, '.' or '..' part"),
        (any(unicodedata.category(letter) == "Cc" for letter in path), "has a control character"),
        (parts[0] == RESERVED_FOLDER, f"lies in the reserved folder {RESERVED_FOLDER}"),
        (bytes_of_key > MAX_KEY_BYTES, f"is too long: its key has {bytes_of_key} bytes, {MAX_KEY_BYTES} are allowed"),
    )
    return next((sentence for broken, sentence in rules if broken), None)


def wrong_pid(pid: str) -> str | None:
    """Why ``pid`` may not name a dataset here, or None when it may."""
    if not pid or len(pid) > 300:
        return "must have 1 to 300 characters"
    return wrong_path(pid)
