"""Tell SciCat that a dataset is retrieved: each of its datablocks lies in the retrieval bucket, proven.

Raises LookupError when a datablock was not delivered.
"""

from archiver.models import Run, RunOutcome, WantedDatablock
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage import RunFolder


@step
def handler(run: Run) -> RunOutcome:
    folder = RunFolder(run.run_id)
    wanted = folder.need("datablocks.json", list[WantedDatablock])
    delivered = set(folder.names("delivered/"))
    missing = [one.archive_id for one in wanted if f"delivered/{one.number:06d}.json" not in delivered]
    if missing:
        raise LookupError(f"{len(missing)} datablocks were not delivered, the first is {missing[0]}")
    catalogue().update_lifecycle(run.pid, retrieveStatusMessage="datasetRetrieved", retrieveIntegrityCheck=True)
    outcome = RunOutcome(
        pid=run.pid, outcome="done", code="retrieved", message=f"{len(wanted)} datablocks are ready for download."
    )
    folder.save("outcome.json", outcome)
    return outcome
