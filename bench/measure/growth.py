"""How time and memory grow with the number of files and with the bytes: fitted slopes."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.harness.datasets import MIB
from bench.harness.single_step import Took
from bench.measure import scale
from bench.measure.scale import STAND_IN

FILES = (100, 1_000, 10_000, 100_000, 1_000_000)
BYTES = tuple(size * MIB for size in (64, 256, 1024, 4096, 16_384))
# n log n between a thousand and a million looks like a power of n: log(n log n) grows by 1.10 for each log n.
MOST = 1.10
# What is quicker than this is mostly the beginning of a process, and says nothing of growth.
_TELLING_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Slope:
    """With which power of the size the seconds of a processor and the MB grow: 1 is linear, 0 constant."""

    what: str
    seconds: float
    memory: float


def of_files(counts: Sequence[int] = FILES) -> list[Took]:
    """Take datasets of growing numbers of files through the steps that see every file."""
    return [took for count in counts for took in scale.measure(count)]


def of_bytes(sizes: Sequence[int] = BYTES) -> list[Took]:
    """Pack datasets of growing size from a source without a network, each in a process of its own."""
    return [_packed(size) for size in sizes]


def _packed(size: int) -> Took:
    command = [sys.executable, "-m", "bench.harness.single_package", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return Took(**json.loads(done.stdout.splitlines()[-1]))


def slopes(measured: Mapping[str, Sequence[tuple[int, float, float]]]) -> list[Slope]:
    """The slopes of each series of (size, seconds, MB)."""
    return [
        Slope(what, _slope([(size, seconds) for size, seconds, _ in rows]), _slope([(n, mb) for n, _, mb in rows]))
        for what, rows in measured.items()
    ]


def by_step(took: Sequence[Took]) -> dict[str, list[tuple[int, float, float]]]:
    """The series of each step of the service: size, seconds of a processor, MB."""
    series: dict[str, list[tuple[int, float, float]]] = {}
    for one in took:
        if one.step != STAND_IN:
            series.setdefault(one.step, []).append((one.files, one.cpu, one.memory_mb))
    return series


def _slope(points: Sequence[tuple[int, float]]) -> float:
    """The power with which y grows: least squares over the logarithms of what says something."""
    telling = [(math.log(x), math.log(y)) for x, y in points if y >= _TELLING_SECONDS]
    if len(telling) < 2:
        return 0.0
    mean_x = sum(x for x, _ in telling) / len(telling)
    mean_y = sum(y for _, y in telling) / len(telling)
    spread = sum((x - mean_x) ** 2 for x, _ in telling)
    return sum((x - mean_x) * (y - mean_y) for x, y in telling) / spread


def wrong(found: Sequence[Slope]) -> list[str]:
    """What grows faster than n log n."""
    return [
        f"{slope.what}: {name} grow with the power {power:.2f}"
        for slope in found
        for name, power in (("seconds", slope.seconds), ("MB", slope.memory))
        if power > MOST
    ]
