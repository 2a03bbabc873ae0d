"""Start the ingest of a drop when its dataset.json arrives.

The execution is named after that write of dataset.json, so an event that is delivered again starts nothing. A document
that was meant as dataset.json and is not in its place gets an ingest too, which says so beside it.
"""

from archiver.aws import step_functions
from archiver.ingest import Drop, drop_folder
from archiver.keys import Keys
from archiver.log import logger
from archiver.models.files import S3Object
from archiver.models.states import ObjectEvent
from archiver.settings import settings
from archiver.step import step
from archiver.storage import buckets


@step
def handler(event: ObjectEvent) -> Drop | None:
    if event.detail.bucket.name != settings().landing_bucket:
        logger.warning("an event of another bucket was ignored")
        return None
    marker = _marker(event)
    drop = (drop_folder.drop_of(marker) or _misplaced(marker)) if marker else None
    if drop is None:
        logger.warning("an event that is not about a drop's dataset.json, or about one that is gone, was ignored")
        return None
    step_functions.start(settings().ingest_state_machine_arn, drop.run_id, drop.model_dump(mode="json"))
    return drop


def _misplaced(marker: S3Object) -> Drop | None:
    """What cannot be meant otherwise. In a deeper folder it may be data: the sweep looks when all has arrived."""
    drop = drop_folder.misplaced_drop_of(marker)
    if drop is None or marker.key.count("/") > 2 or _is_there(drop.prefix + Keys.DROP_MARKER, unless=marker.key):
        return None
    return drop


def _is_there(key: str, unless: str) -> bool:
    return key != unless and any(found.key == key for found in buckets.landing().list(key))


def _marker(event: ObjectEvent) -> S3Object | None:
    """The object that the event is about, unless it was replaced or removed since."""
    for key in event.possible_keys:
        found = next(buckets.landing().list(key), None)
        if found is not None and found.key == key and found.etag == event.detail.object.etag.strip('"'):
            return found
    return None
