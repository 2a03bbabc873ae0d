"""What is noted of a file is found by its path, and nothing is found by any other."""

from hypothesis import given
from hypothesis import strategies as st

from archiver.uploads import file_table


@given(st.dictionaries(st.text(min_size=1), st.binary(min_size=3, max_size=3), max_size=50), st.text())
def test_what_was_noted_is_found_and_nothing_else(values: dict[str, bytes], other: str) -> None:
    shards = file_table.shards_of(file_table.record(path, value) for path, value in values.items())

    def found(path: str) -> bytes | None:
        return file_table.value_of(path, shards[file_table.shard_of(path, len(shards))], 3)

    assert {path: found(path) for path in values} == values
    assert found(other) == values.get(other)


def test_many_files_are_cut_into_shards_of_one_size_or_so() -> None:
    shards = file_table.shards_of(
        file_table.record(f"grids/movie_{number:06d}.tiff", bytes(8)) for number in range(40_000)
    )

    assert len(shards) == 10
    assert max(map(len, shards)) < 1.1 * min(map(len, shards))
    assert max(map(len, shards)) < 100_000


def test_a_name_that_is_no_valid_text_is_found_too() -> None:
    (shard,) = file_table.shards_of([file_table.record("half a letter \ud800", b"any")])

    assert file_table.value_of("half a letter \ud800", shard, 3) == b"any"
