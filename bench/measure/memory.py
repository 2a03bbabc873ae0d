"""The most memory of every function for a small dataset and for a large one, each with new processes."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.harness import pipeline
from bench.harness.datasets import GIB, MIB, Shape, upload
from bench.harness.invocations import Invocation, Watch, peak_memory
from bench.harness.stack import RunningStack

SMALL = Shape("10 MB", (1_000_000,) * 10)
LARGE = Shape("4 GiB", (64 * MIB,) * (4 * GIB // (64 * MIB)))
# By how much the most memory may differ between the two.
MOST = 0.10


@dataclass(frozen=True, slots=True)
class Peak:
    """The most memory of a function, in MB, for the small dataset and for the large one."""

    function: str
    small: int
    large: int


def measure(stack: RunningStack, shapes: Sequence[Shape] = (SMALL, LARGE)) -> list[Peak]:
    """Archive and retrieve both."""
    small, large = (peak_memory(_round_trip(stack, shape)) for shape in shapes)
    return [Peak(function, small[function], large[function]) for function in sorted(small.keys() & large.keys())]


def _round_trip(stack: RunningStack, shape: Shape) -> list[Invocation]:
    stack.begin_anew()
    watch = Watch(stack.configuration.logs / "functions")
    name = f"memory-{shape.folder}-{time.time_ns()}"
    prefix = f"incoming/{name}/"
    upload(stack.s3, stack.endpoints.buckets["landing"], prefix, shape)
    archived = pipeline.archive(stack, prefix, name)
    pipeline.end_of_job(stack, stack.visitor.ask_for("retrieve", archived.pid))
    stack.forget()
    return watch.invocations()


def difference(peak: Mapping[str, Any]) -> float:
    """By how much a function's memory differs between the two, as a share of the smaller figure."""
    small, large = sorted((peak["small"], peak["large"]))
    return float((large - small) / small)
