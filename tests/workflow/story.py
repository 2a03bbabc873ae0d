"""An archive job in the workflow tests: run it, break in on it, and read what SciCat was told, word for word."""

from collections.abc import Callable
from typing import Any

from archiver.keys import Keys
from archiver.scicat import catalogue
from tests.support.account import CODES_PAGE, LambdaContext, execution_arn
from tests.support.catalogue import Scicat
from tests.support.dataset import ADataset
from tests.workflow.conftest import Workflows

STARTED = {"archiveStatusMessage": "started", "archivable": False, "retrievable": False}
ARCHIVED = {"archiveStatusMessage": "datasetOnArchiveDisk", "archivable": False, "retrievable": True}
JOB_STARTED, JOB_DONE = ("inProgress", "jobStarted"), ("finishedSuccessful", "jobFinished")


def system_error(code: str, job_id: str, message: str) -> dict[str, Any]:
    """The lifecycle of A-SYS."""
    arn = execution_arn("archive_dataset", f"{job_id}-1")
    told = {"code": code, "message": message, "help": f"{CODES_PAGE}#{code}", "executionArn": arn}
    flags = {"archivable": True, "retrievable": False}
    return {"archiveStatusMessage": "scheduleArchiveJobFailed", **flags, "archiveReturnMessage": told}


def user_error(code: str, message: str, files: list[str], count: int | None = None) -> dict[str, Any]:
    """The lifecycle of A-USER."""
    told = {
        "code": code,
        "message": message,
        "help": f"{CODES_PAGE}#{code}",
        "files": files,
        "count": count or len(files),
    }
    flags = {"archivable": False, "retrievable": False}
    return {"archiveStatusMessage": "missingFilesError", **flags, "archiveReturnMessage": told}


def story(scicat: Scicat) -> list[object]:
    """What SciCat was told, repetitions left out.

    A job's status and message, a lifecycle, the archive id of a record, ``deleted`` for one that was taken back.
    """
    told: list[object] = []
    for request, body in scicat.told:
        entry = _entry(request, body)
        if not told or told[-1] != entry:
            told.append(entry)
    return told


def _entry(request: str, body: Any) -> object:
    # A lifecycle within a dataset would reset what it does not name.
    assert "datasetlifecycle" not in (body or {})
    match request.rsplit("/", maxsplit=1)[-1], request.split("/")[-2]:
        case "datasetlifecycle", _:
            return body
        case "datablocks", _:
            return body["archiveId"]
        case _, "jobs":
            return body["statusCode"], body["statusMessage"]
        case _, "datablocks":
            return "deleted", request.rsplit("/", maxsplit=1)[-1]
        case _:
            return body


def archive(workflows: Workflows, scicat: Scicat, *datasets: ADataset) -> str:
    """Run a job over the datasets; returns its id."""
    for dataset in datasets:
        scicat.set_lifecycle(dataset.pid, archivable=True)
    job_id = scicat.add_job("archive", *(dataset.pid for dataset in datasets))
    scicat.told.clear()
    workflows.run("archive", {"job_id": job_id, "kind": "archive"}, job_id)
    return job_id


def records(dataset: ADataset) -> list[str]:
    """The archive ids of the datablocks that SciCat has of a dataset."""
    return [block.archive_id for block in catalogue().need_recorded_dataset(dataset.pid).datablocks]


def keys(dataset: ADataset, job_id: str, count: int = 1) -> list[str]:
    """The archive ids of the first run of a job."""
    return [Keys.datablock(dataset.pid, f"{job_id}-1", number) for number in range(1, count + 1)]


def before(workflows: Workflows, function: str, do: Callable[[], object]) -> None:
    """Do something when ``function`` is called for the first time, before it does its work."""
    handler = workflows.handler(function)
    pending = [do]

    def do_first(event: Any, context: LambdaContext) -> Any:
        while pending:
            pending.pop()()
        return handler(event, context)

    workflows.replace(function, do_first)
