"""Read a drop's dataset.json and its list of checksums, as the only execution that works on the folder.

Raises DatasetRejected(``bad_drop``, ``bad_path``) naming what is wrong with them.
"""

from archiver import drops, storage, workflows
from archiver.drops import DatasetDocument, Drop, DropRead, ListedFile
from archiver.errors import Code, DatasetRejected, ServiceUnavailable
from archiver.keys import Keys
from archiver.models import Lease
from archiver.settings import settings
from archiver.step import step


@step
def handler(drop: Drop) -> DropRead:
    _take_lease(drop)
    body = _document(drop.prefix + Keys.DROP_MARKER, drops.MARKER_LIMIT)
    if body is None:
        raise DatasetRejected(Code.BAD_DROP, f"{Keys.DROP_MARKER} is gone.")
    document = drops.parse_document(body)
    checksum_file, listed = _list(document, drop.prefix)
    bucket, pid_prefix = settings().landing_bucket, settings().pid_prefix
    content = drops.content_of(document, bucket, drop.prefix, checksum_file, pid_prefix)
    folder = storage.RunFolder(drop.run_id)
    folder.save("listed.json", drops.check_list(listed, content))
    folder.save("drop.json", content)
    return DropRead(**drop.model_dump(), pid=content.pid)


def _take_lease(drop: Drop) -> None:
    """Two writes of one dataset.json may arrive together; what is busy now is tried again later."""
    wanted = Lease(run_id=drop.run_id, execution_arn=drop.execution_arn)
    holder = storage.take_lease(drop.prefix, wanted, ended=lambda held: workflows.has_ended(held.execution_arn))
    if holder is not None:
        raise ServiceUnavailable(Code.BUSY, f"The folder is being taken in by the run {holder.run_id}.")


def _list(document: DatasetDocument, prefix: str) -> tuple[str | None, list[ListedFile]]:
    """The name of the drop's list of checksums, if it has one, and the files it lists."""
    names = drops.checksum_file_of(document)
    for name in names:
        body = _document(prefix + name, drops.CHECKSUM_FILE_LIMIT)
        if body is not None:
            return name, drops.parse_checksums(body, name, document.chk_alg)
    if document.checksums is not None:
        raise DatasetRejected(Code.BAD_DROP, "The list of checksums is not in the folder.", [document.checksums])
    return None, document.files or []


def _document(key: str, limit: int) -> bytes | None:
    head = storage.landing().head(key)
    if head is not None and head.size > limit:
        raise DatasetRejected(Code.BAD_DROP, f"{key} has {head.size} bytes; {limit} are allowed.")
    return storage.landing().read(key, limit)
