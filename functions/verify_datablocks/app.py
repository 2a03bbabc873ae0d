"""Compare what the long-term storage holds with what was predicted before the hand-off.

Raises ServiceRefused("lts_verify") naming the tars that are absent or differ in size or CRC64NVME.
"""

from archiver.errors import Code, ServiceRefused
from archiver.lts import long_term_storage
from archiver.models import Run
from archiver.packaging import sealed_datablocks
from archiver.step import step
from archiver.storage import RunFolder


@step
def handler(run: Run) -> Run:
    folder = RunFolder(run.run_id)
    sealed = sealed_datablocks(folder)
    wrong = [datablock.key for datablock in sealed if not long_term_storage().holds(datablock)]
    if wrong:
        raise ServiceRefused(Code.LTS_VERIFY, "The long-term storage does not hold what was handed over.", wrong)
    folder.save("verified.json", sealed)
    return run
