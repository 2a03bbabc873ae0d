"""What uploaders' permissions say: Go's letters, those of ls, and numbers."""

import stat
from itertools import compress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.models.file_modes import UNKNOWN, FileMode, Kind, parse, written
from tests.support.go_listing import go_mode

BITS = st.integers(0, 0o7777)
TYPES: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "special",
    stat.S_IFCHR: "special",
    stat.S_IFBLK: "special",
    stat.S_IFSOCK: "special",
}
# The order of the letters in Go's source (src/io/fs/fs.go), from bit 31 down.
GO_LETTERS = "dalTLDpSugct?"


def go_string(marks: str, bits: int) -> str:
    """What Go's FileMode.String() writes for these marks and the nine lower bits."""
    rwx = "".join(letter if bits >> (8 - place) & 1 else "-" for place, letter in enumerate("rwxrwxrwx"))
    return (marks or "-") + rwx


@pytest.mark.parametrize(
    ("perm", "kind", "bits"),
    [
        ("dgrwxrwx---", "directory", 0o2770),
        ("dtrwxrwxrwx", "directory", 0o1777),
        ("dugtrwxr-x---", "directory", 0o7750),
        ("ugrwxr-xr-x", "file", 0o6755),
        ("-ugrwxr-xr-x", "file", 0o6755),
        ("grw-r-----", "file", 0o2640),
        ("Lrwxrwxrwx", "symlink", 0o777),
        ("lrwxrwxrwx", "symlink", 0o777),
        ("Dcrw-rw-rw-", "special", 0o666),
        ("Drw-rw----", "special", 0o660),
        ("Srwxr-xr-x", "special", 0o755),
        ("srwxr-xr-x", "special", 0o755),
        ("prw-r--r--", "special", 0o644),
        ("?rw-rw-rw-", "special", 0o666),
        ("hrw-r--r--", "file", 0o644),
        ("-rwsr-sr-t", "file", 0o7755),
        ("-rwSr-Sr-T", "file", 0o7644),
        ("drwxrws---+", "directory", 0o2770),
        ("-rw-r-----.", "file", 0o640),
        ("rwxr-x--x", "file", 0o751),
        ("0644", None, 0o644),
        ("0o640", None, 0o640),
        ("2770", None, 0o2770),
        ("100644", "file", 0o644),
        ("0102755", "file", 0o2755),
        ("40755", "directory", 0o755),
        ("120777", "symlink", 0o777),
        ("10644", "special", 0o644),
        ("33188", "file", 0o644),
        ("16877", "directory", 0o755),
        ("41471", "symlink", 0o777),
        ("17407", "directory", 0o1777),
    ],
)
def test_each_notation_says_kind_and_bits(perm: str, kind: Kind | None, bits: int) -> None:
    assert parse(perm) == FileMode(kind, bits)


@pytest.mark.parametrize(
    "perm",
    [
        *["", "odd", "rw-r--r-", "-rw-r--r--x", "-rw-r--r--\n", "zrw-r--r--", "dxrwxrwx---", "u=rw,g=r", "d" * 40],
        *["0888", "-644", "6.44", "\u0660\u0666\u0664\u0664", "493", "77777777", "200644"],
    ],
)
def test_what_nobody_writes_is_not_guessed(perm: str) -> None:
    assert parse(perm) is None


@given(st.lists(st.booleans(), min_size=len(GO_LETTERS), max_size=len(GO_LETTERS)), st.integers(0, 0o777))
def test_every_string_of_go_is_read(chosen: list[bool], bits: int) -> None:
    marks = "".join(compress(GO_LETTERS, chosen))
    mode = parse(go_string(marks, bits))
    assert mode is not None
    assert mode.bits & 0o777 == bits
    assert bool(mode.bits & stat.S_ISUID) == ("u" in marks)
    assert bool(mode.bits & stat.S_ISGID) == ("g" in marks)
    assert bool(mode.bits & stat.S_ISVTX) == ("t" in marks)
    assert (mode.kind == "directory") == ("d" in marks)


@given(st.sampled_from(sorted(TYPES)), BITS)
def test_what_go_writes_of_a_file_here_is_read(kind: int, bits: int) -> None:
    assert parse(go_mode(kind | bits)) == FileMode(TYPES[kind], bits)


@given(st.sampled_from(sorted(TYPES)), BITS)
def test_every_string_of_ls_is_read(kind: int, bits: int) -> None:
    assert parse(stat.filemode(kind | bits)) == FileMode(TYPES[kind], bits)


@given(st.sampled_from(sorted(TYPES)), BITS)
def test_st_mode_in_octal_says_no_more_than_it_is_given(kind: int, bits: int) -> None:
    assert parse(f"0{kind | bits:o}") == FileMode(TYPES[kind], bits)
    assert parse(f"{bits:04o}") == FileMode(None, bits)


@given(st.sampled_from([stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK]), st.sampled_from([0o600, 0o644, 0o755, 0o2770]))
def test_st_mode_in_decimal_is_read_where_it_cannot_be_octal(kind: int, bits: int) -> None:
    assert parse(str(kind | bits)) == FileMode(TYPES[kind], bits)


@given(BITS)
def test_what_is_written_is_read_back(bits: int) -> None:
    assert parse(written(bits)) == FileMode("file", bits)


@given(st.text(max_size=20))
def test_whatever_cannot_be_read_is_the_owners_alone(perm: str) -> None:
    mode = parse(perm)
    assert mode is None or 0 <= mode.bits <= 0o7777
    assert all(UNKNOWN[kind] & 0o077 == 0 for kind in ("file", "directory", "special"))
