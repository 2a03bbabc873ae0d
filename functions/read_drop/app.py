"""Read a drop's dataset.json and its list of checksums, as the only execution that works on the folder.

Raises DatasetRejected(``bad_drop``, ``bad_path``, ``unreadable_files``) naming what is wrong with them, and
(``misplaced_drop``) for a document that was meant as dataset.json and is not in its place.
"""

from archiver import ingest
from archiver.errors import Code, DatasetRejected, ServiceUnavailable
from archiver.ingest import Drop, DropRead, drop_folder
from archiver.ingest.documents import DROP, LISTED
from archiver.ingest.reading import list_of
from archiver.keys import Keys
from archiver.models.states import Lease
from archiver.settings import settings
from archiver.step import step
from archiver.storage import leases
from archiver.storage.run_folder import RunFolder


@step
def handler(drop: Drop) -> DropRead:
    _take_lease(drop)
    if drop.misplaced:
        raise DatasetRejected(Code.MISPLACED_DROP, ingest.misplacement(drop.misplaced), [drop.misplaced])
    read = drop_folder.read_document(drop.prefix, Keys.DROP_MARKER, ingest.MARKER_LIMIT)
    if read is None:
        raise DatasetRejected(Code.BAD_DROP, f"{Keys.DROP_MARKER} is gone. Write it again.")
    body, etag = read
    document = ingest.parse_document(body)
    found = list_of(document, drop.prefix)
    bucket, pid_prefix = settings().landing_bucket, settings().pid_prefix
    content = ingest.content_of(document, bucket, drop.prefix, found.name, pid_prefix).model_copy(
        update={"sources": {Keys.DROP_MARKER: etag} | found.sources, "awaited": found.awaited, "chk_alg": found.chk_alg}
    )
    folder = RunFolder(drop.run_id)
    folder.save(LISTED, ingest.check_list(found.files, content))
    folder.save(DROP, content)
    return DropRead(**drop.model_dump(), pid=content.pid, owner_group=document.owner_group)


def _take_lease(drop: Drop) -> None:
    """Two writes of one dataset.json may arrive together; what is busy now is tried again later."""
    wanted = Lease(run_id=drop.run_id, execution_arn=drop.execution_arn)
    holder = leases.take_lease(drop.prefix, wanted, ended=leases.is_abandoned)
    if holder is not None:
        raise ServiceUnavailable(Code.BUSY, f"The folder is being taken in by the run {holder.run_id}.")
