"""SciCat's jobs, and the two forms in which it speaks of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from archiver.scicat.bodies import Json, without_none


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


class JobsApi(Protocol):
    """One of the two forms, whatever SciCat's release."""

    path: str
    created_at: str

    def created(
        self, kind: str, pids: Sequence[str], owner_group: str, owner_user: str | None, contact_email: str | None
    ) -> dict[str, Any]:
        """The body that creates a job; None stands for what is left out."""
        ...

    def updated(self, status: JobStatus, message: str) -> dict[str, Any]:
        """The body that sets a job's status."""
        ...

    def read(self, body: Json) -> Job:
        """A job as it is shown."""
        ...


class _JobsV4:
    path, created_at = "/api/v4/jobs", "createdAt"

    def created(
        self, kind: str, pids: Sequence[str], owner_group: str, owner_user: str | None, contact_email: str | None
    ) -> dict[str, Any]:
        owner = {"ownerGroup": owner_group, "ownerUser": owner_user, "contactEmail": contact_email}
        return {"type": kind, "jobParams": {"datasetList": _whole(pids)}, **owner}

    def updated(self, status: JobStatus, message: str) -> dict[str, Any]:
        return {"statusCode": str(status), "statusMessage": message}

    def read(self, body: Json) -> Job:
        return Job(
            id=body["id"],
            type=body["type"],
            status=body["statusCode"],
            datasets=_datasets(body["jobParams"].get("datasetList")),
            owner_user=body.get("ownerUser"),
            owner_group=body.get("ownerGroup"),
            result=body.get("jobResultObject") or None,
            created=datetime.fromisoformat(body[self.created_at]),
        )


class _JobsV3:
    """Has no place for a message, and takes the owner's group from the first dataset."""

    path, created_at = "/api/v3/jobs", "creationTime"

    def created(
        self, kind: str, pids: Sequence[str], owner_group: str, owner_user: str | None, contact_email: str | None
    ) -> dict[str, Any]:
        del owner_group
        params = without_none({"username": owner_user})
        return {"type": kind, "datasetList": _whole(pids), "jobParams": params, "emailJobInitiator": contact_email}

    def updated(self, status: JobStatus, message: str) -> dict[str, Any]:
        del message
        return {"jobStatusMessage": str(status)}

    def read(self, body: Json) -> Job:
        return Job(
            id=body["id"],
            type=body["type"],
            status=body["jobStatusMessage"],
            datasets=_datasets(body.get("datasetList")),
            owner_user=body["jobParams"].get("username"),
            owner_group=None,
            result=body.get("jobResultObject") or None,
            created=datetime.fromisoformat(body[self.created_at]),
        )


JOBS_APIS: Mapping[str, JobsApi] = {"v3": _JobsV3(), "v4": _JobsV4()}


def newest_first(body: Json, api: JobsApi) -> list[Job]:
    """A list of jobs in the order in which they were created, the last one first."""
    return [api.read(one) for one in sorted(body, key=lambda one: str(one[api.created_at]), reverse=True)]


def _whole(pids: Sequence[str]) -> list[dict[str, Any]]:
    """The list of a job over all files of these datasets."""
    return [{"pid": pid, "files": []} for pid in pids]


def _datasets(listed: Json) -> tuple[JobDataset, ...]:
    return tuple(JobDataset(one["pid"], tuple(one.get("files") or ())) for one in listed or ())
