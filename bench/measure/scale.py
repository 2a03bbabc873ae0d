"""A million files and fifty terabytes without a cloud: the steps that see every file, and every limit of the services.

Each step runs in a process of its own, as in Lambda, between fakes that answer listings and the catalogue.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from archiver.aws.multipart import part_ranges
from archiver.lts.long_term_storage import STREAMED_PART
from archiver.models.files import SourceFile
from archiver.models.states import RunLanes
from archiver.settings import MIB, Settings
from archiver.tar.layout import Limits, PlannedDatablock, plan
from bench.harness.fakes import PID, RUN_ID, ManyFiles
from bench.harness.single_step import Took

# The services' limits: Step Functions' states and histories, MongoDB's documents, S3's uploads.
MAX_STATE_BYTES = 256 * 1024
MAX_EVENTS = 25_000
MAX_RECORD_BYTES = 16_000_000
MAX_PARTS = 10_000
# What a million files may take, in seconds and MB.
PLAN_SECONDS, VALIDATE_SECONDS, MEMORY_MB = 30.0, 60.0, 512.0

# It takes the place of packaging, which needs bytes; what it takes is not the service's.
STAND_IN = "seal"
ARCHIVE = (
    "snapshot_dataset",
    "plan_datablocks",
    STAND_IN,
    "register_datablocks",
    "complete_dataset",
    "clean_up_dataset",
    "claim_retrieval",
)
INGEST = ("match_drop", "register_files")

# Of a lane: MapIterationStarted and -Succeeded, and its Succeed state entered and exited. Of a call of its function:
# five events of the Task, two of the Choice after it. Of everything else: as counted in a local execution's history.
_EVENTS_OF_LANE, _EVENTS_OF_CALL, _OTHER_EVENTS = 4, 7, 57
_TB = 10**12


def measure(count: int, size: int = 20_000, steps: Sequence[str] = (*INGEST, *ARCHIVE)) -> list[Took]:
    """Take a dataset of so many files through the steps that see all of them."""
    took = []
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder:
        for step in steps:
            part = "ingest" if step in INGEST else "archive"
            took.append(_in_a_process(step, ManyFiles(count, size), Path(folder) / part))
    return took


def _in_a_process(step: str, files: ManyFiles, folder: Path) -> Took:
    command = [sys.executable, "-m", "bench.harness.single_step", step, str(files.count), str(files.size), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise RuntimeError(f"{step} of {files.count} files: {done.stderr[-2_000:]}")
    return Took(**json.loads(done.stdout.splitlines()[-1]))


@dataclass(frozen=True, slots=True)
class ByPlan:
    """What a dataset comes to before a byte of it is read. ``slowest_lane`` is in MiB/s.

    That is the speed below which one of the functions that share the work would need more events than an
    execution may have.
    """

    name: str
    files: int
    size: int
    datablocks: int
    slices: int
    most_parts: int
    most_parts_in_lts: int
    most_files: int
    plan_bytes: int
    state_bytes: int
    events: int
    slowest_lane: float


# Fifty terabytes, as they come: exposures, movies, a few volumes, and one file as large as S3 has them.
FIFTY_TERABYTES = {
    "1,000,000 × 50 MB": ManyFiles(1_000_000, 50_000_000),
    "400,000 × 125 MB": ManyFiles(400_000, 125_000_000),
    "12,500 × 4 GB": ManyFiles(12_500, 4_000_000_000),
    "10 × 5 TB": ManyFiles(10, 5 * _TB),
}


def by_plan(name: str, files: ManyFiles, lane_speed: float = 60.0) -> ByPlan:
    """Plan a dataset; each lane reads ``lane_speed`` MiB/s."""
    most_lanes, slice_seconds = _default("lanes"), _default("slice_seconds")
    planned = list(plan(_listed(files), Limits(datablock_bytes=_default("datablock_bytes"))))
    slices = sum(one.slices for one in planned)
    lanes, datablock_lanes = (min(most_lanes, max(pieces, 1)) for pieces in (slices, len(planned)))
    packed = sum(one.packed_size for one in planned)
    # Packaging reads each byte once, and the hand-off once; sealing reads next to nothing.
    per_call = lane_speed * MIB * slice_seconds
    fixed = _OTHER_EVENTS + _EVENTS_OF_LANE * (lanes + 2 * datablock_lanes) + _EVENTS_OF_CALL * 3 * lanes
    events = fixed + round(_EVENTS_OF_CALL * 2 * packed / per_call)
    spare = (MAX_EVENTS - fixed) / _EVENTS_OF_CALL
    state = RunLanes(
        job_id=RUN_ID, run_id=RUN_ID, pid=PID, lanes=tuple(range(lanes)), datablock_lanes=tuple(range(datablock_lanes))
    )
    return ByPlan(
        name=name,
        files=files.count,
        size=files.count * files.size,
        datablocks=len(planned),
        slices=slices,
        most_parts=max(one.parts for one in planned),
        most_parts_in_lts=max(len(part_ranges(one.packed_size, STREAMED_PART)) for one in planned),
        most_files=max(one.files for one in planned),
        plan_bytes=_plan_bytes(planned),
        state_bytes=len(state.model_dump_json()),
        events=events,
        slowest_lane=2 * packed / spare / slice_seconds / MIB,
    )


def _default(setting: str) -> int:
    value: int = Settings.model_fields[setting].default
    return value


def _listed(files: ManyFiles) -> Iterator[SourceFile]:
    for number in range(files.count):
        yield SourceFile(files.path(number), files.size, 1_795_420_800_000_000_000, etag=f"{number:032x}")


def _plan_bytes(planned: Sequence[PlannedDatablock]) -> int:
    return len(json.dumps([{name: getattr(one, name) for name in one.__slots__} for one in planned]))


def wrong(took: Sequence[Took]) -> list[str]:
    """What a million files took too much of; nothing, when all is well."""
    seconds = {"plan_datablocks": PLAN_SECONDS, "snapshot_dataset": VALIDATE_SECONDS}
    found = []
    for one in took:
        if one.seconds > seconds.get(one.step, float("inf")):
            found.append(f"{one.step} took {one.seconds:.1f} s")
        if one.step != STAND_IN and one.memory_mb > MEMORY_MB:
            found.append(f"{one.step} took {one.memory_mb:.0f} MB")
        if one.state_bytes > MAX_STATE_BYTES:
            found.append(f"{one.step} returned a state of {one.state_bytes} bytes")
        if one.record_bytes > MAX_RECORD_BYTES:
            found.append(f"{one.step} wrote a record of {one.record_bytes} bytes")
    return found


def wrong_by_plan(one: ByPlan) -> list[str]:
    """Which limits of the services a planned dataset would go beyond."""
    limits = {
        "parts": (max(one.most_parts, one.most_parts_in_lts), MAX_PARTS),
        "events": (one.events, MAX_EVENTS),
        "bytes of state": (one.state_bytes, MAX_STATE_BYTES),
    }
    return [f"{one.name}: {found} {what}" for what, (found, most) in limits.items() if found > most]
