"""Ask for the uploads that lie on tape, each once, and say when to look again.

Today's Ingestor uploads with the class GLACIER. Where a service takes that as a mere label, or the files were
restored before, nothing is asked for. Raises ServiceRefused("landing_offline") after the deadline.
"""

from archiver.archive.restoring import advance, ask_for, can_be_read, wait
from archiver.models.states import UploadsProgress
from archiver.step import step
from archiver.storage.documents import SNAPSHOT
from archiver.storage.run_folder import RunFolder


@step
def handler(progress: UploadsProgress) -> UploadsProgress:
    folder = RunFolder(progress.run_id)
    snapshot = folder.need(SNAPSHOT)
    asked = advance(folder, progress.asked, lambda file: ask_for(file, snapshot.prefix))
    readable = progress.readable
    if asked == snapshot.entries:
        readable = advance(folder, readable, lambda file: can_be_read(file, snapshot.prefix))
    reached = progress.model_copy(update={"asked": asked, "readable": readable, "wait_seconds": 0})
    return reached if readable == snapshot.entries else wait(reached, folder)
