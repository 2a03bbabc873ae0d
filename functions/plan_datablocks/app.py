"""Decide which files lie in which tar, and begin the tars.

Raises DatasetRejected("file_too_large") for a file that no S3 object can hold in a tar.
"""

from archiver import runs
from archiver.models import Run, RunLanes
from archiver.settings import settings
from archiver.step import step


@step
def handler(run: Run) -> RunLanes:
    packager = runs.packager(run)
    planned = packager.plan()
    pieces = max(len(packager.slices()), len(planned))
    return RunLanes(**run.model_dump(), lanes=tuple(range(min(settings().lanes, pieces))))
