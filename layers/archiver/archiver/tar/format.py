"""How a tar is laid out: headers, paddings and the archiver's own members, from names, sizes and modes alone.

POSIX pax format (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html), written by
the standard library's ``tarfile``. Readers that know less of it (BusyBox knows ustar and GNU's long names)
find names and sizes too, and an ordinary user can unpack and read everything, whatever the recorded modes.
"""

import tarfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from archiver.checksums import FileFingerprint
from archiver.models.files import SourceFile
from archiver.names import RESERVED_FOLDER

# The catalogue's name for this layout. "1" had its manifest in RESERVED_FOLDER itself, and recorded modes in headers.
LAYOUT_VERSION = "2"
# The SHA-256 of each file, as ``sha256sum -c`` reads them; the last member of every tar.
MANIFEST = "manifest-sha256.txt"
# What plain unpacking leaves undone: the recorded modes and times, a line for each file and directory.
ATTRIBUTES = "modes-and-times.txt"
END = bytes(2 * tarfile.BLOCKSIZE)

# A line's digest, the two spaces after it and its end.
_PLAIN_LINE_BYTES = 64 + 2 + 1
# A line's mode and time with a space after each, "./" and its end.
_ATTRIBUTES_LINE_BYTES = 5 + 31 + 2 + 1
_UNRECORDED = "----"
_SECOND = 10**9
_EPOCH = datetime.fromtimestamp(0, UTC)
# What eleven octal digits hold, where a header has no more.
_LONGEST_PLAIN_SIZE = _LATEST_PLAIN_SECOND = 8**11
_TYPES = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE}
# The owner's bits that a header has whatever was recorded: to read a file, to unpack into a folder.
_OWNER_BITS = {"file": 0o400, "directory": 0o700}
# The recorded bits that are given back: setuid and setgid would let others act as whoever unpacked the file.
_RECORDED_BITS = {"file": 0o777, "directory": 0o3777}
# What GNU coreutils escapes in a checksum line (https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html).
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r"})


def own_path(label: str, name: str) -> str:
    """Where a tar's own member lies: ``label`` tells it from those of the dataset's other tars."""
    return f"{RESERVED_FOLDER}/{label}/{name}"


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
    name = _member_name(file)
    fits = _fits_ustar(name.encode())
    size, seconds = body_size(file), file.mtime_ns // _SECOND
    member = tarfile.TarInfo(name if fits else _beginning(name))
    member.type = _TYPES[file.kind]
    member.mode = file.mode & 0o777 | _OWNER_BITS[file.kind]
    member.mtime = seconds if 0 <= seconds < _LATEST_PLAIN_SECOND else 0
    member.size = size if size < _LONGEST_PLAIN_SIZE else 0
    block = member.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
    if size >= _LONGEST_PLAIN_SIZE:
        block = _with_long_size(block, size)
    return (b"" if fits else _long_name(name)) + _extended_header(_records(file, name, fits=fits)) + block


def header_size(file: SourceFile) -> int:
    """The length of ``header(file)``, known without making one."""
    if file.kind not in _TYPES:
        return 0
    name = _member_name(file)
    raw = name.encode()
    fits = _fits_ustar(raw)
    bodies = [] if fits else [len(raw) + 1]
    if records := _records(file, name, fits=fits):
        bodies.append(sum(_record_size(keyword, value) for keyword, value in records.items()))
    return tarfile.BLOCKSIZE + sum(tarfile.BLOCKSIZE + body + padding(body) for body in bodies)


def _records(file: SourceFile, name: str, *, fits: bool) -> dict[str, str]:
    """What a pax header must say, because the plain one has no room or no letters for it."""
    records: dict[str, str] = {}
    if not (fits and name.isascii()):
        records["path"] = name
    if body_size(file) >= _LONGEST_PLAIN_SIZE:
        records["size"] = str(file.size)
    seconds, fraction = divmod(file.mtime_ns, _SECOND)
    if fraction or not 0 <= seconds < _LATEST_PLAIN_SECOND:
        records["mtime"] = _decimal_seconds(file.mtime_ns)
    return records


def _record_size(keyword: str, value: str) -> int:
    """The length of ``<length> <keyword>=<value>\\n``, which counts its own digits."""
    rest = len(keyword) + len(value.encode()) + 3
    size = rest + len(str(rest))
    return rest + len(str(size))


def _member_name(file: SourceFile) -> str:
    return f"{file.path.rstrip('/')}/" if file.kind == "directory" else file.path


def _fits_ustar(name: bytes) -> bool:
    """Whether the header itself holds the name, cut at a '/' into a prefix and a name if it is long."""
    latest = min(tarfile.LENGTH_PREFIX + 1, len(name) - 1)
    return len(name) <= tarfile.LENGTH_NAME or name.find(b"/", len(name) - tarfile.LENGTH_NAME - 1, latest) > 0


