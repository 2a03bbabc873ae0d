"""Become the one writer of a dataset, and tell SciCat that its archiving began.

Raises ServiceRefused("busy") while another run works on it, or has left a verified archive for the sweep to
settle, and ServiceRefused("scicat_forbidden") when SciCat would not let its archive be recorded;
DatasetRejected("dataset_unknown"), and DatasetRejected("bad_path") for a pid that could not stand in a key.
A dataset that is archived already is left as it is, and SciCat told so where it says otherwise. Records that a
failed run left are taken back, and those that stand for nothing are passed over; others that cannot be proven are
refused, ServiceRefused("archive_id_conflict").
"""

from archiver.archive.claiming import refuse_wrong_name, take_back_or_refuse, take_lease
from archiver.models.states import RunClaimed, RunOutcome, RunStarted
from archiver.reporting import archived, lifecycle
from archiver.scicat import catalogue
from archiver.step import step
from archiver.storage.documents import OUTCOME
from archiver.storage.run_folder import RunFolder


@step
def handler(run: RunStarted) -> RunClaimed:
    refuse_wrong_name(run.pid)
    take_lease(run)
    dataset = archived.need_recorded(run.pid)
    is_archived = archived.is_archived(dataset)
    if is_archived:
        outcome = RunOutcome(pid=run.pid, outcome="done", code="already_archived", message="It is archived already.")
        RunFolder(run.run_id).save(OUTCOME, outcome)
    else:
        take_back_or_refuse(dataset)
        catalogue().need_rights(run.pid)
        catalogue().update_lifecycle(run.pid, **lifecycle.ARCHIVING_STARTED)
    return RunClaimed(**run.model_dump(), archived=is_archived)
