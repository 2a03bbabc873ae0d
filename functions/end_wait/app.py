"""End the waits for a datablock when the long-term storage says that it can be read.

The event may come twice, late or not at all: a wait that ended already is fine, and every wait ends by itself.
"""

from archiver.aws import step_functions
from archiver.log import logger
from archiver.models.states import ObjectEvent, WaitsEnded
from archiver.settings import settings
from archiver.step import step
from archiver.storage import buckets, task_tokens


@step
def handler(event: ObjectEvent) -> WaitsEnded:
    if event.detail.bucket.name != settings().lts_bucket:
        logger.warning("an event of another bucket was ignored")
        return WaitsEnded(ended=0)
    waits = [wait for key in event.possible_keys for wait in task_tokens.waits(key)]
    ended = [step_functions.end_wait(wait.token) for _, wait in waits]
    buckets.staging().delete(key for key, _ in waits)
    return WaitsEnded(ended=sum(ended))
