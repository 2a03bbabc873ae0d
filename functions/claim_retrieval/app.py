"""Look up which datablocks are wanted of a dataset, and tell SciCat that its retrieval began.

Raises DatasetRejected (``dataset_unknown``, ``no_datablocks``, ``not_archived``, ``bad_path``,
``unknown_files``).
"""

from archiver.models.states import RecallProgress, RunStarted
from archiver.reporting import archived, lifecycle
from archiver.retrieve.claiming import refuse_what_is_not_archived, write_down
from archiver.retrieve.documents import PASSED_OVER
from archiver.retrieve.extraction import selection_of
from archiver.retrieve.selection import Choice
from archiver.settings import settings
from archiver.step import step
from archiver.storage.run_folder import RunFolder


@step
def handler(run: RunStarted) -> RecallProgress:
    dataset = archived.need_recorded(run.pid)
    refuse_what_is_not_archived(dataset)
    folder = RunFolder(run.run_id)
    wanted = write_down(dataset, Choice(selection_of(run)), folder)
    folder.save(PASSED_OVER, len(dataset.others))
    archived.tell(run.pid, **lifecycle.RETRIEVAL_STARTED)
    lanes = range(min(settings().lanes, len(wanted)))
    return RecallProgress(**run.model_dump(), lanes=tuple(lanes))
