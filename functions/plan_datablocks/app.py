"""Decide which files lie in which tar, and begin the tars.

Raises DatasetRejected("file_too_large") for a file that no S3 object can hold in a tar.
"""

from collections.abc import Sequence

from archiver.archive import runs
from archiver.models.states import Run, RunLanes
from archiver.settings import settings
from archiver.step import step


@step
def handler(run: Run) -> RunLanes:
    packager = runs.packager(run)
    planned = packager.plan()
    return RunLanes(**run.model_dump(), lanes=_lanes(packager.slices()), datablock_lanes=_lanes(planned))


def _lanes(pieces: Sequence[object]) -> tuple[int, ...]:
    return tuple(range(min(settings().lanes, max(len(pieces), 1))))
