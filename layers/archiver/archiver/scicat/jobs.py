"""SciCat's jobs, as its api v4 shows and takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from archiver.scicat.bodies import Json

JOBS_PATH = "/api/v4/jobs"


class JobStatus(StrEnum):
    """The status codes SciCat's frontend and its mails know."""

    SUBMITTED = "jobSubmitted"
    IN_PROGRESS = "inProgress"
    FINISHED = "finishedSuccessful"
    DATASET_ERRORS = "finishedWithDatasetErrors"
    FAILED = "finishedUnsuccessful"


@dataclass(frozen=True, slots=True)
class JobDataset:
    """One dataset of a job; no files means all of them."""

    pid: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A SciCat job: who asked for what, and how far it is. ``status`` is usually a ``JobStatus``."""

    id: str
    type: str
    status: str
    datasets: tuple[JobDataset, ...]
    owner_user: str | None
    owner_group: str | None
    result: dict[str, Any] | None
    created: datetime | None = None

    @property
    def unfinished(self) -> bool:
        """Whether it waits or is being worked on."""
        return not self.status.startswith("finished")


def created_body(
    kind: str, pids: Sequence[str], owner_group: str, owner_user: str | None, contact_email: str | None
) -> dict[str, Any]:
    """The body that creates a job; None stands for what is left out."""
    owner = {"ownerGroup": owner_group, "ownerUser": owner_user, "contactEmail": contact_email}
    return {"type": kind, "jobParams": {"datasetList": _whole(pids)}, **owner}


def updated_body(status: JobStatus, message: str) -> dict[str, Any]:
    """The body that sets a job's status. SciCat needs both fields."""
    return {"statusCode": str(status), "statusMessage": message}


def job_of(body: Json) -> Job:
    """A job as SciCat shows it."""
    return Job(
        id=body["id"],
        type=body["type"],
        status=body["statusCode"],
        datasets=_datasets(body["jobParams"].get("datasetList")),
        owner_user=body.get("ownerUser"),
        owner_group=body.get("ownerGroup"),
        result=body.get("jobResultObject") or None,
        created=datetime.fromisoformat(body["createdAt"]),
    )


def newest_first(body: Json) -> list[Job]:
    """A list of jobs in the order in which they were created, the last one first."""
    return [job_of(one) for one in sorted(body, key=lambda one: str(one["createdAt"]), reverse=True)]


def _whole(pids: Sequence[str]) -> list[dict[str, Any]]:
    """The list of a job over all files of these datasets."""
    return [{"pid": pid, "files": []} for pid in pids]


def _datasets(listed: Json) -> tuple[JobDataset, ...]:
    return tuple(JobDataset(one["pid"], tuple(one.get("files") or ())) for one in listed or ())
