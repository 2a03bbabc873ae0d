"""A list of any length comes out in byte order."""

import tracemalloc
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.models import file_lists
from archiver.models.catalogue import CatalogueFile
from archiver.models.file_lists import byte_order, in_byte_order
from tests.support.archive import Notes

anything: Any = st.one_of(st.none(), st.text(max_size=3), st.integers(), st.booleans())
entries = st.builds(
    CatalogueFile, path=st.text(st.characters(), max_size=4), size=anything, time=st.text(max_size=3), chk=st.text()
)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three entries fit into memory, two on a page."""
    monkeypatch.setattr(file_lists, "FILES_IN_MEMORY", 3)
    monkeypatch.setattr(file_lists, "_FILES_PER_PAGE", 2)


@given(st.lists(entries, max_size=20))
def test_entries_come_out_in_byte_order_just_as_they_went_in(files: list[CatalogueFile]) -> None:
    assert list(in_byte_order(iter(files), Notes())) == sorted(files, key=byte_order)


def test_what_fits_into_memory_is_not_written() -> None:
    notes = Notes()
    assert len(list(in_byte_order([CatalogueFile("b", 1, ""), CatalogueFile("a", 1, "")], notes))) == 2
    assert not notes
    list(in_byte_order([CatalogueFile(str(number), 1, "") for number in range(4)], notes))
    assert list(notes) == ["catalogue/0000/0000.json"]


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A folder that takes no memory."""

    root: Path

    def read(self, name: str) -> bytes | None:
        return (self.root / name.replace("/", "-")).read_bytes()

    def write(self, name: str, body: bytes) -> None:
        (self.root / name.replace("/", "-")).write_bytes(body)


def test_c18_a_list_ten_times_as_long_takes_little_more_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(file_lists, "FILES_IN_MEMORY", 2_000)
    monkeypatch.setattr(file_lists, "_FILES_PER_PAGE", 50)

    def peak(count: int) -> int:
        entries = (CatalogueFile(f"{number * 7919 % count:09}", 1, "any time") for number in range(count))
        tracemalloc.start()
        deque(in_byte_order(entries, OnDisk(tmp_path)), maxlen=0)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(40_000) < 2 * peak(4_000)
