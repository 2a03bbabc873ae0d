"""Planning: which files go into which datablock, and where its parts and slices end."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import Code, DatasetRejected
from archiver.models.files import SourceFile
from archiver.settings import GIB, MIB
from archiver.tar.format import header
from archiver.tar.layout import Extent, Layout, Limits, PlannedDatablock, layout_of, plan

TIB = 1024 * GIB
ANY_MTIME_NS = 1_795_420_800_000_000_000

# Everything a million times smaller, so that small numbers reach every case.
SMALL = Limits(
    datablock_bytes=200_000,
    datablock_files=40,
    datablock_parts=60,
    catalogue_bytes=14_000,
    object_bytes=1_000_000,
    min_part=5_000,
    max_part=30_000,
    glue_part=8_000,
    copied_from=10_000,
    copy_part=12_000,
    copies_per_file=20,
    slice_bytes=50_000,
    file_cost=500,
)


def a_file(size: int, path: str = "any/file", **properties: Any) -> SourceFile:
    return SourceFile(path=path, size=size, mtime_ns=ANY_MTIME_NS, **properties)


def some_files(*sizes: int) -> list[SourceFile]:
    return [a_file(size, f"run/image_{number:07d}.mrc") for number, size in enumerate(sizes)]


@st.composite
def any_files(draw: st.DrawFn) -> list[SourceFile]:
    sizes = st.one_of(
        st.just(0),
        st.integers(1, 3_000),
        st.integers(3_000, 60_000),
        st.sampled_from([4_999, 5_000, 5_001, 9_999, 10_000, 10_001, 30_000]),
        st.integers(60_000, 600_000),
    )
    paths = sorted(draw(st.sets(st.text("aäß東/ 🐈" + "b" * 9, min_size=1, max_size=300), max_size=60)), key=str.encode)
    kinds = st.sampled_from(["file"] * 8 + ["directory", "symlink"])
    perms = st.sampled_from([None, "-r--r--r--"])
    return [a_file(draw(sizes), path, kind=draw(kinds), perm=draw(perms)) for path in paths]


def laid_out(planned: PlannedDatablock, files: Sequence[SourceFile]) -> Layout:
    return layout_of(files[planned.first : planned.first + planned.entries], SMALL, planned.folders)


def check_parts(layout: Layout) -> None:
    limits = layout.limits
    assert [part.number for part in layout.parts] == list(range(1, len(layout.parts) + 1))
    assert all(limits.min_part <= part.end - part.start <= limits.max_part for part in layout.parts)
    assert all(before.end == after.start for before, after in pairwise(layout.parts))
    assert all(part.start == 0 for part in layout.parts[:1])
    assert layout.tail <= layout.end < layout.packed_size
    assert len(layout.parts) + 1 <= 10_000


def passed_through(layout: Layout) -> Iterator[tuple[int, int]]:
    """For each file, its bytes that lie in glue."""
    glue = [(part.start, part.end) for part in layout.parts if not part.copied] + [(layout.tail, layout.end)]
    for index, member in enumerate(layout.members):
        yield index, sum(max(0, min(end, member.stop) - max(start, member.body)) for start, end in glue)


@given(any_files())
def test_e08_e09_parts_follow_each_other_and_all_but_the_last_are_as_large_as_s3_wants(files: list[SourceFile]) -> None:
    for datablock in plan(files, SMALL):
        check_parts(laid_out(datablock, files))


@given(any_files())
def test_a_big_file_passes_through_with_less_than_the_smallest_part_and_a_small_one_whole(
    files: list[SourceFile],
) -> None:
    layout = layout_of(files, replace(SMALL, object_bytes=10**12))
    for index, size in passed_through(layout):
        file = layout.files[index]
        if file.kind == "file" and file.size >= SMALL.copied_from:
            assert size < SMALL.min_part
        elif file.kind == "file":
            assert size == file.size


@given(any_files())
def test_c16_c18_every_file_is_in_one_datablock_within_the_limits_and_none_is_empty(files: list[SourceFile]) -> None:
    planned = list(plan(files, SMALL))
    assert [one.number for one in planned] == list(range(1, len(planned) + 1))
    assert sum(one.entries for one in planned) == len(files)
    assert [one.first for one in planned] == [
        sum(before.entries for before in planned[:n]) for n in range(len(planned))
    ]
    for one in planned:
        contents = [file for file in files[one.first : one.first + one.entries] if file.kind == "file"]
        assert one.files == len(contents)
        assert one.size == sum(file.size for file in contents)
        assert one.packed_size <= SMALL.datablock_bytes + 40 * 1536 or len(contents) == 1
        assert one.parts <= SMALL.datablock_parts or len(contents) == 1
        assert len(contents) <= SMALL.datablock_files


@given(any_files(), st.integers(1, 5))
def test_every_tar_makes_the_listed_folders_before_it_fills_them(files: list[SourceFile], count: int) -> None:
    folders = {file.path.rstrip("/"): file for file in files if file.kind == "directory"}
    for one in plan(files, replace(SMALL, datablock_files=count)):
        made = [folder.path.rstrip("/") for folder in one.folders]
        assert all(folder in files[: one.first] for folder in one.folders)
        for file in files[one.first : one.first + one.entries]:
            parents = {str(parent) for parent in PurePosixPath(file.path).parents}
            assert parents & folders.keys() <= set(made)
            made += [file.path.rstrip("/")] if file.kind == "directory" else []


def test_folders_are_repeated_in_front_of_the_files_of_the_next_datablock_and_not_counted() -> None:
    folders = [a_file(0, path, kind="directory", perm="dr-xr-xr-x") for path in ("a", "a/b", "a/b/c")]
    files = [*folders, a_file(1, "a/b/c/1"), a_file(1, "a/b/c/2"), a_file(1, "a/b-2"), a_file(1, "a/d")]
    files.sort(key=lambda file: file.path.encode())

    first, second, third = plan(files, replace(SMALL, datablock_files=3))

    assert [one.path for one in second.folders] == ["a", "a/b"]
    assert [folder.path for folder in third.folders] == ["a"]
    layout = layout_of(files[second.first : second.first + second.entries], SMALL, second.folders)
    opening = b"".join(map(header, second.folders))
    assert layout.members[0].header == len(opening)
    assert b"".join(piece for piece in layout.pieces(0, len(opening)) if isinstance(piece, bytes)) == opening
    assert (first.entries, second.entries, third.entries) == (3, 3, 1)


@given(any_files())
def test_the_same_files_give_the_same_plan(files: list[SourceFile]) -> None:
    assert list(plan(iter(files), SMALL)) == list(plan(files, SMALL))


@given(any_files())
def test_a_datablock_is_laid_out_again_as_it_was_planned(files: list[SourceFile]) -> None:
    for one in plan(files, SMALL):
        assert laid_out(one, files).planned(one.number, one.first) == one


@given(any_files())
def test_slices_hold_all_parts_but_the_last_and_divide_no_file(files: list[SourceFile]) -> None:
    layout = layout_of(files, replace(SMALL, object_bytes=10**12))
    slices = list(layout.slices())
    assert [part for piece in slices for part in piece.parts] == layout.parts
    assert [piece.number for piece in slices] == list(range(len(slices)))
    for piece in slices:
        start, end = piece.parts[0].start, piece.parts[-1].end
        assert not any(member.body < cut < member.stop for member in layout.members for cut in (start, end))


@given(any_files())
def test_the_pieces_of_the_parts_are_every_byte_of_every_member_in_order(files: list[SourceFile]) -> None:
    layout = layout_of(files, replace(SMALL, object_bytes=10**12))
    bounds = [(part.start, part.end) for part in layout.parts] + [(layout.tail, layout.end)]
    position = 0
    read: dict[int, int] = {}
    for start, end in bounds:
        for piece in layout.pieces(start, end):
            if isinstance(piece, Extent):
                assert position == layout.members[piece.file].body + piece.start
                assert piece.start == read.get(piece.file, 0)
                read[piece.file] = piece.start + piece.length
            position += piece.length if isinstance(piece, Extent) else len(piece)
        assert position == end
    assert read == {index: file.size for index, file in enumerate(layout.files) if file.kind == "file"}


@pytest.mark.parametrize("limit", [5 * MIB, 10 * MIB, 256 * MIB, 512 * MIB, 5 * GIB, 8 * GIB, 20 * GIB, 5 * TIB - 4096])
@pytest.mark.parametrize("difference", [-1, 0, 1])
@pytest.mark.parametrize("neighbours", [(), (0,), (1,), (5 * MIB,), (9 * MIB,), (10 * MIB - 1,), (10 * MIB,)])
def test_c17_a_file_at_a_limit_is_cut_into_parts_that_s3_takes(
    limit: int, difference: int, neighbours: Sequence[int]
) -> None:
    layout = layout_of(some_files(limit + difference), Limits())
    check_parts(layout)
    files = some_files(*neighbours, min(limit + difference, 4 * TIB), *neighbours)
    check_parts(layout_of(files, Limits()))


def test_files_of_ten_mebibytes_are_copied_and_smaller_ones_pass_through() -> None:
    assert [part.copied for part in layout_of(some_files(10 * MIB - 1), Limits()).parts] == [False]
    assert [part.copied for part in layout_of(some_files(10 * MIB), Limits()).parts] == [False, True]


def test_at_most_five_mebibytes_of_a_big_file_pass_through() -> None:
    layout = layout_of(some_files(*[64 * MIB] * 16), Limits())
    assert all(size < 5 * MIB for _, size in passed_through(layout))


def test_nothing_is_borrowed_when_the_glue_before_is_large_enough() -> None:
    layout = layout_of(some_files(6 * MIB, 64 * MIB), Limits())
    assert dict(passed_through(layout)) == {0: 6 * MIB, 1: 0}


def test_c17_a_file_that_no_object_can_hold_is_refused_by_name() -> None:
    with pytest.raises(DatasetRejected) as refused:
        list(plan([a_file(1, "a"), a_file(5 * TIB, "movies/too long.mrc")], Limits()))
    assert refused.value.reason.code is Code.FILE_TOO_LARGE
    assert refused.value.reason.files == ("movies/too long.mrc",)


def test_c16_c17_the_longest_file_that_fits_has_a_datablock_of_its_own_and_fewer_parts_than_s3_allows() -> None:
    planned = list(plan(some_files(1, 5 * TIB - 4096, 1), Limits()))
    assert [one.files for one in planned] == [1, 1, 1]
    assert 1_000 < planned[1].parts < 9_900
    assert planned[1].packed_size <= 5 * TIB
    assert planned[1].slices == 1


def test_a_datablock_closes_before_its_size_is_exceeded() -> None:
    planned = list(plan(some_files(*[6 * GIB] * 7), Limits()))
    assert [one.files for one in planned] == [3, 3, 1]
    assert all(one.packed_size <= 20 * GIB for one in planned)


def test_c18_a_datablock_closes_at_twenty_thousand_files() -> None:
    planned = list(plan((a_file(1, f"{number:08d}") for number in range(45_000)), Limits()))
    assert [one.files for one in planned] == [20_000, 20_000, 5_000]


def test_c18_a_datablock_closes_before_its_entry_is_too_large_for_the_catalogue() -> None:
    planned = list(plan((a_file(1, f"{number:01000d}") for number in range(15_000)), Limits()))
    assert [one.files for one in planned] == [9_508, 5_492]


def test_c18_a_datablock_closes_before_it_has_too_many_parts() -> None:
    planned = list(plan((a_file(10 * MIB, f"{number:08d}") for number in range(6_000)), Limits(datablock_bytes=TIB)))
    assert [one.parts for one in planned] == [9_899, 2_103]


def test_c18_only_the_files_of_one_datablock_are_held_while_planning() -> None:
    held: set[int] = set()
    most = 0

    def files() -> Iterator[SourceFile]:
        nonlocal most
        for number in range(200):
            file = _Counted(held, path=f"{number:08d}", size=100, mtime_ns=ANY_MTIME_NS)
            most = max(most, len(held))
            yield file

    assert sum(one.files for one in plan(files(), Limits(datablock_files=10))) == 200
    assert most <= 12


def test_a_directory_or_a_symlink_goes_with_the_files_around_it() -> None:
    files = [
        a_file(0, "a", kind="directory"),
        a_file(300_000, "a/movie"),
        a_file(0, "b", kind="directory"),
        a_file(0, "c", kind="symlink"),
    ]
    assert list(plan(files, SMALL)) == [
        PlannedDatablock(number=1, first=0, entries=4, files=1, size=300_000, packed_size=304_640, parts=22, slices=1)
    ]


def test_no_files_give_no_datablock() -> None:
    assert list(plan([], Limits())) == []


def test_limits_that_would_make_parts_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="smaller than S3 takes"):
        Limits(copied_from=8 * MIB)


class _Counted(SourceFile):
    """A file that says when it is forgotten."""

    _held: set[int]

    def __init__(self, held: set[int], **properties: Any) -> None:
        super().__init__(**properties)
        object.__setattr__(self, "_held", held)
        held.add(id(self))

    def __del__(self) -> None:
        self._held.discard(id(self))
