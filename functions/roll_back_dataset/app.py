"""Take back what a failed run made: its catalogue records, its tars in staging, its open uploads. Nothing else.

Everything a run makes carries its run id. What it handed to the long-term storage stays there, without
a record: the storage is write-once. A dataset that SciCat calls archived, by this run or by an earlier
one, stays archived: then only the run failed. And when all that failed is that SciCat does not answer, a verified
archive is kept, and SciCat is told later. Where SciCat does not show its list of datablocks, or does not let their
records be removed (``DELETE_GROUPS``), these stay: the next archiving of the dataset takes them back.
"""

from archiver.archive.roll_back import take_back
from archiver.errors import Code
from archiver.models.states import RunFailed, RunOutcome, RunRolledBack
from archiver.reporting.failures import reason_of
from archiver.reporting.lifecycle import outcome_of, pending_outcome
from archiver.step import step
from archiver.storage.documents import OUTCOME, VERIFIED
from archiver.storage.run_folder import RunFolder

# SciCat does not answer, or not to the password that it is asked with: either ends.
_SILENT = {Code.SCICAT_UNAVAILABLE, Code.SCICAT_LOGIN}


@step
def handler(run: RunFailed) -> RunRolledBack:
    folder = RunFolder(run.run_id)
    written = folder.load(OUTCOME)
    if written is not None and written.outcome == "done":
        # SciCat was told, whatever its owner made of it since.
        return RunRolledBack(**run.model_dump(), archived=True)
    reason = reason_of(run.failure)
    is_pending = reason.code in _SILENT and folder.read(VERIFIED.name) is not None
    # First for ourselves: the reason is not lost when SciCat does not answer.
    outcome = pending_outcome(run.pid, reason.code) if is_pending else outcome_of(run.pid, reason)
    folder.save(OUTCOME, outcome)
    is_archived = not is_pending and take_back(run)
    if is_archived:
        folder.save(OUTCOME, RunOutcome(pid=run.pid, outcome="done", code="archived", message="It is archived."))
    return RunRolledBack(**run.model_dump(), archived=is_archived, pending=is_pending)
