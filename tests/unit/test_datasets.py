"""What counts as the same dataset on both sides, and what is refused by name."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver import datasets
from archiver.errors import Code, DatasetRejected
from archiver.models import CatalogueFile, S3Object, SourceFile

PREFIX = "incoming/any-drop/"
UPLOADED_AT = datetime(2026, 11, 23, 8, tzinfo=UTC)


def catalogued(path: str, size: Any = 3, time: str = "2026-11-23T08:00:00Z", **fields: Any) -> CatalogueFile:
    return CatalogueFile(path=path, size=size, time=time, **fields)


def uploaded(path: str, size: int = 3, etag: str = "any-etag") -> S3Object:
    return S3Object(key=PREFIX + path, size=size, etag=etag, storage_class="STANDARD", modified=UPLOADED_AT)


def match(catalogue: Sequence[CatalogueFile], objects: Sequence[S3Object]) -> list[SourceFile]:
    in_order = sorted(objects, key=lambda found: found.key.encode())
    return list(datasets.match(catalogue, in_order, PREFIX))


def refusal(catalogue: Sequence[CatalogueFile], objects: Sequence[S3Object]) -> DatasetRejected:
    with pytest.raises(DatasetRejected) as refused:
        match(catalogue, objects)
    return refused.value


paths = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\~."), min_size=1, max_size=20)


@given(st.dictionaries(paths, st.integers(0, 10**12), min_size=1, max_size=30))
def test_files_that_lie_in_the_bucket_are_pinned_in_byte_order(files: dict[str, int]) -> None:
    pinned = match(
        [catalogued(path, size) for path, size in files.items()],
        [uploaded(path, size, etag=f"etag of {path}") for path, size in files.items()],
    )
    assert [file.path for file in pinned] == sorted(files, key=str.encode)
    assert all((file.size, file.etag) == (files[file.path], f"etag of {file.path}") for file in pinned)


@given(st.sets(paths, min_size=1, max_size=12), st.sets(paths, min_size=1, max_size=12))
def test_what_is_only_on_one_side_is_named(listed: set[str], present: set[str]) -> None:
    catalogue, objects = [catalogued(path) for path in listed], [uploaded(path) for path in present]
    if listed == present:
        assert {file.path for file in match(catalogue, objects)} == listed
    elif listed - present:
        reason = refusal(catalogue, objects).reason
        assert (reason.code, set(reason.files)) == (Code.MISSING_FILES, listed - present)
    else:
        reason = refusal(catalogue, objects).reason
        assert (reason.code, set(reason.files)) == (Code.EXTRA_FILES, present - listed)


def test_a_hundred_files_are_named_and_all_are_counted() -> None:
    reason = refusal([catalogued("here"), *(catalogued(f"lost-{n:03}") for n in range(250))], [uploaded("here")]).reason
    assert (len(reason.files), reason.count, reason.files[0]) == (100, 250, "lost-000")


def test_another_size_is_refused_with_both_sizes() -> None:
    reason = refusal([catalogued("a.mrc", 10)], [uploaded("a.mrc", 11)]).reason
    assert reason.code is Code.SIZE_MISMATCH
    assert reason.files == ("a.mrc (10 bytes in the catalogue, 11 uploaded)",)


@pytest.mark.parametrize("path", ["../x", "a/../../b", "./x", "a//b", "/x", "C:\\x", "~x", "a\nb", "a\x00b", ""])
def test_a_path_that_could_escape_or_end_a_line_is_refused(path: str) -> None:
    assert refusal([catalogued(path)], []).reason.code is Code.BAD_PATH


def test_a_path_listed_twice_is_refused() -> None:
    assert refusal([catalogued("a"), catalogued("a")], [uploaded("a")]).reason.files == ("a is listed twice",)


def test_a_path_that_is_a_file_and_a_folder_is_refused() -> None:
    refused = refusal([catalogued("a"), catalogued("a/b")], [uploaded("a"), uploaded("a/b")])
    assert refused.reason.files == ("a is a file and a folder",)


@pytest.mark.parametrize("size", [-1, 1.5, "3", True, 2**53, None])
def test_a_size_that_is_no_number_of_bytes_is_refused(size: object) -> None:
    assert refusal([catalogued("a", size)], [uploaded("a")]).reason.code is Code.BAD_SIZE


def test_a_checksum_of_an_unknown_algorithm_is_refused() -> None:
    refused = refusal([catalogued("a", chk="00", chk_alg="adler")], [uploaded("a")])
    assert refused.reason.code is Code.BAD_CHECKSUM_ALGORITHM


@pytest.mark.parametrize("entries", [[], [catalogued("folder", 4096, perm="drwxr-xr-x")]])
def test_a_dataset_without_files_is_refused(entries: list[CatalogueFile]) -> None:
    assert refusal(entries, []).reason.code is Code.NO_FILES


def test_directories_and_symlinks_are_kept_and_need_no_object() -> None:
    entries = [
        catalogued("a", 3),
        catalogued("folder", 4096, perm="drwxr-x---"),
        catalogued("link", 11, perm="Lrwxrwxrwx"),
    ]
    kinds = {file.path: (file.kind, file.size, file.mode) for file in match(entries, [uploaded("a")])}
    assert kinds == {
        "a": ("file", 3, 0o644),
        "folder": ("directory", 0, 0o750),
        "link": ("symlink", 0, 0o777),
    }


@pytest.mark.parametrize(
    ("perm", "mode"),
    [("0644", 0o644), ("100600", 0o600), ("-rw-r--r--", 0o644), ("rwxr-x--x", 0o751), (None, 0o644), ("odd", 0o644)],
)
def test_permissions_are_read_in_each_notation(perm: str | None, mode: int) -> None:
    assert datasets.mode_of(catalogued("a", perm=perm)) == mode


@pytest.mark.parametrize(
    ("time", "nanoseconds"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T01:00:00.000001+01:00", 1_000),
        ("1969-12-31T23:59:59", -1_000_000_000),
        ("yesterday", int(UPLOADED_AT.timestamp()) * 10**9),
    ],
)
def test_times_are_utc_and_the_upload_stands_in_for_one_that_cannot_be_read(time: str, nanoseconds: int) -> None:
    assert match([catalogued("a", time=time)], [uploaded("a")])[0].mtime_ns == nanoseconds


def test_the_fingerprint_of_a_list_knows_every_change_but_its_order() -> None:
    files = [catalogued("a"), catalogued("b", chk="00", chk_alg="md5")]
    assert datasets.fingerprint_of(files) == datasets.fingerprint_of(files[::-1])
    assert datasets.fingerprint_of(files) != datasets.fingerprint_of(
        [files[0], catalogued("b", chk="01", chk_alg="md5")]
    )
