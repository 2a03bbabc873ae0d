"""Copy a worker's share of the datablocks into the retrieval bucket, each proven byte by byte on its way.

Raises ServiceRefused (``corrupt_datablock``), ServiceUnavailable (``recall_failed``) when tape let one go again.
"""

from archiver import storage
from archiver.delivery import Delivered, deliver
from archiver.errors import Code, ServiceUnavailable
from archiver.lts import LongTermStorage, TapeState, long_term_storage
from archiver.models import CatalogueDatablock, LaneDone, LaneWork, WantedDatablock
from archiver.settings import settings
from archiver.step import deadline, step


@step
def handler(work: LaneWork) -> LaneDone:
    folder = storage.RunFolder(work.run_id)
    wanted = folder.need("datablocks.json", list[WantedDatablock])
    done = all(_deliver(one, folder) for one in wanted[work.lane :: work.lanes])
    return LaneDone(**work.model_dump(), done=done)


def _deliver(wanted: WantedDatablock, folder: storage.RunFolder) -> bool:
    """Whether the datablock is delivered; if not, time ran out."""
    note = f"delivered/{wanted.number:06d}.json"
    if folder.load(note, Delivered) is not None:
        return True
    datablock = folder.need(f"datablocks/{wanted.number:06d}.json", CatalogueDatablock)
    lts = long_term_storage()
    delivered = deliver(datablock, lts, storage.retrieval(), folder, deadline())
    if delivered is None:
        _recall_again(wanted, lts)
        return False
    folder.save(note, delivered)
    return True


def _recall_again(wanted: WantedDatablock, lts: LongTermStorage) -> None:
    stored = lts.stored(wanted.archive_id)
    if stored is not None and stored.state is not TapeState.READABLE:
        lts.recall(wanted.archive_id, settings().retrieval_days)
        raise ServiceUnavailable(Code.RECALL_FAILED, f"{wanted.archive_id} went back to tape before it was read.")
