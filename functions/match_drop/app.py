"""Compare what lies in the dropped folder with what the drop says it holds. No file is read.

While files may still be on their way, the folder is looked at again later, and dataset.status.json says so. Raises
DatasetRejected naming the first hundred files that are missing, extra, of another size, badly named or not readable.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from archiver import ingest
from archiver.errors import Code, DatasetRejected
from archiver.ingest import DropContent, DropMatched, FileCount, ListedFile, Look, Patience, Waiting, drop_folder
from archiver.ingest.documents import DROP, LISTED, MATCHED
from archiver.keys import Keys
from archiver.models.files import Upload
from archiver.settings import settings
from archiver.step import step
from archiver.storage import buckets, sources
from archiver.storage.run_folder import RunFolder


@step
def handler(drop: DropMatched) -> DropMatched:
    if drop_folder.holds_foreign_report(drop):
        raise DatasetRejected(Code.BAD_PATH, f"{ingest.TAKEN_NAME} Rename the file.", [Keys.DROP_STATUS])
    folder = RunFolder(drop.run_id)
    content = folder.need(DROP)
    listed = _listed(folder, content)
    seen = _look(drop, content, listed)
    if seen.differs_from(content):
        return drop.model_copy(update={"reread": True, "waiting": _wait_for_documents(drop)})
    patience = Patience(settings().drop_quiet_seconds, settings().drop_missing_seconds)
    waiting = ingest.wait_on(drop.waiting, seen, patience, listed=listed is not None, now=datetime.now(UTC))
    if waiting.seconds:
        drop_folder.replace_status(drop, ingest.waiting_status(seen, waiting, listed), content.pid)
    else:
        _refuse_endless(seen, content, listed, quiet=waiting.quiet >= waiting.needed)
        drop_folder.remove_own_refusals(drop.prefix, seen.refusals)
        _match(drop, folder, content, _as_found(listed, seen))
    return drop.model_copy(update={"waiting": waiting, "reread": False})


def _wait_for_documents(drop: DropMatched) -> Waiting:
    waiting = ingest.wait_for_documents(drop.waiting, datetime.now(UTC))
    if not waiting.seconds:
        sentence = "What says which files belong to the drop was written anew for a whole day: write it once more."
        raise DatasetRejected(Code.STILL_ARRIVING, sentence)
    return waiting


def _listed(folder: RunFolder, content: DropContent) -> list[ListedFile] | None:
    if content.awaited is not None:
        return [ListedFile(path=content.awaited)]
    return folder.need(LISTED) if content.listed else None


def _look(drop: DropMatched, content: DropContent, listed: Sequence[ListedFile] | None) -> Look:
    """Which uploads are open does not matter when all listed files are there, as they mostly are at the first look."""
    if listed is not None and drop.waiting.since is None:
        seen = ingest.look(buckets.landing().list(drop.prefix), content, drop.prefix, listed)
        if not seen.missing:
            return seen
    uploads = list(buckets.landing().begun_uploads(drop.prefix))
    return ingest.look(buckets.landing().list(drop.prefix), content, drop.prefix, listed, uploads)


def _refuse_endless(seen: Look, content: DropContent, listed: Sequence[ListedFile] | None, *, quiet: bool) -> None:
    """Refuse what cannot even be matched: without a list and never quiet, or without the list that it names."""
    if content.awaited is not None:
        sentence = "The list of checksums that dataset.json names is not in the folder: upload it, or name it rightly."
        raise DatasetRejected(Code.MISSING_FILES, sentence, [content.awaited])
    if listed is None and not quiet and (seen.arrived.files or seen.open_uploads):
        sentence = (
            "The folder was not quiet for a whole day, and dataset.json comes without a list of files. "
            "Complete or abort the open uploads, or add a list."
        )
        raise DatasetRejected(Code.STILL_ARRIVING, sentence, seen.open_uploads)


def _as_found(listed: Sequence[ListedFile] | None, seen: Look) -> list[ListedFile] | None:
    """The list with the names that the objects have, where they differ from it in form alone."""
    if listed is None:
        return None
    found = {name: path for path, name in seen.aliases.items()}
    return [file.model_copy(update={"path": found.get(file.path, file.path)}) for file in listed]


def _match(drop: DropMatched, folder: RunFolder, content: DropContent, listed: Sequence[ListedFile] | None) -> None:
    upload = Upload(prefix=drop.prefix, documents=content.documents)
    matched = ingest.match(listed, content.chk_alg, sources.uploaded(upload), drop.prefix)
    timed = {file.path for file in listed or () if file.time is not None}
    if listed is None or len(timed) < len(listed):
        matched = drop_folder.with_attributes(matched, drop.prefix, timed)
    files, size = folder.write_files(matched)
    folder.save(MATCHED, FileCount(files=files, size=size))
