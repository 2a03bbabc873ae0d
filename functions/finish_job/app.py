"""Finish a job: compute its status from what became of each of its datasets, and tell SciCat.

A retrieve job is also given the links to its datablocks.
"""

from datetime import UTC, datetime
from typing import Any

import orjson

from archiver import links, reports, storage, workflows
from archiver.errors import Reason
from archiver.keys import Keys
from archiver.models import JobBegun, JobEnded, JobKind, JobReported, Run, RunOutcome, WantedDatablock
from archiver.scicat import JobStatus, catalogue
from archiver.settings import settings
from archiver.step import step
from archiver.storage import RunFolder

# A longer list of links is written beside the datablocks, and the job is given one link to it.
MAX_RESULT_BYTES = 1_000_000


@step
def handler(ended: JobEnded) -> JobReported:
    why = reports.reason_of(ended.failure) if ended.failure else None
    begun = RunFolder(ended.job_id).load("job.json", JobBegun)
    result = None
    if begun is None:
        status, message = reports.job_refused(why or reports.reason_of_silence(None))
    else:
        outcomes = [_outcome(begun, run, why) for run in begun.runs]
        status, message = reports.job_report(begun.kind, outcomes)
        if begun.kind is JobKind.RETRIEVE:
            result = _result(begun, outcomes)
    catalogue().update_job(ended.job_id, JobStatus(status), message, result)
    return JobReported(status=status, message=message)


def _outcome(begun: JobBegun, run: Run, why: Reason | None) -> RunOutcome:
    """What the run wrote down; else why the job, or the run's execution, ended before it could."""
    written = RunFolder(run.run_id).load("outcome.json", RunOutcome)
    if written is not None:
        return written
    machines = {
        JobKind.ARCHIVE: settings().archive_dataset_state_machine_arn,
        JobKind.RETRIEVE: settings().retrieve_dataset_state_machine_arn,
    }
    arn = workflows.execution_arn(machines[begun.kind], run.run_id)
    return reports.outcome(run.pid, why or reports.reason_of_silence(workflows.status(arn)))


def _result(begun: JobBegun, outcomes: list[RunOutcome]) -> dict[str, Any] | None:
    """SciCat's ``jobResultObject``: a link for each datablock that was retrieved; None when there is none."""
    now = datetime.now(UTC)
    retrieved = [
        _link(run, datablock, now)
        for run, outcome in zip(begun.runs, outcomes, strict=True)
        if outcome.outcome == "done"
        for datablock in RunFolder(run.run_id).need("datablocks.json", list[WantedDatablock])
    ]
    if not retrieved:
        return None
    result: dict[str, Any] = {"result": retrieved}
    listing = orjson.dumps(result)
    if len(listing) <= MAX_RESULT_BYTES:
        return result
    key = Keys.result(begun.job_id)
    storage.retrieval().put(key, listing)
    return {
        "result": [],
        "listing": links.url(key, now),
        "datablocks": len(retrieved),
        "size": sum(one["size"] for one in retrieved),
    }


def _link(run: Run, datablock: WantedDatablock, now: datetime) -> dict[str, Any]:
    return {
        "datasetId": run.pid,
        "name": datablock.archive_id.rpartition("/")[2],
        "size": datablock.packed_size,
        "archiveId": datablock.archive_id,
        "url": links.url(datablock.archive_id, now),
    }
