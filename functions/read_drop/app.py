"""Read a drop's dataset.json and its list of checksums, as the only execution that works on the folder.

Raises DatasetRejected(``bad_drop``, ``bad_path``, ``unreadable_files``) naming what is wrong with them, and
(``misplaced_drop``) for a document that was meant as dataset.json and is not in its place.
"""

from dataclasses import dataclass, field

from archiver import ingest
from archiver.aws import step_functions
from archiver.errors import Code, DatasetRejected, ServiceUnavailable
from archiver.ingest import DatasetDocument, Drop, DropRead, ListedFile, drop_folder
from archiver.ingest.documents import DROP, LISTED
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
    found = _list(document, drop.prefix)
    bucket, pid_prefix = settings().landing_bucket, settings().pid_prefix
    content = ingest.content_of(document, bucket, drop.prefix, found.name, pid_prefix).model_copy(
        update={"sources": {Keys.DROP_MARKER: etag} | found.sources, "awaited": found.awaited, "chk_alg": found.chk_alg}
    )
    folder = RunFolder(drop.run_id)
    folder.save(LISTED, ingest.check_list(found.files, content))
    folder.save(DROP, content)
    return DropRead(**drop.model_dump(), pid=content.pid)


def _take_lease(drop: Drop) -> None:
    """Two writes of one dataset.json may arrive together; what is busy now is tried again later."""
    wanted = Lease(run_id=drop.run_id, execution_arn=drop.execution_arn)
    holder = leases.take_lease(drop.prefix, wanted, ended=lambda held: step_functions.has_ended(held.execution_arn))
    if holder is not None:
        raise ServiceUnavailable(Code.BUSY, f"The folder is being taken in by the run {holder.run_id}.")


@dataclass(slots=True)
class _FoundList:
    """A drop's list: the ``name`` of its file of checksums, or the name that is ``awaited``, and the files it lists.

    ``sources`` has the ETag of each file of checksums that was looked for, None where it was not there.
    """

    chk_alg: str
    name: str | None = None
    awaited: str | None = None
    files: list[ListedFile] = field(default_factory=list)
    sources: dict[str, str | None] = field(default_factory=dict)


def _list(document: DatasetDocument, prefix: str) -> _FoundList:
    found = _FoundList(document.chk_alg, awaited=document.checksums, files=document.files or [])
    stated = document.chk_alg if "chk_alg" in document.model_fields_set else None
    for name in ingest.checksum_file_of(document):
        read = drop_folder.read_document(prefix, name, ingest.CHECKSUM_FILE_LIMIT)
        found.sources[name] = None if read is None else read[1]
        if read is not None:
            parsed = ingest.parse_checksums(read[0], name, stated)
            found.name, found.awaited = name, None
            found.chk_alg, found.files = parsed.chk_alg, list(parsed.files)
            break
    return found
