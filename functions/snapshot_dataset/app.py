"""Match the catalogue's list of files with the bucket, and pin every file by its ETag.

Raises DatasetRejected naming the first hundred files that are missing, extra, of another size or badly named,
and for a folder that another dataset was dropped in since. Of what is odd but may stand there are warnings.
"""

from archiver.archive import matching
from archiver.archive.fingerprint import Fingerprint
from archiver.archive.snapshot import own_upload, write_warnings
from archiver.keys import Keys
from archiver.models import file_lists
from archiver.models.states import Run, RunMatched, Snapshot
from archiver.reporting.warnings import FileWarnings, size_warnings
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage import sources
from archiver.storage.documents import SNAPSHOT
from archiver.storage.run_folder import RunFolder
from archiver.uploads.pins import unchanged


@step
def handler(run: Run) -> RunMatched:
    dataset = catalogue().need_dataset(run.pid)
    upload = own_upload(run.pid)
    folder = RunFolder(run.run_id)
    listed = catalogue().files_of(run.pid, lambda files: file_lists.in_byte_order(files, folder))
    fingerprint, noticed = Fingerprint(), FileWarnings()
    # What came into a dropped folder after it was taken in stays there, and is told of when the rest is archived.
    matched = matching.match(
        fingerprint.watch(listed),
        sources.uploaded(upload),
        upload.prefix,
        others_stay=upload.prefix.startswith(Keys.DROPS),
    )
    entries, size = folder.write_files(noticed.watch(unchanged(run.pid, upload, matched)))
    sums = size_warnings(dataset.totals.size, fingerprint.sizes, size)
    write_warnings(folder, [*noticed.warnings(folder.files(0, entries)), *sums])
    snapshot = Snapshot(
        prefix=upload.prefix, entries=entries, files=noticed.files, size=size, catalogue=fingerprint.hexadecimal
    )
    folder.save(SNAPSHOT, snapshot)
    return RunMatched(**run.model_dump(), offline=noticed.offline)
