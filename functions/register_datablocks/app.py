"""Register the verified datablocks in SciCat, one after the other: SciCat loses counts of writes at once.

What an earlier attempt registered is left as it is. Raises ServiceRefused("lease_lost") when another run
took the dataset over, also in between; DatasetRejected("catalogue_changed") when the list of files is no
longer the one that was archived, and DatasetRejected("dataset_unknown").
"""

from archiver.archive.registering import record_of, refuse_changed
from archiver.models import catalogue_entries
from archiver.models.states import Run
from archiver.packaging import files_of, fingerprints_of
from archiver.reporting import archived
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage import leases
from archiver.storage.documents import SNAPSHOT, VERIFIED
from archiver.storage.run_folder import RunFolder


@step
def handler(run: Run) -> Run:
    leases.hold_lease(run.pid, run.run_id)
    folder = RunFolder(run.run_id)
    refuse_changed(run, folder.need(SNAPSHOT))
    known = {record.archive_id for record in archived.need_recorded(run.pid).datablocks}
    for datablock in folder.need(VERIFIED):
        fingerprints = {one.path: one for one in fingerprints_of(folder, datablock.number)}
        files = tuple(
            # Directories, and links that were not sent, have no checksum.
            catalogue_entries.recorded(file, fingerprints[file.path].sha256 if file.path in fingerprints else None)
            for file in files_of(folder, datablock.number)
        )
        record = record_of(datablock, files)
        if record.archive_id not in known or catalogue().recorded_as(run.pid, record) is None:
            leases.hold_lease(run.pid, run.run_id)
            catalogue().add_datablock(run.pid, record)
    return run
