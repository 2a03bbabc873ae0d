"""What has arrived in a dropped folder, matched with its list."""

from collections.abc import Sequence
from datetime import UTC, datetime

from archiver import ingest
from archiver.errors import Code, DatasetRejected
from archiver.ingest import DropContent, DropMatched, FileCount, ListedFile, Look, Waiting, drop_folder
from archiver.ingest.documents import LISTED, MATCHED
from archiver.models.files import Upload
from archiver.storage import buckets, sources
from archiver.storage.run_folder import RunFolder


def wait_for_documents_of(drop: DropMatched) -> Waiting:
    """Wait until the drop's documents are no longer replaced. Raises DatasetRejected after a day."""
    waiting = ingest.wait_for_documents(drop.waiting, datetime.now(UTC))
    if not waiting.seconds:
        sentence = "What says which files belong to the drop was written anew for a whole day: write it once more."
        raise DatasetRejected(Code.STILL_ARRIVING, sentence)
    return waiting


def listed_files(folder: RunFolder, content: DropContent) -> list[ListedFile] | None:
    """The files that the drop waits for; None when it comes without a list."""
    if content.awaited is not None:
        return [ListedFile(path=content.awaited)]
    return folder.need(LISTED) if content.listed else None


def look_at(drop: DropMatched, content: DropContent, listed: Sequence[ListedFile] | None) -> Look:
    """Which uploads are open does not matter when all listed files are there, as they mostly are at the first look."""
    if listed is not None and drop.waiting.since is None:
        seen = ingest.look(buckets.landing().list(drop.prefix), content, drop.prefix, listed)
        if not seen.missing:
            return seen
    uploads = list(buckets.landing().begun_uploads(drop.prefix))
    return ingest.look(buckets.landing().list(drop.prefix), content, drop.prefix, listed, uploads)


def refuse_endless(seen: Look, content: DropContent, listed: Sequence[ListedFile] | None, *, quiet: bool) -> None:
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


def as_found(listed: Sequence[ListedFile] | None, seen: Look) -> list[ListedFile] | None:
    """The list with the names that the objects have, where they differ from it in form alone."""
    if listed is None:
        return None
    found = {name: path for path, name in seen.aliases.items()}
    return [file.model_copy(update={"path": found.get(file.path, file.path)}) for file in listed]


def match_drop(drop: DropMatched, folder: RunFolder, content: DropContent, listed: Sequence[ListedFile] | None) -> None:
    """Match what lies in the folder with the list, and write the files down. Raises DatasetRejected as ``matching``."""
    upload = Upload(prefix=drop.prefix, documents=content.documents)
    matched = ingest.match(listed, content.chk_alg, sources.uploaded(upload), drop.prefix)
    timed = {file.path for file in listed or () if file.time is not None}
    if listed is None or len(timed) < len(listed):
        matched = drop_folder.with_attributes(matched, drop.prefix, timed)
    files, size = folder.write_files(matched)
    folder.save(MATCHED, FileCount(files=files, size=size))
