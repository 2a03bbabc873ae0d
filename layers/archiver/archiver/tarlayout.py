"""How a tar is laid out: headers, paddings and the manifest, from names and sizes alone; and reading it back.

POSIX pax format (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html), written by
the standard library's ``tarfile``.
"""

import tarfile
from collections.abc import Iterable

from archiver.models import FileFingerprint, SourceFile
from archiver.names import RESERVED_FOLDER

# The catalogue's name for this layout: pax headers, and a manifest as the last member.
LAYOUT_VERSION = "1"
MANIFEST_PATH = f"{RESERVED_FOLDER}/manifest-sha256.txt"
END = bytes(2 * tarfile.BLOCKSIZE)

# A line's digest, the two spaces after it and its end.
_PLAIN_LINE_BYTES = 64 + 2 + 1
_SECOND = 10**9
# What eleven octal digits hold, where a header has no more.
_LONGEST_PLAIN_SIZE = _LATEST_PLAIN_SECOND = 8**11
_TYPES = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE}
# What GNU coreutils escapes in a checksum line (https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html).
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r"})


def body_size(file: SourceFile) -> int:
    """The bytes that follow the file's header, without padding: none for what is no file."""
    return file.size if file.kind == "file" else 0


def padding(size: int) -> int:
    """The zero bytes that fill a body of ``size`` bytes up to whole blocks."""
    return -size % tarfile.BLOCKSIZE


def header(file: SourceFile) -> bytes:
    """All blocks in front of a file's body. Empty for links and devices: only the catalogue knows of them."""
    if file.kind not in _TYPES:
        return b""
    member = tarfile.TarInfo(file.path)
    member.type = _TYPES[file.kind]
    member.size = body_size(file)
    member.mode = file.mode & 0o7777
    member.mtime, fraction = divmod(file.mtime_ns, _SECOND)
    if fraction:
        member.pax_headers = {"mtime": _decimal_seconds(file.mtime_ns)}
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def header_size(file: SourceFile) -> int:
    """The length of ``header(file)``; of what nearly every file is like it is known without making one."""
    seconds, fraction = divmod(file.mtime_ns, _SECOND)
    path = file.path
    is_plain = (
        file.kind == "file"
        and path.isascii()
        and len(path) <= tarfile.LENGTH_NAME
        and file.size < _LONGEST_PLAIN_SIZE
        and 0 <= seconds < _LATEST_PLAIN_SECOND
    )
    if not is_plain:
        return len(header(file))
    # A fraction of a second stands in a header of its own, with one block of text.
    return 3 * tarfile.BLOCKSIZE if fraction else tarfile.BLOCKSIZE


def _decimal_seconds(nanoseconds: int) -> str:
    seconds, fraction = divmod(abs(nanoseconds), _SECOND)
    sign = "-" if nanoseconds < 0 else ""
    return f"{sign}{seconds}.{fraction:09d}".rstrip("0")


def manifest_line(path: str, sha256: str) -> bytes:
    """A line as ``sha256sum`` writes it and ``sha256sum -c`` reads it."""
    escaped = _escaped(path)
    return f"{'\\' if escaped != path else ''}{sha256}  {escaped}\n".encode()


def manifest_line_size(file: SourceFile) -> int:
    """The length of a file's line in the manifest; what is no file has none."""
    if file.kind != "file":
        return 0
    escaped = _escaped(file.path)
    return _PLAIN_LINE_BYTES + len(escaped.encode()) + (escaped != file.path)


def _escaped(path: str) -> str:
    # Nearly no path has one of them, and to look for them is quicker.
    return path.translate(_ESCAPES) if "\\" in path or "\n" in path or "\r" in path else path


def manifest(fingerprints: Iterable[FileFingerprint]) -> bytes:
    """The body of the last member: what ``sha256sum -c`` needs to check all others."""
    return b"".join(manifest_line(one.path, one.sha256) for one in fingerprints)


def manifest_header(size: int, newest_mtime_ns: int) -> bytes:
    """The manifest's header: as old as the newest file, in whole seconds, so that the same files give the same tar."""
    seconds = max(newest_mtime_ns, 0) // _SECOND
    return header(SourceFile(path=MANIFEST_PATH, size=size, mtime_ns=seconds * _SECOND))
