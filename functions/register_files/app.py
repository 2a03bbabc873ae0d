"""Register a drop's files in SciCat, and let the dataset be archived.

Files that an earlier attempt registered are not registered again. Raises DatasetRejected(``catalogue_changed``)
when SciCat lists files that the drop does not hold.
"""

from archiver import ingest
from archiver.ingest import DropRegistered
from archiver.ingest.documents import DROP, MATCHED
from archiver.reporting import lifecycle
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage.run_folder import RunFolder


@step
def handler(drop: DropRegistered) -> DropRegistered:
    folder = RunFolder(drop.run_id)
    content = folder.need(DROP)
    matched = folder.need(MATCHED)
    # All are compared before any is registered.
    new = catalogue().files_of(
        drop.pid, lambda registered: list(ingest.unregistered(registered, folder.files(0, matched.files)))
    )
    listed = matched.files - len(new)
    for block in ingest.origdatablocks(new):
        chk_alg = content.chk_alg if any(file.chk for file in block) else None
        catalogue().add_origdatablock(drop.pid, block, chk_alg, after=listed)
        listed += len(block)
    catalogue().update_lifecycle(drop.pid, **lifecycle.FILES_REGISTERED)
    return drop
