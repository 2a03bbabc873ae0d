"""Put together what the steps of a run work with: its folder, its buckets, its limits."""

from archiver.errors import ServiceRefused, ServiceUnavailable
from archiver.keys import Keys
from archiver.log import logger
from archiver.lts.long_term_storage import long_term_storage
from archiver.models.states import Run
from archiver.packaging import Packager, Source
from archiver.settings import settings
from archiver.storage import buckets
from archiver.storage.documents import SNAPSHOT
from archiver.storage.run_folder import RunFolder
from archiver.tar.layout import Limits


def packager(run: Run) -> Packager:
    """The packager of a run whose files were matched. Raises LookupError when they were not."""
    folder = RunFolder(run.run_id)
    return Packager(
        folder=folder,
        source=Source(buckets.landing(), folder.need(SNAPSHOT).prefix),
        staging=buckets.staging(),
        key_of=lambda number: Keys.datablock(run.pid, run.run_id, number),
        limits=Limits(datablock_bytes=settings().datablock_bytes),
    )


def abort_uploads(run: Run) -> None:
    """Forget what the run began to upload, to staging and to the long-term storage, and did not complete.

    A storage that does not let itself be tidied up holds nothing else up; the sweep comes by later.
    """
    own = Keys.datablocks(run.pid, run.run_id)
    buckets.staging().abort_uploads(own)
    try:
        long_term_storage().bucket.abort_uploads(own)
    except (ServiceUnavailable, ServiceRefused) as error:
        logger.warning("uploads are left in the long-term storage", extra={"reason": error.reason.to_json()})
