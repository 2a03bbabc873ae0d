"""The whole service on a local stack: a dataset is dropped, and what its archiving took is read from outside."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.harness.execution_histories import History, history_of
from bench.harness.invocations import Invocation, Watch
from bench.harness.stack import RunningStack
from local.client import wait_for
from tests.support.dropping import a_document

_PATIENCE_SECONDS = 900.0
# The last lines of a log come after its answer.
_LAST_LINES_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Archived:
    """What one archive took. ``seconds`` from the drop to the end of its job."""

    pid: str
    seconds: float
    histories: Mapping[str, History]
    invocations: Sequence[Invocation]

    @property
    def core(self) -> float:
        """Seconds from the first byte read to the last datablock registered."""
        return self.histories["archive_dataset"].between("PackageDatablocks", "RegisterDatablocks")


def drop(stack: RunningStack, prefix: str, name: str) -> None:
    """Say that all files of a folder are there."""
    stack.visitor.write(f"{prefix}dataset.json", json.dumps(a_document(datasetName=name)).encode())


def archive(stack: RunningStack, prefix: str, name: str) -> Archived:
    """Archive what was uploaded to ``prefix`` of the landing bucket."""
    watch = Watch(stack.configuration.logs / "functions")
    begun = time.monotonic()
    drop(stack, prefix, name)
    told = wait_for("dataset.status.json", _PATIENCE_SECONDS, lambda: stack.visitor.drop_status(prefix))
    end_of_job(stack, told["job"])
    seconds = time.monotonic() - begun
    time.sleep(_LAST_LINES_SECONDS)
    return Archived(told["pid"], seconds, _histories(stack, told["job"]), watch.invocations())


def end_of_job(stack: RunningStack, job_id: str) -> None:
    """Wait until a job has ended. Raises RuntimeError when it did not end well."""
    job = wait_for("the end of the job", _PATIENCE_SECONDS, lambda: stack.visitor.finished_job(job_id))
    if job["statusCode"] != "finishedSuccessful":
        raise RuntimeError(f"the job {job_id} ended {job['statusCode']}: {job['statusMessage']}")


def _histories(stack: RunningStack, job_id: str) -> dict[str, History]:
    machines, client = stack.endpoints.stateMachines, stack.aws.stepfunctions
    found: dict[str, History] = {}
    for workflow, begins in (("archive", job_id), ("archive_dataset", job_id)):
        listed = client.list_executions(stateMachineArn=machines[workflow])["executions"]
        (arn,) = (execution["executionArn"] for execution in listed if execution["name"].startswith(begins))
        found[workflow] = history_of(client, arn)
    ingests = client.list_executions(stateMachineArn=machines["ingest"])["executions"]
    newest = max(ingests, key=lambda one: one["startDate"])
    found["ingest"] = history_of(client, newest["executionArn"])
    return found
