"""The status and the message of a job, from the outcomes of its datasets."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from archiver.errors import Reason
from archiver.models.states import JobKind, RunOutcome
from archiver.settings import settings
from archiver.wording import counted

type JobStatusName = Literal["finishedSuccessful", "finishedWithDatasetErrors", "finishedUnsuccessful"]

# A job's message names this many datasets that failed; the datasets themselves carry all of it.
_NAMED_DATASETS = 5


def job_report(kind: JobKind, outcomes: Sequence[RunOutcome]) -> tuple[JobStatusName, str]:
    """The status and the message of a job, from the outcomes of all its datasets (at least one)."""
    count = Counter(outcome.outcome for outcome in outcomes)
    if count["done"] == len(outcomes):
        return "finishedSuccessful", "jobFinished"
    message = _job_message(kind, count["done"], outcomes)
    if count["failed"] and not count["done"]:
        return "finishedUnsuccessful", message
    return "finishedWithDatasetErrors", message


def job_refused(reason: Reason) -> tuple[JobStatusName, str]:
    """The status and the message of a job that was not even begun."""
    return "finishedUnsuccessful", f"{reason.code}: {reason.message} See {settings().page_about(reason.code)}"


def _job_message(kind: JobKind, done: int, outcomes: Sequence[RunOutcome]) -> str:
    unhappy = [outcome for outcome in outcomes if outcome.outcome != "done"]
    named = "; ".join(f"{one.pid}: {one.code}: {one.message}" for one in unhappy[:_NAMED_DATASETS])
    more = f"; and {len(unhappy) - _NAMED_DATASETS} more." if len(unhappy) > _NAMED_DATASETS else ""
    return f"{done} of {counted(len(outcomes), 'dataset')} {kind}d. {named}{more} See {settings().error_codes_url}"
