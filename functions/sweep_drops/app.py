"""Find dropped folders whose dataset.json nobody has answered, and start the ingest that its event should have started.

The ingest has the name that the event would have given it: what was started before starts nothing. One that was
stopped before it took its lease is given one here, by which SweepRuns finds it.
"""

import time
from datetime import UTC, datetime, timedelta

from archiver import runs, storage, workflows
from archiver.drops import Drop
from archiver.keys import Keys
from archiver.models import Lease, S3Object, SweepProgress
from archiver.settings import settings
from archiver.step import deadline, logger, step

# An event arrives within seconds. Whoever uploads dataset.json first may still be uploading.
PATIENCE = timedelta(minutes=10)


@step
def handler(sweep: SweepProgress) -> SweepProgress:
    now = datetime.now(UTC)
    # A dropped dataset.json may be replaced, and that event be lost too: an answer counts for an hour.
    hour = now.strftime("%Y-%m-%dT%H")
    known = storage.answered_drops(hour)
    answered = set(known)
    done, last = True, sweep.cursor
    for folder in storage.landing().folders(Keys.DROPS, sweep.cursor):
        if time.monotonic() >= deadline():
            done = False
            break
        if folder not in known and _is_answered(folder, now):
            answered.add(folder)
        last = folder
    if answered != known:
        storage.record_answered_drops(hour, frozenset(answered))
    return SweepProgress(run_id=sweep.run_id, execution_arn=sweep.execution_arn, cursor="" if done else last, done=done)


def _is_answered(folder: str, now: datetime) -> bool:
    marker, status = _document(folder + Keys.DROP_MARKER), _document(folder + Keys.DROP_STATUS)
    if marker is None:
        return False
    if status is not None and status.modified >= marker.modified:
        return True
    if now - marker.modified >= PATIENCE:
        _answer(marker)
    return False


def _document(key: str) -> S3Object | None:
    """What a listing tells of an object: to read it is not allowed here, nor needed."""
    found = next(storage.landing().list(key), None)
    return found if found is not None and found.key == key else None


def _answer(marker: S3Object) -> None:
    drop = runs.drop_of(marker)
    if drop is None:
        return
    status = workflows.status(drop.execution_arn)
    if status is None:
        logger.warning("a drop that nobody took in is taken in", extra={"prefix": drop.prefix})
        workflows.start(settings().ingest_state_machine_arn, drop.run_id, drop.model_dump())
    elif status != "RUNNING":
        _leave_to_settle(drop)


def _leave_to_settle(drop: Drop) -> None:
    lease = Lease(run_id=drop.run_id, execution_arn=drop.execution_arn)
    storage.take_lease(drop.prefix, lease, ended=lambda _: False)
