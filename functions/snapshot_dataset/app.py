"""Match the catalogue's list of files with the bucket, and pin every file by its ETag.

Raises DatasetRejected naming the first hundred files that are missing, extra, of another size or badly named,
and for a folder that another dataset was dropped in since. What is odd but may stand is remarked.
"""

from collections.abc import Iterable, Iterator

from archiver.archive import matching
from archiver.archive.fingerprint import Fingerprint
from archiver.errors import Code, DatasetRejected
from archiver.keys import Keys
from archiver.log import logger
from archiver.models import file_lists
from archiver.models.files import SourceFile, Upload
from archiver.models.states import Run, RunMatched, Snapshot
from archiver.reporting.warnings import WARNINGS, FileRemarks, Remark, size_remarks
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage import sources
from archiver.storage.documents import SNAPSHOT
from archiver.storage.run_folder import RunFolder
from archiver.uploads import registry
from archiver.uploads.known_files import Pins

_CHANGED = (
    "Files were replaced, added or taken away after the upload was declared complete. "
    "Please upload what is not right, and declare it complete once more."
)


@step
def handler(run: Run) -> RunMatched:
    dataset = catalogue().need_dataset(run.pid)
    upload = _upload(run.pid)
    folder = RunFolder(run.run_id)
    listed = catalogue().files_of(run.pid, lambda files: file_lists.in_byte_order(files, folder))
    fingerprint, noticed = Fingerprint(), FileRemarks()
    # What came into a dropped folder after it was taken in stays there, and is told of when the rest is archived.
    matched = matching.match(
        fingerprint.watch(listed),
        sources.uploaded(upload),
        upload.prefix,
        others_stay=upload.prefix.startswith(Keys.DROPS),
    )
    entries, size = folder.write_files(noticed.watch(_unchanged(run.pid, upload, matched)))
    sums = size_remarks(dataset.totals.size, fingerprint.sizes, size)
    _remark(folder, [*noticed.remarks(folder.files(0, entries)), *sums])
    snapshot = Snapshot(
        prefix=upload.prefix, entries=entries, files=noticed.files, size=size, catalogue=fingerprint.hexadecimal
    )
    folder.save(SNAPSHOT, snapshot)
    return RunMatched(**run.model_dump(), offline=noticed.offline)


def _upload(pid: str) -> Upload:
    upload = sources.upload_of(pid)
    if not sources.owns_upload(pid, upload):
        raise DatasetRejected(Code.BAD_DROP, f"Another dataset was dropped in {upload.prefix} since.")
    return upload


def _unchanged(pid: str, upload: Upload, matched: Iterable[SourceFile]) -> Iterator[SourceFile]:
    """The same files. Raises DatasetRejected when they are not those that were declared complete, where any were."""
    declared = None if upload.prefix.startswith(Keys.DROPS) else registry.upload(pid)
    if declared is None or declared.pinned is None:
        yield from matched
        return
    pins = Pins(pid, declared.pinned)
    there, changed = 0, []
    for file in matched:
        if file.etag:
            there += 1
            if not pins.have(file.path, file.size, file.etag):
                changed.append(file.path)
        yield file
    if changed or there != pins.files:
        raise DatasetRejected(Code.CHANGED_AFTER_VALIDATE, _CHANGED, changed)


def _remark(folder: RunFolder, remarks: list[Remark]) -> None:
    for remark in remarks:
        logger.warning(remark.message, extra={"remark": remark.code})
    folder.save(WARNINGS, remarks)
