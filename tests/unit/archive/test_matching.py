"""What counts as the same dataset on both sides, and what is refused by name."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.archive import fingerprint, matching
from archiver.errors import Code, DatasetRejected
from archiver.models import catalogue_entries
from archiver.models.catalogue import CatalogueFile
from archiver.models.file_lists import byte_order
from archiver.models.files import S3Object, SourceFile

PREFIX = "incoming/any-drop/"
UPLOADED_AT = datetime(2026, 11, 23, 8, tzinfo=UTC)


def catalogued(path: str, size: Any = 3, time: str = "2026-11-23T08:00:00Z", **fields: Any) -> CatalogueFile:
    return CatalogueFile(path=path, size=size, time=time, **fields)


def uploaded(path: str, size: int = 3, etag: str = "any-etag") -> S3Object:
    return S3Object(key=PREFIX + path, size=size, etag=etag, storage_class="STANDARD", modified=UPLOADED_AT)


def match(catalogue: Sequence[CatalogueFile], objects: Sequence[S3Object]) -> list[SourceFile]:
    in_order = sorted(objects, key=lambda found: found.key.encode())
    return list(matching.match(sorted(catalogue, key=byte_order), in_order, PREFIX))


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
def test_d01_d02_what_is_only_on_one_side_is_named(listed: set[str], present: set[str]) -> None:
    catalogue, objects = [catalogued(path) for path in listed], [uploaded(path) for path in present]
    if listed == present:
        assert {file.path for file in match(catalogue, objects)} == listed
    elif listed - present:
        reason = refusal(catalogue, objects).reason
        assert (reason.code, set(reason.files)) == (Code.MISSING_FILES, listed - present)
    else:
        reason = refusal(catalogue, objects).reason
        assert (reason.code, set(reason.files)) == (Code.EXTRA_FILES, present - listed)


@pytest.mark.parametrize("composed_here", [True, False])
def test_a_name_that_was_uploaded_in_another_unicode_form_is_told_with_both(composed_here: bool) -> None:
    listed, sent = ("Z\u00fcrich.mrc", "Zu\u0308rich.mrc")[:: 1 if composed_here else -1]
    reason = refusal([catalogued("a"), catalogued("b"), catalogued(listed)], [uploaded("a"), uploaded(sent)]).reason
    escaped = {"Z\u00fcrich.mrc": r"Z\xfcrich.mrc", "Zu\u0308rich.mrc": r"Zu\u0308rich.mrc"}
    assert (reason.code, reason.count) == (Code.MISSING_FILES, 2)
    assert reason.files[0].startswith(f"{listed} ({escaped[listed]} in the catalogue, {escaped[sent]} uploaded: ")
    assert reason.files[1] == "b"


def test_d01_a_hundred_files_are_named_and_all_are_counted() -> None:
    reason = refusal([catalogued("here"), *(catalogued(f"lost-{n:03}") for n in range(250))], [uploaded("here")]).reason
    assert (len(reason.files), reason.count, reason.files[0]) == (100, 250, "lost-000")


def test_d03_another_size_is_refused_with_both_sizes() -> None:
    reason = refusal([catalogued("a.mrc", 10)], [uploaded("a.mrc", 11)]).reason
    assert reason.code is Code.SIZE_MISMATCH
    assert reason.files == ("a.mrc (size 10 in the catalogue, 11 uploaded)",)


@pytest.mark.parametrize(
    "path",
    [
        *["../x", "a/../../b", "./x", "a//b", ""],
        *["/x", "C:\\x", "\\\\srv\\x", "~x"],
        *["a\x00b", "a\nb", "a\tb", "a\x1bb", "a\x7fb"],
        "x" * 1025,
        "a\ud800b",
    ],
)
def test_c01_c02_c03_c04_c05_c13_a_path_that_could_escape_or_end_a_line_is_refused(path: str) -> None:
    reason = refusal([catalogued("fine"), catalogued(path)], [uploaded("fine")]).reason
    assert (reason.code, reason.count) == (Code.BAD_PATH, 1)


def test_c01_a_hundred_bad_paths_are_named_and_all_are_counted() -> None:
    reason = refusal([catalogued(f"../{number:03}") for number in range(250)], []).reason
    assert (len(reason.files), reason.count, reason.files[0][:6]) == (100, 250, "../000")


def test_a_path_listed_twice_is_refused() -> None:
    assert refusal([catalogued("a"), catalogued("a")], [uploaded("a")]).reason.files == ("a is listed twice",)


def test_a_path_that_is_a_file_and_a_folder_is_refused() -> None:
    refused = refusal([catalogued("a"), catalogued("a/b")], [uploaded("a"), uploaded("a/b")])
    assert refused.reason.files == ("a is a file and a folder",)


segments = st.text(st.sampled_from("ab!.-0"), min_size=1, max_size=2).filter(lambda part: part.strip("."))
nested = st.lists(segments, min_size=1, max_size=4).map("/".join)


@given(st.sets(nested, min_size=1, max_size=12))
def test_every_file_that_is_a_folder_of_another_is_named(paths: set[str]) -> None:
    catalogue, objects = [catalogued(path) for path in paths], [uploaded(path) for path in paths]
    both = {path for path in paths if any(other.startswith(f"{path}/") for other in paths)}
    if both:
        assert set(refusal(catalogue, objects).reason.files) == {f"{path} is a file and a folder" for path in both}
    else:
        assert len(match(catalogue, objects)) == len(paths)


def test_a_list_that_is_not_in_byte_order_is_an_error_and_not_a_verdict() -> None:
    with pytest.raises(ValueError, match="not in the order"):
        list(matching.match([catalogued("b"), catalogued("a")], [], PREFIX))


@pytest.mark.parametrize("size", [-1, 1.5, "3", True, 2**53, None])
def test_c20_a_size_that_is_no_number_of_bytes_is_refused(size: object) -> None:
    assert refusal([catalogued("a", size)], [uploaded("a")]).reason.code is Code.BAD_SIZE


def test_a_checksum_of_an_unknown_algorithm_is_refused() -> None:
    refused = refusal([catalogued("a", chk="00", chk_alg="adler")], [uploaded("a")])
    assert refused.reason.code is Code.BAD_CHECKSUM_ALGORITHM


@pytest.mark.parametrize(("chk", "chk_alg"), [("sha256:00", None), ("sha256:00", "md5"), ("00", "sha256")])
def test_a_checksum_may_name_its_algorithm_itself(chk: str, chk_alg: str | None) -> None:
    (matched,) = match([catalogued("a", chk=chk, chk_alg=chk_alg)], [uploaded("a")])
    assert (matched.chk, matched.chk_alg) == (chk, "sha256")


@pytest.mark.parametrize("entries", [[], [catalogued("folder", 4096, perm="drwxr-xr-x")]])
def test_c19_a_dataset_without_files_is_refused(entries: list[CatalogueFile]) -> None:
    assert refusal(entries, []).reason.code is Code.NO_FILES


def test_c23_directories_and_symlinks_are_kept_and_need_no_object() -> None:
    entries = [
        catalogued("a", 3),
        catalogued("folder", 4096, perm="drwxr-x---"),
        catalogued("link", 11, perm="Lrwxrwxrwx"),
        catalogued("marker/", 0),
    ]
    kinds = {file.path: (file.kind, file.size, file.mode) for file in match(entries, [uploaded("a")])}
    assert kinds == {
        "a": ("file", 3, 0o644),
        "folder": ("directory", 0, 0o750),
        "link": ("symlink", 0, 0o777),
        "marker/": ("directory", 0, 0o755),
    }


@pytest.mark.parametrize("mark", ["L", "l"])
@pytest.mark.parametrize("size", [0, 3, 25, 4_000_000])
def test_bytes_that_a_client_sent_for_a_link_are_a_file_of_their_own_size(mark: str, size: int) -> None:
    (link,) = match([catalogued("movie.mrc", 25, perm=f"{mark}rwxrwxrwx")], [uploaded("movie.mrc", size)])
    # The listed permissions are the link's, and say nothing of the file's.
    assert (link.kind, link.size, link.mode, link.etag) == ("file", size, 0o600, "any-etag")


@pytest.mark.parametrize("said", ["symlink", "Symbolic_Link", "link", "l"])
def test_links_are_known_by_their_type_too(said: str) -> None:
    entries = [catalogued("a"), catalogued("sent", 25, type=said), catalogued("unsent", 25, type=said)]
    kinds = {file.path: (file.kind, file.size) for file in match(entries, [uploaded("a"), uploaded("sent", 7)])}
    assert kinds == {"a": ("file", 3), "sent": ("file", 7), "unsent": ("symlink", 0)}


def test_a_dataset_of_links_that_were_sent_has_files() -> None:
    assert len(match([catalogued("link", 25, perm="Lrwxrwxrwx")], [uploaded("link", 3)])) == 1


def test_a_dataset_of_links_that_were_not_sent_has_none() -> None:
    assert refusal([catalogued("link", 25, perm="Lrwxrwxrwx")], []).reason.code is Code.NO_FILES


def test_a_link_that_was_sent_cannot_be_a_folder_of_another_file() -> None:
    entries = [catalogued("link", 25, perm="Lrwxrwxrwx"), catalogued("link/a")]
    refused = refusal(entries, [uploaded("link"), uploaded("link/a")])
    assert refused.reason.files == ("link is a file and a folder",)
    assert [file.path for file in match(entries, [uploaded("link/a")])] == ["link", "link/a"]


def test_bytes_uploaded_for_a_listed_folder_are_refused_as_what_they_are() -> None:
    refused = refusal(
        [catalogued("a"), catalogued("folder", 4096, perm="drwxr-xr-x")], [uploaded("a"), uploaded("folder")]
    )
    assert (refused.reason.code, refused.reason.files) == (Code.EXTRA_FILES, ("folder (a folder in the catalogue)",))


SPECIAL = ["brw-rw----", "crw-rw----", "Dcrw-rw----", "prw-r--r--", "srwxr-xr-x", "Srwxr-xr-x", "?rw-r--r--"]


@pytest.mark.parametrize("perm", SPECIAL)
def test_c23_a_device_or_a_pipe_is_the_bytes_that_were_uploaded_or_empty(perm: str) -> None:
    entries = [catalogued("a"), catalogued("odd", 0, perm=perm)]
    sent = match(entries, [uploaded("a"), uploaded("odd")])
    assert [(file.kind, file.size) for file in sent] == [("file", 3), ("file", 3)]
    assert [(file.kind, file.size) for file in match(entries, [uploaded("a")])] == [("file", 3), ("special", 0)]


@pytest.mark.parametrize("perm", [*SPECIAL, "hrw-r--r--"])
def test_c23_a_device_or_a_hard_link_that_is_said_to_have_bytes_is_missing_without_them(perm: str) -> None:
    entry = catalogued("odd", 3, perm=perm)
    assert [(file.kind, file.size) for file in match([entry], [uploaded("odd")])] == [("file", 3)]
    assert refusal([entry], []).reason.code is Code.MISSING_FILES
    assert refusal([entry], [uploaded("odd", 4)]).reason.code is Code.SIZE_MISMATCH


def test_c15_files_without_bytes_are_files() -> None:
    assert [file.size for file in match([catalogued("empty", 0)], [uploaded("empty", 0)])] == [0]


@pytest.mark.parametrize(
    ("perm", "file", "directory"),
    [
        (None, 0o644, 0o755),
        ("", 0o644, 0o755),
        ("0644", 0o644, 0o644),
        ("dgrwxrwx---", None, 0o2770),
        ("ugrwxr-xr-x", 0o6755, None),
        ("odd", 0o600, 0o700),
        ("u=rw,g=r", 0o600, 0o700),
    ],
)
def test_permissions_are_those_that_were_listed_and_the_owners_alone_where_they_cannot_be_read(
    perm: str | None, file: int | None, directory: int | None
) -> None:
    if file is not None:
        assert [found.mode for found in match([catalogued("a", perm=perm)], [uploaded("a")])] == [file]
    if directory is not None:
        folder = catalogued("b", 4096, perm=perm, type=None if perm and perm.startswith("d") else "directory")
        assert match([catalogued("a"), folder], [uploaded("a")])[1].mode == directory


perms = st.sampled_from(
    [None, "", "odd", "0640", "40750", "33188", "-rw-r-----", "ugrwxr-x---", "dgrwxrwx---", *SPECIAL]
)
perms |= st.sampled_from(["Lrwxrwxrwx", "lrwxrwxrwx", "120777"])
types = st.sampled_from([None, "file", "directory", "symlink", "fifo", "whatever"])


@given(st.lists(st.tuples(perms, types, st.booleans()), max_size=12))
def test_what_is_recorded_of_a_datablock_says_what_was_packed(
    listed: list[tuple[str | None, str | None, bool]],
) -> None:
    entries = [catalogued("a")]
    entries += [
        CatalogueFile(f"{number:02}", 0, "2026-11-23T08:00:00Z", perm=perm, type=said)
        for number, (perm, said, _) in enumerate(listed)
    ]
    objects = [uploaded("a")]
    for entry, (_, _, sent) in zip(entries[1:], listed, strict=True):
        if catalogue_entries.kind_of(entry) == "file" or (sent and catalogue_entries.kind_of(entry) != "directory"):
            objects.append(uploaded(entry.path, 0))
    for file in match(entries, objects):
        read = catalogue_entries.packed(
            catalogue_entries.recorded(file, "00" if file.kind == "file" else None), "sha256"
        )
        assert (read.kind, read.size, read.mode, read.mtime_ns) == (file.kind, file.size, file.mode, file.mtime_ns)


@pytest.mark.parametrize(
    ("time", "nanoseconds"),
    [
        ("9999-12-31T23:59:59.000Z", 253_402_300_799 * 10**9),
        ("9999-12-31T23:59:59-12:00", (253_402_300_799 + 12 * 3600) * 10**9),
        ("0001-01-01T00:00:00Z", -62_135_596_800 * 10**9),
        ("1969-12-31T23:59:59.250Z", -750_000_000),
        ("2026-11-23T08:00:00.123456789Z", 1_795_420_800_123_456_000),
        ("", int(UPLOADED_AT.timestamp()) * 10**9),
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T01:00:00.000001+01:00", 1_000),
        ("1969-12-31T23:59:59", -1_000_000_000),
        ("yesterday", int(UPLOADED_AT.timestamp()) * 10**9),
        ("2038-01-19T03:14:08Z", 2**31 * 10**9),
        ("2026-10-25T02:30:00+02:00", 1_792_888_200 * 10**9),
        ("2026-10-25T02:30:00+01:00", 1_792_891_800 * 10**9),
        ("2016-12-31T23:59:60Z", int(UPLOADED_AT.timestamp()) * 10**9),
    ],
)
def test_c22_j14_times_are_utc_and_the_upload_stands_in_for_what_cannot_be_read(time: str, nanoseconds: int) -> None:
    assert match([catalogued("a", time=time)], [uploaded("a")])[0].mtime_ns == nanoseconds


def test_the_fingerprint_of_a_list_knows_every_change_but_its_order() -> None:
    files = [catalogued("a"), catalogued("b", chk="00", chk_alg="md5")]
    assert fingerprint.fingerprint_of(files) == fingerprint.fingerprint_of(files[::-1])
    assert fingerprint.fingerprint_of(files) != fingerprint.fingerprint_of(
        [files[0], catalogued("b", chk="01", chk_alg="md5")]
    )
