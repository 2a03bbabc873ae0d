"""Many small datasets dropped at once, beside a large one: do all end archived, how fast, and who waits for whom?"""

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from bench.harness import pipeline
from bench.harness.datasets import MIB, Shape, upload
from bench.harness.stack import RunningStack
from local.client import wait_for

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient
    from types_boto3_stepfunctions.type_defs import ExecutionListItemTypeDef

SMALL = Shape("small", (30_000,) * 5)
LARGE = Shape("large", (64 * MIB,) * 32)
_PATIENCE_SECONDS = 1_800.0
_DROPPERS = 4


@dataclass(frozen=True, slots=True)
class Many:
    """Seconds: ``dropping`` all small datasets, until ``all_archived``, and from a drop to its end.

    ``queued`` is the longest time from a drop to the beginning of its ingest. ``beside`` are the seconds of those that
    ended while the large one was on its way, ``after`` those of the others.
    """

    datasets: int
    archived: int
    dropping: float
    all_archived: float
    median: float
    slowest: float
    queued: float
    large: float
    beside: int
    after: int


def measure(stack: RunningStack, count: int = 200) -> Many:
    """Drop a large dataset, and then so many small ones."""
    stamp = time.time_ns()
    landing = stack.endpoints.buckets["landing"]
    large = f"incoming/large-{stamp}/"
    prefixes = [f"incoming/small-{stamp}-{number:04}/" for number in range(count)]
    upload(stack.s3, landing, large, LARGE)
    with ThreadPoolExecutor(_DROPPERS) as pool:
        list(pool.map(lambda prefix: upload(stack.s3, landing, prefix, SMALL), prefixes))
    begun = datetime.now().astimezone()
    pipeline.drop(stack, large, "large")
    dropped = {}
    for prefix in prefixes:
        pipeline.drop(stack, prefix, prefix)
        dropped[prefix] = datetime.now().astimezone()
    dropping = (datetime.now().astimezone() - begun).total_seconds()
    jobs = {prefix: _job_of(stack, prefix) for prefix in (large, *prefixes)}
    ended = _ends(stack, list(jobs.values()))
    large_end = ended.pop(jobs[large])
    seconds = {prefix: (ended[jobs[prefix]] - dropped[prefix]).total_seconds() for prefix in prefixes}
    beside = sum(1 for prefix in prefixes if ended[jobs[prefix]] <= large_end)
    return Many(
        datasets=count,
        archived=sum(1 for prefix in prefixes if _is_archived(stack, prefix)),
        dropping=dropping,
        all_archived=(max(ended.values()) - begun).total_seconds(),
        median=statistics.median(seconds.values()),
        slowest=max(seconds.values()),
        queued=_longest_queue(stack, begun, sorted(dropped.values())),
        large=(large_end - begun).total_seconds(),
        beside=beside,
        after=count - beside,
    )


def _job_of(stack: RunningStack, prefix: str) -> str:
    told = wait_for(f"the status of {prefix}", _PATIENCE_SECONDS, lambda: stack.visitor.drop_status(prefix))
    return str(told["job"])


def _ends(stack: RunningStack, jobs: Sequence[str]) -> dict[str, datetime]:
    """When each job's execution ended."""
    wanted = set(jobs)

    def look() -> dict[str, datetime] | None:
        listed = _executions(stack.aws.stepfunctions, stack.endpoints.stateMachines["archive"])
        ended = {one["name"]: one["stopDate"] for one in listed if one["status"] != "RUNNING"}
        return {job: ended[job] for job in jobs} if wanted <= ended.keys() else None

    return wait_for("the end of all jobs", _PATIENCE_SECONDS, look)


def _executions(client: "SFNClient", machine: str) -> "list[ExecutionListItemTypeDef]":
    pages = client.get_paginator("list_executions").paginate(stateMachineArn=machine)
    return [one for page in pages for one in page["executions"]]


def _is_archived(stack: RunningStack, prefix: str) -> bool:
    told = stack.visitor.drop_status(prefix)
    return told is not None and stack.visitor.dataset(told["pid"])["datasetlifecycle"]["retrievable"] is True


def _longest_queue(stack: RunningStack, begun: datetime, dropped: Sequence[datetime]) -> float:
    """The longest time from a drop to an ingest: the n-th ingest is of the n-th drop, or of one before it."""
    listed = _executions(stack.aws.stepfunctions, stack.endpoints.stateMachines["ingest"])
    started = sorted(execution["startDate"] for execution in listed if execution["startDate"] >= begun)[1:]
    return max((start - drop).total_seconds() for start, drop in zip(started, dropped, strict=False))
