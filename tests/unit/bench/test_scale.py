"""Limits of the services hold for a dataset of any size; a larger one is measured by ``make bench``."""

from pathlib import Path

import pytest

from bench.harness.fakes import ManyFiles
from bench.harness.single_step import Took, take
from bench.measure import scale

FILES = ManyFiles(25_000)


def test_every_step_that_sees_all_files_keeps_within_the_limits_of_the_services(tmp_path: Path) -> None:
    took = [take(step, FILES, tmp_path) for step in ("snapshot_dataset", "plan_datablocks", "seal")]
    took += [take(step, FILES, tmp_path) for step in ("register_datablocks", "complete_dataset")]
    assert [one for one in scale.wrong(took) if "MB" not in one] == []
    assert next(one.record_bytes for one in took if one.step == "register_datablocks") > 1_000_000


@pytest.mark.parametrize("name", ["12,500 × 4 GB", "10 × 5 TB"])
def test_fifty_terabytes_keep_within_the_limits_of_the_services(name: str) -> None:
    planned = scale.by_plan(name, scale.FIFTY_TERABYTES[name])
    assert planned.size == 50 * 10**12
    assert scale.wrong_by_plan(planned) == []


def test_what_goes_beyond_a_limit_is_named() -> None:
    slow = scale.by_plan("slow", ManyFiles(10, 5 * 10**12), lane_speed=1.0)
    assert [one.partition(": ")[0] for one in scale.wrong_by_plan(slow)] == ["slow"]
    assert len(scale.wrong([Took("plan_datablocks", 1, 31.0, 31.0, 600.0, 300_000, 17_000_000)])) == 4
