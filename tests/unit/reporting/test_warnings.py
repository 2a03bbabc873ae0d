"""What is archived as it is, and worth a warning."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.models.file_modes import Kind
from archiver.models.files import SourceFile
from archiver.reporting.warnings import NAMED, ArchiveWarning, FileWarnings, WarningCode, size_warnings

COMPOSED, DECOMPOSED = "Z\u00fcrich.mrc", "Zu\u0308rich.mrc"


def warnings(paths: Iterable[str]) -> dict[WarningCode, ArchiveWarning]:
    """The warnings about files with these names; all of them go by untouched."""
    files = [SourceFile(path=path, size=1, mtime_ns=0) for path in paths]
    noticed = FileWarnings()
    assert list(noticed.watch(files)) == files
    return {warning.code: warning for warning in noticed.warnings(files)}


def test_usual_names_are_not_warned_of() -> None:
    assert warnings(["Movies/GridSquare_1/a b.tiff", "ü/日本.mrc", "con/x".replace("con", "conf"), "x" * 255]) == {}


@pytest.mark.parametrize("path", ["x" * 256, "deep/" + "ü" * 128 + "/x"])
def test_c06_a_part_of_a_path_beyond_255_bytes_is_warned_of(path: str) -> None:
    assert warnings([path])[WarningCode.LONG_NAMES].files == (path,)


def test_c07_one_name_composed_in_two_ways_is_kept_twice_and_warned_of() -> None:
    found = warnings([DECOMPOSED, COMPOSED, "other"])
    assert set(found) == {WarningCode.UNICODE_TWINS}
    assert found[WarningCode.UNICODE_TWINS].files == (f"{DECOMPOSED} and {COMPOSED}",)


@pytest.mark.parametrize(
    "path", ["a ", "a.", "a /b", "b./c", "CON", "nul.txt", "deep/COM1/x", "a:b", "a|b", "what?.txt", "a*", 'a"b', "<a>"]
)
def test_c08_a_name_that_windows_does_not_write_is_warned_of(path: str) -> None:
    assert warnings([path])[WarningCode.WINDOWS_NAMES].count == 1


def test_c10_names_that_differ_in_case_alone_are_kept_and_warned_of() -> None:
    found = warnings(["A.tif", "a.tif", "b.tif", "Straße", "STRASSE"])
    assert set(found) == {WarningCode.CASE_TWINS}
    assert set(found[WarningCode.CASE_TWINS].files) == {"A.tif and a.tif", "Straße and STRASSE"}


def test_c07_c10_names_may_differ_in_both() -> None:
    assert set(warnings([DECOMPOSED, COMPOSED, COMPOSED.upper()])) == {
        WarningCode.UNICODE_TWINS,
        WarningCode.CASE_TWINS,
    }


def test_a_few_are_named_and_all_are_counted() -> None:
    warning = warnings(f"{number}:" for number in range(250))[WarningCode.WINDOWS_NAMES]
    assert (len(warning.files), warning.count) == (NAMED, 250)
    assert warning.message.startswith("250 ")


@given(st.sets(st.text("aAbBé\u0301e", min_size=1, max_size=3), max_size=12))
def test_names_are_twins_when_and_only_when_their_folded_forms_are_equal(paths: set[str]) -> None:
    assert bool(warnings(sorted(paths))) == (len({_folded(path) for path in paths}) < len(paths))


def test_what_is_listed_and_holds_no_bytes_is_warned_of_and_not_counted() -> None:
    files = [
        SourceFile("a.mrc", 1, 0),
        SourceFile("folder", 0, 0, kind="directory", perm="drwxr-xr-x"),
        SourceFile("latest", 0, 0, kind="symlink", perm="Lrwxrwxrwx"),
        SourceFile("ssh.sock", 0, 0, kind="special", perm="Srwxr-xr-x"),
    ]
    noticed = FileWarnings()
    assert list(noticed.watch(files)) == files
    found = {warning.code: warning for warning in noticed.warnings(files)}
    assert noticed.files == 1
    assert {code: warning.files for code, warning in found.items()} == {
        WarningCode.LINKS_NOT_SENT: ("latest",),
        WarningCode.SPECIAL_FILES: ("ssh.sock",),
    }
    assert found[WarningCode.LINKS_NOT_SENT].message.startswith("1 symbolic link was not uploaded")


def test_permissions_that_cannot_be_read_are_warned_of_with_what_they_say() -> None:
    noticed = FileWarnings()
    files = [SourceFile("a", 1, 0, perm="u=rw,g=r"), SourceFile("b", 1, 0, perm="ugrwxr-x---"), SourceFile("c", 1, 0)]
    assert list(noticed.watch(files)) == files
    (warning,) = noticed.warnings(files)
    assert (warning.code, warning.files) == (WarningCode.UNREADABLE_MODES, ("a (u=rw,g=r)",))


def test_a_checksum_without_its_algorithm_is_told_as_not_compared() -> None:
    noticed = FileWarnings()
    files = [SourceFile("a", 1, 0, chk="00"), SourceFile("b", 1, 0, chk="00", chk_alg="md5"), SourceFile("c", 1, 0)]
    assert list(noticed.watch(files)) == files
    (warning,) = noticed.warnings(files)
    assert (warning.code, warning.files) == (WarningCode.UNNAMED_ALGORITHMS, ("a",))


# A RELION project: six files, a link to one of them that was sent, one to a folder, and two folders.
LISTED: dict[Kind, int] = {"file": 600, "directory": 2 * 4096, "symlink": 25 + 18}
ARCHIVED = 600 + 100


@pytest.mark.parametrize("said", [600, 600 + 43, 600 + 8192, 600 + 8192 + 43, 700, 700 + 8192])
def test_folders_and_links_are_counted_in_the_datasets_size_or_not(said: int) -> None:
    assert size_warnings(said, LISTED, ARCHIVED) == []


@pytest.mark.parametrize("said", [0, 599, 601, 1234])
def test_c21_sizes_that_do_not_add_up_to_the_datasets_are_warned_of(said: int) -> None:
    (warning,) = size_warnings(said, LISTED, ARCHIVED)
    assert (warning.code, warning.message.endswith("its files have 700 bytes.")) == (WarningCode.SIZE_DIFFERS, True)


def _folded(path: str) -> str:
    return "".join({"é": "e\u0301"}.get(letter, letter) for letter in path.lower())
