"""Single files of a dataset: which datablocks hold them, and where in each tar their bytes lie."""

import io
import tarfile
from collections.abc import Collection, Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.retrieve.selection import Choice, Place, locate
from archiver.tar.layout import Limits
from tests.support.archive import former_tar, our_tar, our_tars
from tests.support.catalogue import ANY_TIME

ANY_PATH = st.text("aZ09 ._-~%'\"\\$`*ß東京🐈", min_size=1, max_size=150).filter(lambda path: path not in {".", ".."})


def an_entry(path: str, size: int, perm: str | None = None) -> CatalogueFile:
    return CatalogueFile(path=path, size=size, time=ANY_TIME, perm=perm, chk="0" * 64)


def a_datablock(archive_id: str, *files: CatalogueFile, version: str = "2", packed_size: int = 0) -> CatalogueDatablock:
    return CatalogueDatablock(
        archive_id=archive_id, size=0, packed_size=packed_size, chk_alg="sha256", version=version, files=files
    )


def a_foreign_tar(files: Mapping[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        for path, body in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return made.getvalue()


class Tape:
    """A tar that counts what is read of it."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.bytes_read = 0

    def read(self, start: int, length: int) -> bytes:
        assert 0 <= start <= start + length <= len(self.body)
        self.bytes_read += length
        return self.body[start : start + length]


def choose(datablocks: Iterable[CatalogueDatablock], files: Collection[str]) -> tuple[CatalogueDatablock, ...]:
    choice = Choice(files)
    chosen = tuple(datablock for datablock in datablocks if choice.takes(datablock))
    choice.refuse_unknown()
    return chosen


def test_only_the_datablocks_that_hold_the_files_are_chosen() -> None:
    blocks = [a_datablock(name, an_entry(f"{name}/1", 1), an_entry(f"{name}/2", 1)) for name in "abc"]

    assert choose(blocks, {"a/1", "c/2"}) == (blocks[0], blocks[2])


def test_no_names_mean_all_datablocks() -> None:
    blocks = [a_datablock(name, an_entry(name, 1)) for name in "abc"]

    assert choose(blocks, ()) == tuple(blocks)


def test_unknown_names_are_all_listed_and_counted() -> None:
    unknown = [f"unknown/{number:03d}" for number in range(150)]

    with pytest.raises(DatasetRejected) as rejected:
        choose([a_datablock("a", an_entry("known", 1))], ["known", *unknown])

    reason = rejected.value.reason
    assert (reason.code, list(reason.files), reason.count) == (Code.UNKNOWN_FILES, unknown[:100], 150)


@pytest.mark.parametrize("perm", ["drwxr-xr-x", "Lrwxrwxrwx"])
def test_a_folder_and_a_symlink_are_no_files_to_select(perm: str) -> None:
    with pytest.raises(DatasetRejected) as rejected:
        choose([a_datablock("a", an_entry("b", 1), an_entry("any", 4096, perm))], ["any"])

    assert rejected.value.reason.code is Code.UNKNOWN_FILES


def test_a_selected_path_that_leaves_the_folder_is_refused() -> None:
    with pytest.raises(DatasetRejected) as rejected:
        choose([a_datablock("a", an_entry("../../etc/passwd", 1))], ["../../etc/passwd"])

    assert rejected.value.reason.code is Code.BAD_PATH


@given(st.dictionaries(ANY_PATH, st.binary(max_size=2_000), min_size=1, max_size=12), st.sampled_from(["1", "2"]))
def test_the_places_in_our_own_tar_follow_from_the_catalogue_without_reading_it(
    files: dict[str, bytes], version: str
) -> None:
    tar = our_tar(files) if version == "2" else former_tar(files)
    entries = [an_entry(path, len(body)) for path, body in files.items()]
    tape = Tape(tar)

    places = locate(a_datablock("any", *entries, version=version, packed_size=len(tar)), entries, tape.read)

    assert {path: tar[place.start : place.start + place.size] for path, place in places.items()} == files
    assert tape.bytes_read == 0


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("version", ["2", "1", "0.0.1"])
def test_the_places_in_another_archivers_tar_are_read_from_its_headers(form: int, version: str) -> None:
    files = {"./small": b"1", "big/" + "n" * 120: b"2" * 5_000_000, "ü/empty": b"", "last": b"3" * 513}
    tar = a_foreign_tar(files, form)
    entries = [an_entry(path.removeprefix("./"), len(body)) for path, body in files.items()]
    tape = Tape(tar)

    places = locate(a_datablock("any", *entries, version=version, packed_size=len(tar)), entries[:2], tape.read)

    assert {tar[place.start : place.start + place.size] for place in places.values()} == {b"1", b"2" * 5_000_000}
    assert tape.bytes_read < len(tar) / 10


def test_folders_links_and_recorded_modes_do_not_move_the_places() -> None:
    perms = {"a": "dr-xr-xr-x", "a/b": "-r--------", "c": "Lrwxrwxrwx"}
    tar = our_tar({"a/b": b"1", "d": b"22"}, perms=perms)
    entries = [an_entry(path, size, perms.get(path)) for path, size in (("a", 0), ("a/b", 1), ("c", 0), ("d", 2))]
    datablock = a_datablock("any", *entries, packed_size=len(tar))

    places = locate(datablock, [entries[1], entries[3]], Tape(b"").read)

    assert [tar[place.start : place.start + place.size] for place in places.values()] == [b"1", b"22"]


def test_one_header_tells_where_the_files_lie_that_follow_repeated_folders() -> None:
    files = {f"a/b/{number}": str(number).encode() * 600 for number in range(4)}
    perms = {"a": "dr-xr-xr-x", "a/b": "dr-xr-xr-x"}
    _, tar, _ = our_tars(files, perms, Limits(datablock_files=2))
    entries = [an_entry(path, 600) for path in ("a/b/1", "a/b/2")]
    tape = Tape(tar)

    places = locate(a_datablock("any", *entries, packed_size=len(tar)), entries, tape.read)

    assert [tar[place.start :][: place.size] for place in places.values()] == [files["a/b/1"], files["a/b/2"]]
    assert tape.bytes_read == 512


def test_a_file_that_is_not_there_with_its_size_is_named() -> None:
    tar = a_foreign_tar({"a": b"1", "b": b"22"})
    entries = [an_entry("a", 1), an_entry("b", 3), an_entry("c", 1)]

    with pytest.raises(ServiceRefused) as refused:
        locate(a_datablock("any", *entries, version="?", packed_size=len(tar)), entries, Tape(tar).read)

    assert (refused.value.reason.code, refused.value.reason.files) == (Code.CORRUPT_DATABLOCK, ("b", "c"))


@pytest.mark.parametrize("body", [b"", b"x" * 5_000])
def test_what_is_no_tar_is_damage(body: bytes) -> None:
    entry = an_entry("a", 1)

    with pytest.raises(ServiceRefused) as refused:
        locate(a_datablock("any", entry, version="?", packed_size=len(body)), [entry], Tape(body).read)

    assert refused.value.reason.code is Code.CORRUPT_DATABLOCK


def test_a_place_is_where_the_bytes_are() -> None:
    assert locate(
        a_datablock("any", an_entry("a", 3), version="?", packed_size=10_240),
        [an_entry("a", 3)],
        Tape(a_foreign_tar({"a": b"abc"})).read,
    ) == {"a": Place(512, 3)}
