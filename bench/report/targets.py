"""What is wanted of the figures, and whether they are so."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.harness.datasets import MIB
from bench.measure import growth, memory, packaging, scale
from bench.measure.end_to_end import packaged_bytes, telling_rounds
from bench.measure.packaging import Packaged

# How many times as long as the floor an archive may take.
_OF_THE_FLOOR = {"16 × 64 MiB": 1.5, "3,000 × 20 KB": 2.0}
# What packaging may send of a big file, where S3 copies the rest.
_SENT_OF_A_FILE, _BIG_FILES = 6 * MIB, ("16 × 64 MiB", "1 × 2 GiB")
# How often it may read a byte: once, and its documents.
_READ_OF_ALL = 1.1
# The documents that a verification reads and writes.
_TO_VERIFY = 0.1 * MIB
_DROPPED_WITHIN_SECONDS = 60

type Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that is wanted, what was measured of it, and whether it is so."""

    what: str
    wanted: str
    measured: str
    kept: bool


def wanted(report: Figures) -> Iterator[Wanted]:
    """All that is wanted of the parts that were measured."""
    for part, judge in _JUDGES.items():
        if part in report:
            yield from judge(report[part])


def _packaging(part: Figures) -> Iterator[Wanted]:
    speed = statistics.median(Packaged(**one).alone for one in part["rounds"])
    least = packaging.LEAST
    yield Wanted(
        f"speed of packaging {part['shape']}, against bare requests", f"≥ {least}", f"{speed:.2f}", speed >= least
    )


def _shapes(rounds: Sequence[Figures]) -> Iterator[Wanted]:
    shapes = telling_rounds(rounds)
    for name in (name for name in _OF_THE_FLOOR if name in shapes):
        most = _OF_THE_FLOOR[name]
        ratio = statistics.median(shape["core"] / shape["floor"]["whole"] for shape in shapes[name])
        yield Wanted(f"archive of {name}, against the floor", f"≤ {most}", f"{ratio:.2f}", ratio <= most)
    moved = {name: packaged_bytes(told[-1]) for name, told in shapes.items()}
    for name in (name for name in _BIG_FILES if name in shapes):
        sent = moved[name]["sent"] / shapes[name][-1]["files"]
        yield Wanted(f"sent of each file of {name}", "≤ 6 MiB", f"{sent / MIB:.2f} MiB", sent <= _SENT_OF_A_FILE)
    read = max(way["read"] / shapes[name][-1]["size"] for name, way in moved.items())
    yield Wanted(
        "reads of a byte to package it, with all documents", f"≤ {_READ_OF_ALL}", f"{read:.2f}", read <= _READ_OF_ALL
    )
    verified = max(sum(told[-1]["bytes"]["VerifyDatablocks"].values()) for told in shapes.values())
    yield Wanted("bytes to verify", "none of the files", f"{verified / MIB:.2f} MiB", verified <= _TO_VERIFY)


def _scale(part: Figures) -> Iterator[Wanted]:
    took = {one["step"]: one for one in part["steps"]}
    for step, most in (("plan_datablocks", scale.PLAN_SECONDS), ("snapshot_dataset", scale.VALIDATE_SECONDS)):
        one = took[step]
        yield Wanted(
            f"`{step}` of {one['files']:,} files",
            f"≤ {most:.0f} s, {scale.MEMORY_MB:.0f} MB",
            f"{one['seconds']:.1f} s, {one['memory_mb']:.0f} MB",
            one["seconds"] <= most and one["memory_mb"] <= scale.MEMORY_MB,
        )
    yield _nothing_beyond("limits of the services", part)


def _growth(part: Figures) -> Iterator[Wanted]:
    yield _nothing_beyond(f"growth with the power {growth.MOST:.2f} (n log n)", part)


def _nothing_beyond(limits: str, part: Figures) -> Wanted:
    return Wanted(f"beyond the {limits}", "nothing", "; ".join(part["wrong"]) or "nothing", not part["wrong"])


def _memory(part: Figures) -> Iterator[Wanted]:
    most = max(part["peaks"], key=memory.difference)
    share = memory.difference(most)
    yield Wanted(
        "difference of a function's memory between 10 MB and 4 GiB",
        f"≤ {memory.MOST:.0%}",
        f"{share:.0%} ({most['function']})",
        share <= memory.MOST,
    )


def _imports(part: Figures) -> Iterator[Wanted]:
    over = [one["function"] for one in part["functions"] if one["seconds"] > one["budget"]]
    yield Wanted("functions over their budget of imports", "none", ", ".join(over) or "none", not over)


def _many(part: Figures) -> Iterator[Wanted]:
    archived, of_all, dropping = part["archived"], part["datasets"], part["dropping"]
    told = f"{archived} of {of_all}, dropped in {dropping:.0f} s"
    kept = archived == of_all and dropping <= _DROPPED_WITHIN_SECONDS
    yield Wanted(f"{of_all} datasets dropped within a minute, archived", "all", told, kept)


_JUDGES: Mapping[str, Callable[[Any], Iterator[Wanted]]] = {
    "packaging": _packaging,
    "shapes": _shapes,
    "scale": _scale,
    "growth": _growth,
    "memory": _memory,
    "many": _many,
    "imports": _imports,
}
