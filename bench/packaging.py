"""The packager alone, in one process, beside the bare part copies and uploads that it must make."""

import math
import time
from dataclasses import dataclass

from archiver.datablocks import Limits
from archiver.packaging import Packager, Source
from bench import floor
from bench.floor import uploaded_files
from bench.shapes import SHAPES, Shape, upload
from bench.stack import LANDING, STAGING, RunningStack
from tests.unit.memory_bucket import MemoryFolder


@dataclass(frozen=True, slots=True)
class Packaged:
    """Seconds of one round: the packager's, and those of the bare operations just before it."""

    packaged: float
    sealed: float
    parts: float
    together: float
    completed: float

    @property
    def against_parts(self) -> float:
        """Its speed, as a share of that of the bare copies and uploads; it reads every byte besides."""
        return (self.parts + self.completed) / (self.packaged + self.sealed)

    @property
    def against_all(self) -> float:
        """Its speed, as a share of that of the bare copies and uploads with the reads that a fingerprint takes."""
        return (self.together + self.completed) / (self.packaged + self.sealed)


def measure(stack: RunningStack, runs: int, shape: Shape = SHAPES[0]) -> list[Packaged]:
    """Pack a dataset so many times, each time beside the bare operations."""
    landing, staging = stack.bucket(LANDING), stack.bucket(STAGING)
    prefix = f"{shape.folder}/"
    upload(stack.s3, landing.name, prefix, shape)
    rounds = []
    for run in range(runs):
        name = f"{shape.folder}-{time.time_ns()}-{run}"
        bare = floor.measure(stack, landing, prefix, name, hand_over=False)
        folder = MemoryFolder(uploaded_files(landing, prefix))
        packager = Packager(folder, Source(landing, prefix), staging, f"{name}-{{}}.tar".format, Limits())
        begun = time.monotonic()
        planned = packager.plan()
        for work in packager.slices():
            packager.package(work, math.inf)
        packaged = time.monotonic()
        for one in planned:
            staging.delete([packager.seal(one.number).key])
        ended = time.monotonic()
        rounds.append(Packaged(packaged - begun, ended - packaged, bare.parts, bare.together, bare.completed))
    landing.delete(found.key for found in landing.list(prefix))
    return rounds
