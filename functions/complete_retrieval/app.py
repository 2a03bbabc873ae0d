"""Tell SciCat that a dataset is retrieved: each of its datablocks lies in the retrieval bucket, proven.

Raises ServiceRefused naming the datablocks that are not there and their files: ``corrupt_datablock`` (or
what else a datablock was refused for), ``recall_failed`` when tape did not keep one readable long enough.
"""

from archiver.errors import Code, ServiceRefused
from archiver.models.documents import Document
from archiver.models.states import Run, RunOutcome
from archiver.reporting import archived, lifecycle, lost_edits
from archiver.retrieve import documents
from archiver.retrieve.delivery import Refused
from archiver.retrieve.documents import PASSED_OVER
from archiver.retrieve.settling import refusal_of
from archiver.step import step
from archiver.storage.documents import OUTCOME, WANTED
from archiver.storage.run_folder import RunFolder
from archiver.wording import counted


@step
def handler(run: Run) -> RunOutcome:
    folder = RunFolder(run.run_id)
    wanted = folder.need(WANTED)
    refused = [folder.need(Document(name, Refused)) for name in folder.names(documents.REFUSED)]
    delivered = set(folder.names(documents.DELIVERED))
    if refused:
        raise refusal_of(refused, len(delivered), len(wanted))
    missing = [datablock.archive_id for datablock in wanted if documents.delivered(datablock).name not in delivered]
    if missing:
        message = f"{len(missing)} of {counted(len(wanted), 'datablock')} went back to tape before they were read."
        raise ServiceRefused(Code.RECALL_FAILED, message, missing)
    message = f"{counted(len(wanted), 'datablock is', 'datablocks are')} ready for download."
    if passed_over := folder.load(PASSED_OVER):
        verb = "counts" if passed_over == 1 else "count"
        message = f"{message} {counted(passed_over, 'record', 'records')} of other datablocks {verb} for nothing."
    told = lifecycle.retrieved_message(message)
    # The owner need not read a message that says no more than the status.
    shown = told if passed_over else {}
    archived.tell(run.pid, **lifecycle.RETRIEVED, **shown)
    lost_edits.warn(run.pid, told)
    outcome = RunOutcome(pid=run.pid, outcome="done", code="retrieved", message=message)
    folder.save(OUTCOME, outcome)
    return outcome
