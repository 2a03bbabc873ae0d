"""What is wanted of the figures is told as it is, kept or not."""

from typing import Any

import pytest

from bench.report.targets import wanted
from local.executor.process_executor.sandbox import MIB

type Figures = dict[str, Any]


def a_round(shape: str, *, core: float, sent: float, read: float = 1.0, cold: bool = False) -> Figures:
    """What was measured of a dataset of one file of 64 MiB; ``sent`` in MiB, ``read`` as a share of its size."""
    size = 64 * MIB
    package = {"read": read * size, "sent": sent * MIB}
    moved = {"PackageDatablock": package, "SealDatablock": {}, "VerifyDatablocks": {"read": 2_000}}
    return {
        "shape": shape,
        "cold": cold,
        "core": core,
        "floor": {"whole": 10},
        "files": 1,
        "size": size,
        "bytes": moved,
    }


def the_figures() -> Figures:
    """A report in which all is as it is wanted."""
    rounds = [a_round(name, core=12, sent=5) for name in ("16 × 64 MiB", "3,000 × 20 KB", "1 × 2 GiB")]
    steps = [
        {"step": step, "files": 1_000_000, "seconds": 20, "memory_mb": 100}
        for step in ("plan_datablocks", "snapshot_dataset")
    ]
    speeds = {"bare": 9, "bare_with_reads": 9, "packager": 10, "packager_alone": 10}
    return {
        "packaging": {"shape": "16 × 64 MiB", "rounds": [speeds]},
        "shapes": rounds,
        "scale": {"steps": steps, "wrong": []},
        "growth": {"wrong": []},
        "memory": {"peaks": [{"function": "Any", "small": 100, "large": 109}]},
        "many": {"archived": 200, "datasets": 200, "dropping": 20},
        "imports": {"functions": [{"function": "any", "seconds": 0.4, "budget": 0.8}]},
    }


def not_kept(figures: Figures) -> list[str]:
    return [f"{one.what}: {one.measured}" for one in wanted(figures) if not one.kept]


def test_what_is_as_it_is_wanted_is_kept() -> None:
    figures = the_figures()
    assert not_kept(figures) == []
    assert len(list(wanted(figures))) >= 12


@pytest.mark.parametrize(
    ("part", "changed", "told"),
    [
        ("packaging", {"rounds": [{"bare": 7, "bare_with_reads": 9, "packager": 8, "packager_alone": 10}]}, "0.70"),
        ("scale", {"wrong": ["any: 10001 parts"]}, "any: 10001 parts"),
        ("growth", {"wrong": ["any: seconds grow with the power 2.00"]}, "power 2.00"),
        ("memory", {"peaks": [{"function": "Deliver", "small": 176, "large": 143}]}, "23% (Deliver)"),
        ("many", {"archived": 199}, "199 of 200"),
        ("many", {"dropping": 61}, "dropped in 61 s"),
        ("imports", {"functions": [{"function": "api", "seconds": 1.3, "budget": 1.2}]}, "api"),
    ],
)
def test_what_is_not_is_told(part: str, changed: Figures, told: str) -> None:
    figures = the_figures()
    figures[part] |= changed
    (missed,) = not_kept(figures)
    assert told in missed


@pytest.mark.parametrize("step", ["plan_datablocks", "snapshot_dataset"])
@pytest.mark.parametrize("changed", [{"seconds": 61}, {"memory_mb": 513}])
def test_a_million_files_may_take_neither_too_long_nor_too_much(step: str, changed: Figures) -> None:
    figures = the_figures()
    next(figure for figure in figures["scale"]["steps"] if figure["step"] == step).update(changed)
    (missed,) = not_kept(figures)
    assert step in missed


@pytest.mark.parametrize(
    ("worse", "told"),
    [
        (a_round("16 × 64 MiB", core=16, sent=5), "16 × 64 MiB, against the floor: 1.60"),
        (a_round("3,000 × 20 KB", core=21, sent=5), "3,000 × 20 KB, against the floor: 2.10"),
        (a_round("1 × 2 GiB", core=9, sent=7), "7.00 MiB"),
        (a_round("1 × 2 GiB", core=9, sent=5, read=2), "2.00"),
    ],
)
def test_a_shape_is_told_by_its_warm_rounds(worse: Figures, told: str) -> None:
    figures = the_figures()
    better = next(figure for figure in figures["shapes"] if figure["shape"] == worse["shape"])
    figures["shapes"].append(worse | {"cold": True})
    assert not_kept(figures) == []
    figures["shapes"][figures["shapes"].index(better)] = worse
    (missed,) = not_kept(figures)
    assert told in missed


def test_a_shape_is_told_while_others_are_still_measured() -> None:
    figures = {"shapes": [a_round("16 × 64 MiB", core=16, sent=5)]}
    assert not_kept(figures) == ["archive of 16 × 64 MiB, against the floor: 1.60"]
