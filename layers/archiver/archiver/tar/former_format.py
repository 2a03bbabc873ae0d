"""The layout of version "1", whose tars are on tape: they are read for ever, and none is written any more.

A manifest lay in the archiver's folder itself, and headers knew neither ustar's prefix nor GNU's long names.
"""

import tarfile
from collections.abc import Iterable

from archiver.checksums import FileFingerprint
from archiver.models.files import SourceFile
from archiver.names import RESERVED_FOLDER
from archiver.tar.format import END, body_size, padding

FORMER_VERSION = "1"
FORMER_MANIFEST = f"{RESERVED_FOLDER}/manifest-sha256.txt"
_SECOND = 10**9
_LONGEST_PLAIN_SIZE = _LATEST_PLAIN_SECOND = 8**11
# The line's digest, two spaces and its end; backslashes were doubled, with one more at the line's beginning.
_PLAIN_LINE_BYTES = 64 + 2 + 1


def former_places(files: Iterable[SourceFile]) -> tuple[dict[str, tuple[int, int]], int]:
    """Offset and length of each file's bytes in the tar of ``files``, and the size of the whole tar, all in bytes.

    ``files`` in the order of their paths' UTF-8 bytes.
    """
    places: dict[str, tuple[int, int]] = {}
    end = manifest = 0
    for file in files:
        body, size = end + _header_size(file), body_size(file)
        places[file.path] = (body, size)
        end = body + size + padding(size)
        manifest += _manifest_line_size(file)
    return places, end + tarfile.BLOCKSIZE + manifest + padding(manifest) + len(END)


def former_manifest(fingerprints: Iterable[FileFingerprint]) -> bytes:
    """The body of FORMER_MANIFEST in the tar of these files, in the order of their paths' UTF-8 bytes."""
    return b"".join(_manifest_line(fingerprint.path, fingerprint.sha256) for fingerprint in fingerprints)


def _manifest_line(path: str, sha256: str) -> bytes:
    escaped = path.replace("\\", "\\\\")
    return f"{'' if escaped == path else '\\'}{sha256}  {escaped}\n".encode()


def _header_size(file: SourceFile) -> int:
    if file.kind not in {"file", "directory"}:
        return 0
    seconds, fraction = divmod(file.mtime_ns, _SECOND)
    is_plain = (
        file.path.isascii()
        and len(file.path) < tarfile.LENGTH_NAME
        and file.size < _LONGEST_PLAIN_SIZE
        and 0 <= seconds < _LATEST_PLAIN_SECOND
    )
    if is_plain:
        return 3 * tarfile.BLOCKSIZE if fraction else tarfile.BLOCKSIZE
    member = tarfile.TarInfo(file.path)
    member.type = tarfile.DIRTYPE if file.kind == "directory" else tarfile.REGTYPE
    member.size, member.mtime = body_size(file), seconds
    if fraction:
        member.pax_headers = {"mtime": f"{seconds}.{fraction:09d}".rstrip("0")}
    return len(member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))


def _manifest_line_size(file: SourceFile) -> int:
    if file.kind != "file":
        return 0
    backslashes = file.path.count("\\")
    return _PLAIN_LINE_BYTES + len(file.path.encode()) + backslashes + bool(backslashes)
