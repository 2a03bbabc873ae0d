"""Which keys, part sizes and checksums an upload may have."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import Code, DatasetRejected
from archiver.settings import GIB, MIB
from archiver.uploads import rules

PID = "20.500.11935/any"
PREFIX = f"openem-network/datasets/{PID}/raw_files/"
EMPTY = base64.b64encode(hashlib.sha256(b"").digest()).decode()


@pytest.mark.parametrize("path", ["a.mrc", "grids/größe 1%.mrc", "raw_files/a.mrc", "a~", "100%2.txt"])
def test_a_file_of_the_dataset_has_the_key_that_the_client_names(path: str) -> None:
    assert rules.key_of(PID, PREFIX + path) == PREFIX + path
    assert rules.pid_of(PREFIX + path) == PID


WRONG_NAMES = [
    "",
    "/",
    "a.mrc",
    PREFIX,
    f"{PREFIX}folder/",
    f"/{PREFIX}a.mrc",
    f"{PREFIX}../x",
    f"{PREFIX}a/../../x",
    f"{PREFIX}./x",
    f"{PREFIX}/x",
    f"{PREFIX}a//x",
    f"{PREFIX}%2e%2e%2fx",
    f"{PREFIX}%2E%2E/x",
    f"{PREFIX}a%0ab",
    f"{PREFIX}a\nb",
    f"{PREFIX}a\x00b",
    f"{PREFIX}\ud800",
    f"{PREFIX}.datablock/1/manifest-sha256.txt",
    PREFIX + "x" * 1025,
    f"{PREFIX.upper()}x",
    "openem-network/datasets/20.500.11935/other/raw_files/x",
    f"openem-network/datasets/{PID}/datablocks/x",
    f"incoming/{PID}/dataset.json",
]


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_b25_a_name_outside_of_the_dataset_is_refused(name: str) -> None:
    with pytest.raises(DatasetRejected) as refused:
        rules.key_of(PID, name)

    assert refused.value.reason.code is Code.BAD_PATH


@pytest.mark.parametrize("pid", ["", "..", "a/../b", "/a", f"{PID}/raw_files", f"{PID}/raw_files/b", "x" * 301, "a\nb"])
def test_b25_a_pid_whose_files_could_lie_among_anothers_is_refused(pid: str) -> None:
    with pytest.raises(DatasetRejected, match="bad_path"):
        rules.key_of(pid, f"openem-network/datasets/{pid}/raw_files/x")


@given(st.text(max_size=20), st.text(max_size=20))
def test_b25_whatever_is_asked_for_lies_below_its_dataset_alone(pid: str, path: str) -> None:
    name = f"openem-network/datasets/{pid}/raw_files/{path}"
    try:
        key = rules.key_of(pid, name)
    except DatasetRejected:
        return
    assert (key, rules.pid_of(key)) == (name, pid)
    assert ".." not in key.split("/")


@pytest.mark.parametrize("name", ["", "a.mrc", f"{PID}/raw_files/x", f"openem-network/datasets/{PID}/datablocks/x"])
def test_a_name_that_is_no_file_of_any_dataset_tells_no_dataset(name: str) -> None:
    with pytest.raises(DatasetRejected, match="bad_path"):
        rules.pid_of(name)


@pytest.mark.parametrize(
    ("size", "parts", "each"),
    [
        (1, 1, 1),
        (5 * GIB, 1, 5 * GIB),
        (5 * MIB + 1, 2, None),
        (10 * MIB, 2, 5 * MIB),
        (10 * MIB - 2, 2, None),
        (300 * MIB, 3, 100 * MIB),
        (5 * GIB + 1, 1, None),
        (10_000 * 5 * GIB, 10_000, 5 * GIB),
    ],
)
def test_b28_parts_are_as_long_as_s3_allows(size: int, parts: int, each: int | None) -> None:
    if each is not None:
        assert rules.part_size(size, parts) == each
        return
    with pytest.raises(DatasetRejected, match=r"bad_size.*5,242,880 to 5,368,709,120 are allowed"):
        rules.part_size(size, parts)


@pytest.mark.parametrize(
    ("size", "wrong", "proposed"),
    [(9 * MIB, 2, 1), (6 * GIB, 1, 48), (rules.MAX_FILE_BYTES, 1, 10_000)],
)
def test_b28_whoever_asks_for_wrong_parts_is_told_a_number_that_would_do(size: int, wrong: int, proposed: int) -> None:
    with pytest.raises(DatasetRejected, match=f" {proposed:,} parts? would do"):
        rules.part_size(size, wrong)

    assert rules.part_size(size, proposed) <= rules.MAX_PART_BYTES


def test_the_checksum_of_checksums_is_taken_of_their_raw_bytes() -> None:
    digest = hashlib.sha256(hashlib.sha256(b"").digest() * 2).digest()

    assert rules.checksum_of([EMPTY, EMPTY]) == base64.b64encode(digest).decode()


@pytest.mark.parametrize(
    ("stored", "same"),
    [
        (None, True),
        (EMPTY, True),
        (f"{rules.checksum_of([EMPTY])}-1", True),
        (f"{EMPTY}-1", False),
        (rules.checksum_of([EMPTY, EMPTY]), False),
    ],
)
def test_a_clients_checksum_is_compared_with_the_one_that_s3_has(stored: str | None, same: bool) -> None:
    assert rules.is_checksum_of(rules.checksum_of([EMPTY]), stored) is same
    assert rules.is_checksum_of(None, stored)
