"""Find archived datasets that SciCat calls archivable, as their owners can, and tell SciCat the truth.

Only of what is proven to be archived. A dataset that a run works on is left to that run.
"""

import time

from archiver import archived, storage
from archiver.models import DatasetsSwept
from archiver.scicat import catalogue
from archiver.step import deadline, logger, step


@step
def handler(sweep: DatasetsSwept) -> DatasetsSwept:
    cursor, done = sweep.cursor, True
    for pid in catalogue().archivable_with_datablocks():
        if pid <= sweep.cursor:
            continue
        if time.monotonic() >= deadline():
            done = False
            break
        _restore(pid)
        cursor = pid
    return sweep.model_copy(update={"cursor": "" if done else cursor, "done": done})


def _restore(pid: str) -> None:
    dataset = catalogue().recorded_dataset(pid) if storage.read_lease(pid) is None else None
    if dataset is not None and not archived.restore(dataset):
        logger.warning("a dataset with datablocks is called archivable, and cannot be proven", extra={"pid": pid})
