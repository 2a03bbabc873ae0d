"""Match the catalogue's list of files with the bucket, and pin every file by its ETag.

Raises DatasetRejected naming the first hundred files that are missing, extra, of another size or badly named.
"""

from archiver import datasets, storage
from archiver.models import Run, Snapshot
from archiver.scicat import catalogue
from archiver.step import step


@step
def handler(run: Run) -> Run:
    dataset = catalogue().need_dataset(run.pid, files=True)
    upload = storage.upload_of(run.pid)
    folder = storage.RunFolder(run.run_id)
    files, size = folder.write_files(datasets.match(dataset.files, storage.uploaded(upload), upload.prefix))
    fingerprint = datasets.fingerprint_of(dataset.files)
    folder.save("snapshot.json", Snapshot(prefix=upload.prefix, files=files, size=size, catalogue=fingerprint))
    return run
