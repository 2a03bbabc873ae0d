"""What is archived as it is, and worth a warning."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.models import SourceFile
from archiver.remarks import NAMED, FileRemarks, Remark, RemarkCode, size_remarks

COMPOSED, DECOMPOSED = "Z\u00fcrich.mrc", "Zu\u0308rich.mrc"


def remarks(paths: Iterable[str]) -> dict[RemarkCode, Remark]:
    """What is remarked of files with these names; all of them go by untouched."""
    files = [SourceFile(path=path, size=1, mtime_ns=0) for path in paths]
    noticed = FileRemarks()
    assert list(noticed.watch(files)) == files
    return {remark.code: remark for remark in noticed.remarks(files)}


def test_usual_names_are_not_remarked() -> None:
    assert remarks(["Movies/GridSquare_1/a b.tiff", "ü/日本.mrc", "con/x".replace("con", "conf"), "x" * 255]) == {}


@pytest.mark.parametrize("path", ["x" * 256, "deep/" + "ü" * 128 + "/x"])
def test_c06_a_part_of_a_path_beyond_255_bytes_is_remarked(path: str) -> None:
    assert remarks([path])[RemarkCode.LONG_NAMES].files == (path,)


def test_c07_one_name_composed_in_two_ways_is_kept_twice_and_remarked() -> None:
    found = remarks([DECOMPOSED, COMPOSED, "other"])
    assert set(found) == {RemarkCode.UNICODE_TWINS}
    assert found[RemarkCode.UNICODE_TWINS].files == (f"{DECOMPOSED} and {COMPOSED}",)


@pytest.mark.parametrize(
    "path", ["a ", "a.", "a /b", "b./c", "CON", "nul.txt", "deep/COM1/x", "a:b", "a|b", "what?.txt", "a*", 'a"b', "<a>"]
)
def test_c08_a_name_that_windows_does_not_write_is_remarked(path: str) -> None:
    assert remarks([path])[RemarkCode.WINDOWS_NAMES].count == 1


def test_c10_names_that_differ_in_case_alone_are_kept_and_remarked() -> None:
    found = remarks(["A.tif", "a.tif", "b.tif", "Straße", "STRASSE"])
    assert set(found) == {RemarkCode.CASE_TWINS}
    assert set(found[RemarkCode.CASE_TWINS].files) == {"A.tif and a.tif", "Straße and STRASSE"}


def test_c07_c10_names_may_differ_in_both() -> None:
    assert set(remarks([DECOMPOSED, COMPOSED, COMPOSED.upper()])) == {RemarkCode.UNICODE_TWINS, RemarkCode.CASE_TWINS}


def test_a_few_are_named_and_all_are_counted() -> None:
    remark = remarks(f"{number}:" for number in range(250))[RemarkCode.WINDOWS_NAMES]
    assert (len(remark.files), remark.count) == (NAMED, 250)
    assert remark.message.startswith("250 ")


@given(st.sets(st.text("aAbBé\u0301e", min_size=1, max_size=3), max_size=12))
def test_names_are_twins_when_and_only_when_their_folded_forms_are_equal(paths: set[str]) -> None:
    assert bool(remarks(sorted(paths))) == (len({_folded(path) for path in paths}) < len(paths))


def test_c21_sizes_that_do_not_add_up_to_the_datasets_are_remarked() -> None:
    assert [remark.code for remark in size_remarks(10, 11)] == [RemarkCode.SIZE_DIFFERS]
    assert size_remarks(11, 11) == []


def _folded(path: str) -> str:
    return "".join({"é": "e\u0301"}.get(letter, letter) for letter in path.lower())