def _beginning(name: str) -> str:
    """What stands in the header of a name that is too long for it; one byte is left for a directory's '/'."""
    return name.encode()[: tarfile.LENGTH_NAME - 1].decode(errors="ignore")


def _long_name(name: str) -> bytes:
    """GNU's way to write a long name, for readers that do not know pax records."""
    return tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")[: -tarfile.BLOCKSIZE]


def _extended_header(records: dict[str, str]) -> bytes:
    if not records:
        return b""
    carrier = tarfile.TarInfo("any")
    carrier.pax_headers = records
    return carrier.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")[: -tarfile.BLOCKSIZE]


def _with_long_size(block: bytes, size: int) -> bytes:
    """The header with its size in base 256 (https://www.gnu.org/software/tar/manual/html_node/Extensions.html)."""
    block = block[:124] + b"\x80" + size.to_bytes(11) + block[136:]
    # The sum of all bytes, its own eight taken as spaces.
    checksum = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
    return block[:148] + b"%06o\0 " % checksum + block[156:]


def _decimal_seconds(nanoseconds: int) -> str:
    seconds, fraction = divmod(abs(nanoseconds), _SECOND)
    sign = "-" if nanoseconds < 0 else ""
    return f"{sign}{seconds}.{fraction:09d}".rstrip("0").rstrip(".")


def manifest_line(path: str, sha256: str) -> bytes:
    """A line that ``sha256sum -c`` reads: GNU's, BusyBox's and Perl's ``shasum``, which knows no escapes."""
    written = _written(path)
    return f"{'\\' if _is_escaped(path) else ''}{sha256}  {written}\n".encode()


def manifest_line_size(file: SourceFile) -> int:
    """The length of a file's line in the manifest; what is no file has none."""
    if file.kind != "file":
        return 0
    return _PLAIN_LINE_BYTES + len(_written(file.path).encode()) + _is_escaped(file.path)


def _is_escaped(path: str) -> bool:
    # A backslash alone needs no escape, and BusyBox understands none.
    return "\n" in path or "\r" in path


def _written(path: str) -> str:
    """The path as it stands in the manifest; "-" alone would be the standard input."""
    if path == "-":
        return "./-"
    return path.translate(_ESCAPES) if _is_escaped(path) else path


def manifest(fingerprints: Iterable[FileFingerprint]) -> bytes:
    """The body of the last member: what ``sha256sum -c`` needs to check all files."""
    return b"".join(manifest_line(fingerprint.path, fingerprint.sha256) for fingerprint in fingerprints)


def attributes_line(file: SourceFile) -> bytes:
    """Mode in four octal digits, or dashes where none is recorded; time in UTC; "./" and path, "/" after a directory's.

    Empty for what is no member, and for a file without a recorded mode: unpacking gives it all that it had.
    """
    if not attributes_line_size(file):
        return b""
    mode = f"{file.mode & _RECORDED_BITS[file.kind]:04o}" if file.perm else _UNRECORDED
    seconds, fraction = divmod(file.mtime_ns, _SECOND)
    time = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    return f"{mode} {time}.{fraction:09d}Z ./{_member_name(file)}\n".encode()


def attributes_line_size(file: SourceFile) -> int:
    """The length of ``attributes_line(file)``."""
    if file.kind not in _TYPES or (file.kind == "file" and not file.perm):
        return 0
    return _ATTRIBUTES_LINE_BYTES + len(_member_name(file).encode())


def own_members(label: str, files: Iterable[SourceFile], fingerprints: Iterable[FileFingerprint]) -> bytes:
    """All that follows the files: the archiver's own members, below ``own_path(label)``, and the end of the tar.

    They are as old as the newest file, in whole seconds, so that the same files give the same tar.
    """
    files = list(files)
    newest = max(file.mtime_ns for file in files) // _SECOND
    seconds = min(max(newest, 0), _LATEST_PLAIN_SECOND - 1)
    attributes = b"".join(map(attributes_line, files))
    bodies = {ATTRIBUTES: attributes} if attributes else {}
    bodies[MANIFEST] = manifest(fingerprints)
    members = (_own_member(own_path(label, name), body, seconds) for name, body in bodies.items())
    return b"".join(members) + END


def own_members_size(attributes: int, manifest: int) -> int:
    """The length of ``own_members`` whose bodies have so many bytes; an empty list of attributes is left out."""
    bodies = (attributes, manifest) if attributes else (manifest,)
    return sum(tarfile.BLOCKSIZE + body + padding(body) for body in bodies) + len(END)


def _own_member(path: str, body: bytes, seconds: int) -> bytes:
    return header(SourceFile(path, len(body), seconds * _SECOND)) + body + bytes(padding(len(body)))
