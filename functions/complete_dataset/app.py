"""Tell SciCat that the dataset is archived, when its records are exactly those of this run.

Raises ServiceRefused("lease_lost") and ServiceRefused("archive_id_conflict").
"""

from archiver import storage
from archiver.errors import Code, ServiceRefused
from archiver.models import Run, RunOutcome, SealedDatablock
from archiver.scicat import catalogue
from archiver.step import step


@step
def handler(run: Run) -> Run:
    folder = storage.RunFolder(run.run_id)
    verified = folder.need("verified.json", list[SealedDatablock])
    dataset = catalogue().dataset(run.pid, datablocks=True)
    registered = {(block.archive_id, block.packed_size) for block in dataset.datablocks} if dataset else set()
    if registered != {(datablock.key, datablock.packed_size) for datablock in verified}:
        raise ServiceRefused(Code.ARCHIVE_ID_CONFLICT, "SciCat's datablocks are not those that were archived.")
    storage.hold_lease(run.pid, run.run_id)
    catalogue().update_lifecycle(
        run.pid, archiveStatusMessage="datasetOnArchiveDisk", archivable=False, retrievable=True
    )
    message = f"{sum(datablock.files for datablock in verified)} files in {len(verified)} datablocks"
    folder.save("outcome.json", RunOutcome(pid=run.pid, outcome="done", code="archived", message=message))
    return run
