"""Compare what the long-term storage holds with what was predicted before the hand-off.

Raises ServiceRefused("lts_verify") naming the tars that are absent or differ in size or CRC64NVME.
"""

from archiver.archive.storing import HandOver
from archiver.deadline import deadline
from archiver.errors import Code, ServiceRefused
from archiver.lts.long_term_storage import long_term_storage
from archiver.models.states import Run
from archiver.packaging import sealed_datablocks
from archiver.step import step
from archiver.storage import buckets
from archiver.storage.documents import VERIFIED
from archiver.storage.run_folder import RunFolder


@step
def handler(run: Run) -> Run:
    folder = RunFolder(run.run_id)
    hand_over = HandOver(long_term_storage(), buckets.staging(), folder, deadline())
    sealed = sealed_datablocks(folder)
    verified = [hand_over.verified(datablock) for datablock in sealed]
    wrong = [datablock.key for datablock, found in zip(sealed, verified, strict=True) if found is None]
    if wrong:
        raise ServiceRefused(Code.LTS_VERIFY, "The long-term storage does not hold what was handed over.", wrong)
    folder.save(VERIFIED, verified)
    return run
