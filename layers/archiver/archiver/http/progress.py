"""How far the run of one dataset is, read from what it wrote down and from its execution's history."""

from pydantic import BaseModel, Field

from archiver import workflows
from archiver.models import JobKind, Run, RunOutcome, Snapshot
from archiver.settings import settings
from archiver.storage import RunFolder


class Amount(BaseModel):
    """So much done of so much; the total is not known before the work is planned."""

    done: int
    total: int | None


class RunProgress(BaseModel):
    """How far one dataset is, or how it ended."""

    pid: str
    run: str = Field(description="The name of the nested execution")
    step: str | None = Field(description="What is being done, or was done last")
    files: Amount
    bytes: Amount
    code: str | None = Field(description="How the run ended: `done`, or the reason it failed")
    message: str | None


def of(run: Run, kind: JobKind) -> RunProgress:
    """The progress of ``run``. Costs a few requests however large the dataset is."""
    folder = RunFolder(run.run_id)
    outcome = folder.load("outcome.json", RunOutcome)
    snapshot = folder.load("snapshot.json", Snapshot)
    arn = workflows.execution_arn(_state_machine(kind), run.run_id)
    return RunProgress(
        pid=run.pid,
        run=run.run_id,
        step=workflows.latest_step(arn),
        files=Amount(done=0, total=snapshot and snapshot.files),
        bytes=Amount(done=0, total=snapshot and snapshot.size),
        code=outcome and outcome.code,
        message=outcome and outcome.message,
    )


def _state_machine(kind: JobKind) -> str:
    arns = {
        JobKind.ARCHIVE: settings().archive_dataset_state_machine_arn,
        JobKind.RETRIEVE: settings().retrieve_dataset_state_machine_arn,
    }
    return arns[kind]
