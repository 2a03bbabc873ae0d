"""Become the one writer of a dataset, and tell SciCat that its archiving began.

Raises ServiceRefused("busy") while another run works on it, or has left a verified archive for the sweep to
settle, and ServiceRefused("scicat_forbidden") when SciCat would not let its archive be recorded;
DatasetRejected("dataset_unknown"), and DatasetRejected("bad_path") for a pid that could not stand in a key.
A dataset that is archived already is left as it is.
"""

from archiver import storage, workflows
from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.models import Lease, RunClaimed, RunOutcome, RunStarted
from archiver.names import wrong_pid
from archiver.scicat import catalogue
from archiver.step import step


@step
def handler(run: RunStarted) -> RunClaimed:
    _refuse_wrong_name(run.pid)
    _take_lease(run)
    dataset = catalogue().need_dataset(run.pid, datablocks=True)
    foreign = [block.archive_id for block in dataset.datablocks if f"/{run.run_id}/" not in block.archive_id]
    # `retrievable` alone may have been set by a user; the records are what counts.
    archived = bool(foreign) and dataset.lifecycle.get("retrievable") is True
    if archived:
        outcome = RunOutcome(pid=run.pid, outcome="done", code="already_archived", message="It is archived already.")
        storage.RunFolder(run.run_id).save("outcome.json", outcome)
    elif foreign:
        raise ServiceRefused(
            Code.ARCHIVE_ID_CONFLICT,
            "The dataset has datablocks of an earlier attempt: an operator must look.",
            foreign,
        )
    else:
        catalogue().need_rights(run.pid)
        catalogue().update_lifecycle(run.pid, archiveStatusMessage="started", archivable=False, retrievable=False)
    return RunClaimed(**run.model_dump(), archived=archived)


def _refuse_wrong_name(pid: str) -> None:
    """SciCat stores any pid; here it becomes part of S3 keys and of the tars' archive ids."""
    wrong = wrong_pid(pid)
    if wrong:
        raise DatasetRejected(Code.BAD_PATH, f"The pid {wrong}.", [pid])


def _take_lease(run: RunStarted) -> None:
    wanted = Lease(run_id=run.run_id, execution_arn=run.execution_arn)
    holder = storage.take_lease(run.pid, wanted, ended=_left_nothing)
    if holder is not None:
        raise ServiceRefused(Code.BUSY, f"The dataset is being worked on by the run {holder.run_id}.")


def _left_nothing(held: Lease) -> bool:
    """Whether the holder is gone and the catalogue knows nothing of its work, which begins with a verified archive."""
    return workflows.has_ended(held.worker_arn) and storage.RunFolder(held.run_id).read("verified.json") is None
