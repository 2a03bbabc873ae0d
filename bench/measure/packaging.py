"""The packager alone, in one process, beside the bare part copies and uploads that it must make."""

import math
import os
import time
from dataclasses import dataclass
from typing import override

from archiver.aws.s3 import Bucket
from archiver.packaging import Packager, Source
from archiver.tar.layout import Limits
from bench.baselines import lower_bound
from bench.baselines.lower_bound import uploaded_files
from bench.harness.datasets import SHAPES, Shape, body, upload
from bench.harness.stack import LANDING, STAGING, RunningStack
from tests.support.memory_bucket import MemoryFolder

# The speed that is wanted, as a share of that of the bare operations.
LEAST = 0.8


@dataclass(frozen=True, slots=True)
class Packaged:
    """Seconds of one round, each with the completion: of the bare operations, and of the packager beside them.

    ``bare`` are the copies and uploads of parts, ``bare_with_reads`` the same beside the reads that fingerprints take.
    ``packager`` is the whole packager; ``packager_alone`` is it with the bytes that it fingerprints in memory already.
    """

    bare: float
    bare_with_reads: float
    packager: float
    packager_alone: float

    @property
    def alone(self) -> float:
        """The speed of packaging without its reads, as a share of that of the bare copies and uploads."""
        return self.bare / self.packager_alone

    @property
    def with_reads(self) -> float:
        """The speed of packaging with its reads, as a share of that of the bare operations with these."""
        return self.bare_with_reads / self.packager

    @property
    def reads_on_one_side(self) -> float:
        """The speed of packaging with its reads, as a share of that of the bare copies and uploads without any."""
        return self.bare / self.packager


def measure(stack: RunningStack, runs: int, shape: Shape = SHAPES[0]) -> list[Packaged]:
    """Pack a dataset so many times, each time beside the bare operations."""
    landing = stack.bucket(LANDING)
    prefix = f"{shape.folder}/"
    upload(stack.s3, landing.name, prefix, shape)
    in_memory = _InMemory(stack, prefix, shape)
    rounds = []
    for run in range(runs):
        name = f"{shape.folder}-{time.time_ns()}-{run}"
        bare = lower_bound.measure(stack, landing, prefix, name, hand_over=False)
        whole = _package(stack, Source(landing, prefix), f"{name}-whole")
        alone = _package(stack, Source(in_memory, prefix), f"{name}-alone")
        rounds.append(Packaged(bare.parts + bare.completed, bare.together + bare.completed, whole, alone))
    landing.delete(found.key for found in landing.list(prefix))
    return rounds


class _InMemory(Bucket):
    """The landing bucket, whose bytes are known without a request."""

    def __init__(self, stack: RunningStack, prefix: str, shape: Shape) -> None:
        super().__init__(stack.s3, LANDING)
        self._bodies = {prefix + path: body(number, size) for number, (path, size) in enumerate(shape.files())}

    @override
    def get(self, key: str, etag: str, start: int, length: int, name: str | None = None) -> bytes:
        return self._bodies[key][start : start + length]


def _package(stack: RunningStack, source: Source, name: str) -> float:
    """Seconds until the tars are sealed; they are deleted again."""
    staging = stack.bucket(STAGING)
    folder = MemoryFolder(uploaded_files(source.bucket, source.prefix))
    packager = Packager(folder, source, staging, f"{name}-{{}}.tar".format, Limits())
    os.sync()  # what was written before
    begun = time.monotonic()
    planned = packager.plan()
    for work in packager.slices():
        packager.package(work, math.inf)
    keys = [packager.seal(one.number).key for one in planned]
    seconds = time.monotonic() - begun
    staging.delete(keys)
    return seconds
