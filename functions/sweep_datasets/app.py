"""Find archived datasets that SciCat calls archivable, as their owners can, and tell SciCat the truth.

Only of what is proven to be archived. A dataset that a run works on is left to that run.
"""

import time

from archiver.deadline import deadline
from archiver.log import logger
from archiver.models.states import SweepProgress
from archiver.reporting import archived
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage import leases
from archiver.sweep.sweeping import Sweeping


@step
def handler(sweep: SweepProgress) -> SweepProgress:
    sweeping = Sweeping(sweep)
    cursor, done = sweep.cursor, True
    for pid in catalogue().archivable_with_datablocks():
        if pid <= sweep.cursor:
            continue
        if time.monotonic() >= deadline():
            done = False
            break
        with sweeping.alone(pid):
            _restore(pid, sweeping)
        cursor = pid
    return sweeping.reached(SweepProgress, cursor, done=done)


def _restore(pid: str, sweeping: Sweeping) -> None:
    dataset = archived.recorded(pid) if leases.read_lease(pid) is None else None
    if dataset is None or not dataset.datablocks:
        return
    if archived.restore(dataset):
        sweeping.did("archived datasets called so again")
    else:
        logger.warning("a dataset with datablocks is called archivable, and cannot be proven", extra={"pid": pid})
