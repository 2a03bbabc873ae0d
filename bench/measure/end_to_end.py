"""Each shape of dataset through the whole service, beside the floor and beside the plain way, in the same run."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.baselines import download_and_tar, lower_bound
from bench.baselines.download_and_tar import PlainWay
from bench.baselines.lower_bound import Floor
from bench.harness import pipeline
from bench.harness.datasets import SHAPES, Shape, upload
from bench.harness.invocations import Invocation, peak_memory, total_bytes, total_requests
from bench.harness.pipeline import Archived
from bench.harness.stack import RunningStack

# The steps of the workflows whose times are told; packaging reads and fingerprints every byte as it copies.
STEPS = {
    "match": "SnapshotDataset",
    "plan": "PlanDatablocks",
    "fingerprint and package": "PackageDatablocks",
    "seal": "SealDatablocks",
    "store": "StoreDatablocks",
    "verify": "VerifyDatablocks",
    "register": "RegisterDatablocks",
    "complete": "CompleteDataset",
    "clean up": "CleanUpDataset",
}


def measure(stack: RunningStack, runs: int, shapes: Sequence[Shape] = SHAPES) -> Iterator[dict[str, Any]]:
    """The figures of each shape and run. In the first the functions start cold, in the others they are warm."""
    landing = stack.bucket(stack.endpoints.buckets["landing"])
    for run in range(runs):
        for shape in shapes:
            name = f"{shape.folder}-{time.time_ns()}"
            prefix = f"incoming/{name}/"
            upload(stack.s3, landing.name, prefix, shape)
            bare = lower_bound.measure(stack, landing, prefix, f"floor-{name}")
            by_hand = download_and_tar.measure(stack, landing.name, prefix, f"plain-{name}")
            if run == 0:
                stack.begin_anew()
            os.sync()  # what was written before
            archived = pipeline.archive(stack, prefix, name)
            stack.forget()
            yield {"shape": shape.name, "cold": run == 0, **_figures(shape, bare, by_hand, archived)}


def _figures(shape: Shape, bare: Floor, by_hand: PlainWay, archived: Archived) -> dict[str, Any]:
    history = archived.histories["archive_dataset"]
    return {
        "files": len(shape.sizes),
        "size": shape.size,
        "load": os.getloadavg()[0],
        "whole": archived.seconds,
        "core": archived.core,
        "steps": {name: history.steps[state] for name, state in STEPS.items()},
        "ingest": archived.histories["ingest"].steps["IngestDrop"],
        "floor": {name: getattr(bare, name) for name in (*bare.__slots__, "whole")},
        "plain": {name: getattr(by_hand, name) for name in (*by_hand.__slots__, "whole")},
        "transitions": {workflow: history.transitions for workflow, history in archived.histories.items()},
        "events": history.events,
        "largest_state": max(history.largest_state for history in archived.histories.values()),
        **figures_of(archived.invocations),
    }


def figures_of(invocations: Sequence[Invocation]) -> dict[str, Any]:
    """What the functions took: seconds, calls, memory, bytes and requests, by function."""
    seconds: dict[str, float] = {}
    for one in invocations:
        seconds[one.function] = seconds.get(one.function, 0.0) + one.seconds
    return {
        "lambda_seconds": seconds,
        "calls": dict(Counter(invocation.function for invocation in invocations)),
        "memory_mb": peak_memory(invocations),
        "bytes": {name: dict(total_bytes(_of(invocations, name))) for name in seconds},
        "requests": {name: dict(total_requests(_of(invocations, name))) for name in seconds},
    }


def _of(invocations: Sequence[Invocation], function: str) -> list[Invocation]:
    return [invocation for invocation in invocations if invocation.function == function]


def telling_rounds(rounds: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The warm rounds of each shape; the cold one where there is no other."""
    shapes: dict[str, list[Mapping[str, Any]]] = {}
    for one in rounds:
        shapes.setdefault(one["shape"], []).append(one)
    return {name: [one for one in all_of if not one["cold"]] or all_of for name, all_of in shapes.items()}


def packaged_bytes(figures: Mapping[str, Any]) -> Counter[str]:
    """The bytes of one archive that packaging has read, sent and had copied; the end of a tar is sent by sealing."""
    moved = figures["bytes"]
    return Counter(moved["PackageDatablock"]) + Counter(moved["SealDatablock"])
