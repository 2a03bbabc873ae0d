"""Put together what the steps of a run work with: its folder, its buckets, its limits."""

from archiver import storage
from archiver.datablocks import Limits
from archiver.keys import Keys
from archiver.models import Run, Snapshot
from archiver.packaging import Packager, Source
from archiver.settings import settings
from archiver.storage import RunFolder


def packager(run: Run) -> Packager:
    """The packager of a run whose files were matched. Raises LookupError when they were not."""
    folder = RunFolder(run.run_id)
    return Packager(
        folder=folder,
        source=Source(storage.landing(), folder.need("snapshot.json", Snapshot).prefix),
        staging=storage.staging(),
        key_of=lambda number: Keys.datablock(run.pid, run.run_id, number),
        limits=Limits(datablock_bytes=settings().datablock_bytes),
    )
