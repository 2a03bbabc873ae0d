"""Function processes killed at many of their requests, while datasets are archived on the whole stack."""

import time
from collections import Counter

import pytest

from local.client import Visitor
from tests.e2e.conftest import RunningStack
from tests.e2e.killing import archive_under_fire

DATASETS = 2
# At which requests of a function a process dies, counted from the first after it read this.
DEATHS = {
    "ClaimDataset": ("1-before", "2-after"),
    "SnapshotDataset": ("2-before", "4-after"),
    "PlanDatablocks": ("3-after", "6-before"),
    "PackageDatablock": ("5-before", "8-after"),
    "SealDatablock": ("6-before", "9-after"),
    "StoreDatablock": ("4-after", "7-before"),
    "VerifyDatablocks": ("2-after",),
    "RegisterDatablocks": ("5-before", "7-after"),
    "CompleteDataset": ("1-after", "4-before"),
    "CleanUpDataset": ("4-after", "8-after"),
}


def test_e01_datasets_are_archived_once_whenever_a_function_is_killed(
    stack: RunningStack, visitor: Visitor, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()

    killed = archive_under_fire(stack, visitor, DEATHS, [f"killed-{number}" for number in range(DATASETS)])

    by_function = Counter(death.function for death in killed)
    with capsys.disabled():
        seconds = time.monotonic() - begun
        print(f"\n{len(killed)} processes killed while {DATASETS} datasets were archived in {seconds:.0f} s:")
        print(", ".join(f"{function} {count}" for function, count in by_function.items()))
    assert by_function.keys() == DEATHS.keys()
