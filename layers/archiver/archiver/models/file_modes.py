"""What an uploader's ``perm`` says of an entry: which kind it is, and its twelve permission bits. Pure.

Read are the strings of Go's ``FileMode.String()`` (https://pkg.go.dev/io/fs#FileMode, which the Ingestor sends), those
of ``ls -l``, and ``st_mode`` in octal or decimal. What cannot be read is not guessed: it is nobody's but the owner's.
"""

import re
import stat
from functools import lru_cache
from typing import Final, Literal, NamedTuple

# "special": a device, a pipe, a socket, or what no system has a name for; it has no bytes of its own.
type Kind = Literal["file", "directory", "symlink", "special"]


class FileMode(NamedTuple):
    """``kind`` is None where only the bits were given; ``bits`` are the nine of ``rwx`` with setuid, setgid, sticky."""

    kind: Kind | None
    bits: int


# Where nothing is said of the permissions: what most programs make.
UNSAID: Final[dict[Kind, int]] = {"file": 0o644, "directory": 0o755, "symlink": 0o777, "special": 0o644}
# Where something is said that cannot be read, or that is about something else.
UNKNOWN: Final[dict[Kind, int]] = {"file": 0o600, "directory": 0o700, "symlink": 0o777, "special": 0o600}

_SPECIAL_BITS: Final = {"u": stat.S_ISUID, "g": stat.S_ISGID, "t": stat.S_ISVTX}
# Any marks, the nine letters, and what ls adds for access control lists and the like.
_LETTERS: Final = re.compile(r"([-?a-zA-Z]*?)([r-][w-][xsS-])([r-][w-][xsS-])([r-][w-][xtT-])[.+@]?")
# A single mark of ls or of Go; where they differ, as "l" and "c" do, Go's meaning is Plan 9's, or it is never alone.
# https://www.gnu.org/software/coreutils/manual/html_node/What-information-is-listed.html
_LS_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys("-hMCaTugt", "file"),
    **dict.fromkeys("d", "directory"),
    **dict.fromkeys("lL", "symlink"),
    **dict.fromkeys("bcpsDPnwS?", "special"),
}
_GO_KINDS: Final[dict[str, Kind]] = {"d": "directory", "L": "symlink", "DpSc?": "special"}
_GO_MARKS: Final = frozenset("-dalTLDpSugct?")
_TYPES: Final[dict[int, Kind]] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    **dict.fromkeys((stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK), "special"),
}
_DIGITS_OF_BITS: Final = 4
# The longest is Go's: 13 marks and nine letters. Nothing longer is looked at.
_LONGEST: Final = 32


def parse(perm: str) -> FileMode | None:
    """What ``perm`` says, or None when it cannot be read."""
    return _read(perm) if len(perm) <= _LONGEST else None


# A dataset of a million files has a few different ones.
@lru_cache(maxsize=1_000)
def _read(perm: str) -> FileMode | None:
    return _from_letters(perm) or _from_number(perm)


def written(bits: int) -> str:
    """The bits of a regular file as ``ls -l`` writes them; ``parse`` reads them back."""
    return stat.filemode(stat.S_IFREG | bits)


def _from_letters(perm: str) -> FileMode | None:
    match = _LETTERS.fullmatch(perm)
    if match is None:
        return None
    marks, *triads = match.groups()
    kind = _kind_of_marks(marks)
    if kind is None:
        return None
    bits = int("".join("0" if letter in "-ST" else "1" for letter in "".join(triads)), 2)
    for triad, bit in zip(triads, (stat.S_ISUID, stat.S_ISGID, stat.S_ISVTX), strict=True):
        bits |= bit if triad[2] in "sStT" else 0
    for mark in set(marks) & _SPECIAL_BITS.keys():
        bits |= _SPECIAL_BITS[mark]
    return FileMode(kind, bits)


def _kind_of_marks(marks: str) -> Kind | None:
    """Which kind the letters before the nine say, or None when nobody writes them so."""
    if len(marks) <= 1:
        return _LS_KINDS.get(marks or "-")
    if not set(marks) <= _GO_MARKS:
        return None
    return next((kind for letters, kind in _GO_KINDS.items() if set(marks) & set(letters)), "file")


def _from_number(perm: str) -> FileMode | None:
    """``st_mode`` in octal, or else in decimal; of a number that is both, the one whose owner may most is meant."""
    digits = perm.removeprefix("0o")
    if not (digits.isascii() and digits.isdigit()):
        return None
    readings = [_from_st_mode(int(digits, 8))] if set(digits) <= set("01234567") else []
    # Four digits are the bits alone, which everybody writes in octal; and so is what begins with zero.
    if not perm.startswith("0") and len(perm) > _DIGITS_OF_BITS:
        readings.append(_from_st_mode(int(perm)))
    known = [reading for reading in readings if reading is not None]
    return next((reading for reading in known if _falls(reading.bits)), known[0] if known else None)


def _from_st_mode(mode: int) -> FileMode | None:
    bits, kind = stat.S_IMODE(mode), mode - stat.S_IMODE(mode)
    if not kind:
        return FileMode(None, bits)
    return FileMode(_TYPES[kind], bits) if kind in _TYPES else None


def _falls(bits: int) -> bool:
    """Whether others may do nothing that the group may not, nor the group what the owner may not."""
    owner, group, others = bits >> 6 & 7, bits >> 3 & 7, bits & 7
    return owner | group == owner and group | others == group
