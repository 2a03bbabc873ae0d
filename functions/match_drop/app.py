"""Compare what lies in the dropped folder with what the drop says it holds. No file is read.

While files may still be on their way, the folder is looked at again later, and dataset.status.json says so. Raises
DatasetRejected naming the first hundred files that are missing, extra, of another size, badly named or not readable.
"""

from datetime import UTC, datetime

from archiver import ingest
from archiver.errors import Code, DatasetRejected
from archiver.ingest import DropMatched, Patience, drop_folder
from archiver.ingest.arrival import as_found, listed_files, look_at, match_drop, refuse_endless, wait_for_documents_of
from archiver.ingest.documents import DROP
from archiver.keys import Keys
from archiver.settings import settings
from archiver.step import step
from archiver.storage.run_folder import RunFolder


@step
def handler(drop: DropMatched) -> DropMatched:
    if drop_folder.holds_foreign_report(drop):
        raise DatasetRejected(Code.BAD_PATH, f"{ingest.TAKEN_NAME} Rename the file.", [Keys.DROP_STATUS])
    folder = RunFolder(drop.run_id)
    content = folder.need(DROP)
    listed = listed_files(folder, content)
    seen = look_at(drop, content, listed)
    if seen.differs_from(content):
        return drop.model_copy(update={"reread": True, "waiting": wait_for_documents_of(drop)})
    patience = Patience(settings().drop_quiet_seconds, settings().drop_missing_seconds)
    waiting = ingest.wait_on(drop.waiting, seen, patience, listed=listed is not None, now=datetime.now(UTC))
    if waiting.seconds:
        drop_folder.replace_status(drop, ingest.waiting_status(seen, waiting, listed), content.pid)
    else:
        refuse_endless(seen, content, listed, quiet=waiting.quiet >= waiting.needed)
        drop_folder.remove_own_refusals(drop.prefix, seen.refusals)
        match_drop(drop, folder, content, as_found(listed, seen))
    return drop.model_copy(update={"waiting": waiting, "reread": False})
