"""Which dropped folders wait for an answer, and who gives it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

from archiver.aws import step_functions
from archiver.errors import Code
from archiver.ingest import TAKEN_IN_LATER, Drop, DropStatus, drop_folder, is_like_marker, leftovers
from archiver.keys import Keys
from archiver.log import logger
from archiver.models.files import S3Object
from archiver.models.states import Lease
from archiver.settings import settings
from archiver.storage import buckets, leases
from archiver.sweep.sweeping import Sweeping

# An event arrives within seconds. Whoever uploads dataset.json first may still be uploading.
GRACE_PERIOD = timedelta(minutes=10)
# For so long each sweep looks whether a rejected drop has what it lacked; later on one sweep an hour does.
LOOKED_AT_OFTEN = timedelta(days=7)
# So many objects of a folder without a dataset.json are looked through for one in a wrong place: ten requests.
_LOOKED_THROUGH = 10_000
# So many of the missing files are looked for before a drop is taken in again: those that the list names first and last.
_PROBED = 2


@dataclass(frozen=True, slots=True)
class Looking:
    """A look at the drops; ``archived`` are those that may have news to tell, which needs SciCat: it comes last."""

    sweeping: Sweeping
    now: datetime
    archived: list[tuple[str, DropStatus]] = field(default_factory=list)


def is_answered(folder: str, looking: Looking) -> bool:
    """Whether the folder need not be looked at again within this hour."""
    marker, status = _document(folder + Keys.DROP_MARKER), _document(folder + Keys.DROP_STATUS)
    if marker is None:
        return _misplaced_are_answered(folder, looking)
    if status is not None and status.modified >= marker.modified:
        return _still_holds(folder, marker, status, looking)
    if looking.now - marker.modified >= GRACE_PERIOD:
        _answer(drop_folder.drop_of(marker), looking.sweeping)
    return False


def _document(key: str) -> S3Object | None:
    """What a listing tells of an object."""
    found = next(buckets.landing().list(key), None)
    return found if found is not None and found.key == key else None


def _answer(drop: Drop | None, sweeping: Sweeping) -> None:
    if drop is None:
        return
    status = step_functions.status(drop.execution_arn)
    if status is None:
        logger.warning("a drop that nobody took in is taken in", extra={"prefix": drop.prefix})
        step_functions.start(settings().ingest_state_machine_arn, drop.run_id, drop.model_dump(mode="json"))
        sweeping.did("drops taken in")
    elif status != "RUNNING":
        _leave_to_settle(drop)


def _leave_to_settle(drop: Drop) -> None:
    lease = Lease(run_id=drop.run_id, execution_arn=drop.execution_arn)
    leases.take_lease(drop.prefix, lease, ended=lambda _: False)


# Answers that time overtakes


def _still_holds(folder: str, marker: S3Object, status: S3Object, looking: Looking) -> bool:
    """Take a drop in that has what it lacked; tell of files that came after the archive."""
    said = drop_folder.read_status(folder)
    if said is None:
        return True
    if said.status == "archived":
        looking.archived.append((folder, said))
        return True
    if said.code is None or said.code not in TAKEN_IN_LATER:
        return True
    if _has_what_it_lacked(folder, said):
        _answer(drop_folder.drop_of(marker, after=status.etag), looking.sweeping)
        return False
    return looking.now - status.modified >= LOOKED_AT_OFTEN


def tell_of_news(folder: str, said: DropStatus, sweeping: Sweeping) -> None:
    """Tell of files that came after the archive."""
    if said.pid is not None and leftovers.tell_of_news(folder, said.pid, said):
        sweeping.did("archived drops told of other files")


def _has_what_it_lacked(folder: str, said: DropStatus) -> bool:
    match said.code:
        case Code.MISSING_FILES:
            probed = dict.fromkeys([said.files[0], said.files[-1]][:_PROBED] if said.files else [])
            return all(_document(folder + path) is not None for path in probed)
        case Code.NO_FILES:
            documents = {folder + Keys.DROP_MARKER, folder + Keys.DROP_STATUS}
            # A folder's documents are few, and of a list of checksums alone nothing is taken in.
            return any(found.key not in documents for found in islice(buckets.landing().list(folder), 10))
        case _:
            return next(buckets.landing().begun_uploads(folder), None) is None


# What is not in its place


def _misplaced_are_answered(folder: str, looking: Looking) -> bool:
    """Answer each dataset.json deeper in a folder that is no drop, and each with a wrong name, when all has arrived."""
    newest, meant, reports = datetime.min.replace(tzinfo=UTC), [], {}
    for found in islice(buckets.landing().list(folder), _LOOKED_THROUGH):
        newest = max(newest, found.modified)
        if is_like_marker(found.key):
            meant.append(found)
        elif found.key.endswith(f"/{Keys.DROP_STATUS}"):
            reports[found.key.removesuffix(Keys.DROP_STATUS)] = found.modified
    if looking.now - newest < GRACE_PERIOD:
        return False
    for marker in meant:
        drop = drop_folder.misplaced_drop_of(marker)
        if drop is not None and reports.get(drop.prefix, datetime.min.replace(tzinfo=UTC)) < marker.modified:
            _answer(drop, looking.sweeping)
    return True


def answer_outside(looking: Looking) -> None:
    """Answer a dataset.json directly in ``incoming/``, and drops in a folder that is called nearly so."""
    for folder in [Keys.DROPS, *_nearly_so_called()]:
        with looking.sweeping.alone(folder):
            marker, status = _document(folder + Keys.DROP_MARKER), _document(folder + Keys.DROP_STATUS)
            if marker is not None and (status is None or status.modified < marker.modified):
                _answer(drop_folder.misplaced_drop_of(marker), looking.sweeping)
        for below in buckets.landing().folders(folder) if folder != Keys.DROPS else ():
            with looking.sweeping.alone(below):
                _misplaced_are_answered(below, looking)


def _nearly_so_called() -> Iterator[str]:
    return (folder for folder in buckets.landing().folders("") if folder.lower() == Keys.DROPS and folder != Keys.DROPS)
