"""Ask the long-term storage for the datablocks that cannot be read yet, and say when to look again.

Asking twice does no harm, so one call serves to begin, to look and to ask again for what was lost.
Raises ServiceRefused (``recall_failed``: a datablock is not there; ``recall_timeout``).
"""

from datetime import UTC, datetime, timedelta

from archiver.delivery import is_delivered
from archiver.errors import Code, ServiceRefused
from archiver.lts import long_term_storage
from archiver.models import RecallProgress, WantedDatablock
from archiver.settings import settings
from archiver.step import step
from archiver.storage import RunFolder

# A recall takes hours; each look costs nine of an execution's 25,000 events. So every wait is a quarter
# of the time waited already: 3 seconds are noticed after 4, and three days need 450 looks.
FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=10)
# Twice what the slowest of these tiers promises (https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html).
DEADLINES = {"Expedited": timedelta(hours=24), "Standard": timedelta(hours=24), "Bulk": timedelta(hours=72)}


@step
def handler(progress: RecallProgress) -> RecallProgress:
    now = datetime.now(UTC)
    since = progress.since or now
    wanted = RunFolder(progress.run_id).need("datablocks.json", list[WantedDatablock])
    waited_for = [one.archive_id for one in wanted if not _is_at_hand(one)]
    if waited_for and now - since > DEADLINES[settings().lts_recall_tier]:
        raise ServiceRefused(Code.RECALL_TIMEOUT, "The long-term storage did not bring the datablocks back.", waited_for)
    wait = max(FIRST_WAIT, min((now - since) / 4, LONGEST_WAIT)) if waited_for else timedelta()
    return progress.model_copy(update={"since": since, "wait_seconds": round(wait.total_seconds())})
