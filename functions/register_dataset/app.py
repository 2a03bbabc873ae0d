"""Make a dropped dataset known to SciCat, and remember which drop it came from.

A dataset that is archived already, or whose archive job is not finished, is left as it is. Raises DatasetRejected
("bad_drop") while the folder is being archived as another dataset: its files would be deleted under this one; and for a
dataset that SciCat has as another group's, which anybody who knows the folder could have made before.
"""

from archiver.ingest import DropRead, DropRegistered
from archiver.ingest.documents import DROP, DROP_OUTCOME
from archiver.ingest.registering import refuse_taken, settled_before
from archiver.models.files import Upload
from archiver.reporting import lifecycle
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage import sources
from archiver.storage.run_folder import RunFolder


@step
def handler(drop: DropRead) -> DropRegistered:
    folder = RunFolder(drop.run_id)
    content = folder.need(DROP)
    created = catalogue().create_dataset({**content.metadata, "datasetlifecycle": lifecycle.FILES_AWAITED}, drop.pid)
    settled = None if created else settled_before(drop.pid, str(content.metadata["ownerGroup"]))
    if settled is None:
        upload = Upload(prefix=drop.prefix, documents=content.documents)
        refuse_taken(upload, drop.pid)
        sources.record_upload(drop.pid, upload)
    else:
        folder.save(DROP_OUTCOME, settled)
    return DropRegistered(**drop.model_dump(), settled=settled is not None)
