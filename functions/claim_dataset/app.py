"""Become the one writer of a dataset, and tell SciCat that its archiving began.

Raises ServiceRefused("busy") while another run works on it, DatasetRejected("dataset_unknown").
A dataset that is archived already is left as it is.
"""

from archiver import storage, workflows
from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.models import Lease, RunClaimed, RunOutcome, RunStarted
from archiver.scicat import catalogue
from archiver.step import step


@step
def handler(run: RunStarted) -> RunClaimed:
    _take_lease(run)
    dataset = catalogue().dataset(run.pid, datablocks=True)
    if dataset is None:
        raise DatasetRejected(Code.DATASET_UNKNOWN, f"SciCat does not know the dataset {run.pid}.")
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
        catalogue().update_lifecycle(run.pid, archiveStatusMessage="started", archivable=False, retrievable=False)
    return RunClaimed(**run.model_dump(), archived=archived)


def _take_lease(run: RunStarted) -> None:
    wanted = Lease(run_id=run.run_id, execution_arn=run.execution_arn)
    holder = storage.take_lease(run.pid, wanted, ended=lambda held: workflows.status(held.execution_arn) != "RUNNING")
    if holder is not None:
        raise ServiceRefused(Code.BUSY, f"The dataset is being worked on by the run {holder.run_id}.")
