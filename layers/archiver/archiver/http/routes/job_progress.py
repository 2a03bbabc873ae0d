"""How far the run of one dataset is, read from what it wrote down and from its execution's history."""

from pydantic import BaseModel, Field

from archiver.aws import step_functions
from archiver.models.states import JobKind, Run
from archiver.packaging.progress import PLAN, shares
from archiver.retrieve import documents
from archiver.storage.documents import OUTCOME, SNAPSHOT, WANTED
from archiver.storage.run_folder import RunFolder


class Amount(BaseModel):
    """So much done of so much; the total is not known before the work is planned."""

    done: int = 0
    total: int | None = None


class RunProgress(BaseModel):
    """How far one dataset is, or how it ended."""

    pid: str
    run: str = Field(description="The name of the nested execution")
    step: str | None = Field(description="What is being done, or was done last")
    files: Amount = Field(description="Files read and packed; of a retrieval, tars delivered")
    bytes: Amount = Field(description="Their bytes")
    code: str | None = Field(description="How the run ended: a word for success, or the reason it failed")
    message: str | None


def of(run: Run, kind: JobKind) -> RunProgress:
    """The progress of ``run``; it costs a few requests, however large the dataset is."""
    folder = RunFolder(run.run_id)
    files, size = _packaged(folder) if kind is JobKind.ARCHIVE else _delivered(folder)
    outcome = folder.load(OUTCOME)
    return RunProgress(
        pid=run.pid,
        run=run.run_id,
        step=step_functions.latest_step(execution_arn(run, kind)),
        files=files,
        bytes=size,
        code=outcome and outcome.code,
        message=outcome and outcome.message,
    )


def execution_arn(run: Run, kind: JobKind) -> str:
    """The execution that does a run."""
    return step_functions.execution_arn(step_functions.machine_of_run(kind), run.run_id)


def _packaged(folder: RunFolder) -> tuple[Amount, Amount]:
    """Files and bytes, to the size of a slice: one that is begun counts."""
    snapshot = folder.load(SNAPSHOT)
    if snapshot is None:
        return Amount(), Amount()
    plan = folder.load(PLAN) or []
    share = shares(plan, folder.names)
    files = sum(int(share[datablock.number] * datablock.files) for datablock in plan)
    size = sum(int(share[datablock.number] * datablock.size) for datablock in plan)
    return Amount(done=files, total=snapshot.files), Amount(done=size, total=snapshot.size)


def _delivered(folder: RunFolder) -> tuple[Amount, Amount]:
    """Tars and their bytes."""
    wanted = folder.load(WANTED)
    if wanted is None:
        return Amount(), Amount()
    written = set(folder.names(documents.DELIVERED))
    sizes = [datablock.packed_size for datablock in wanted if documents.delivered(datablock).name in written]
    total = sum(one.packed_size for one in wanted)
    return Amount(done=len(sizes), total=len(wanted)), Amount(done=sum(sizes), total=total)
