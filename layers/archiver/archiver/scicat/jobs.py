"""SciCat's jobs, as its api v4 shows and takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from archiver.models.states import JobKind
from archiver.scicat.json_values import Json

JOBS_PATH = "/api/v4/jobs"


class JobStatus(StrEnum):
    """The status codes SciCat's frontend and its mails know."""

    SUBMITTED = "jobSubmitted"
    IN_PROGRESS = "inProgress"
    FINISHED = "finishedSuccessful"
    DATASET_ERRORS = "finishedWithDatasetErrors"
    FAILED = "finishedUnsuccessful"


@dataclass(frozen=True, slots=True)
class JobTypes:
    """Which types of SciCat's job configuration this service does, and what each asks for.

    SciCat 5.2 takes a job of the type ``archive`` for others only with a user of the group. ``for_groups`` is the
    type of the archive jobs of a group none of whose users is known: ``archive`` where that will do, else a further
    type whose ``create.auth`` is ``#jobAdmin``.
    """

    for_groups: str = JobKind.ARCHIVE

    def kind_of(self, job_type: str) -> JobKind | None:
        """What jobs of this type ask for; None when they are not this service's."""
        if job_type == self.for_groups:
            return JobKind.ARCHIVE
        return JobKind(job_type) if job_type in JobKind else None

    def of(self, kind: JobKind) -> list[str]:
        """The types of jobs that ask for this."""
        return list(dict.fromkeys((str(kind), self.for_groups) if kind is JobKind.ARCHIVE else (str(kind),)))

    def created(self, kind: JobKind, owner_user: str | None) -> str:
        """The type that a job gets which is created for this user, or for a group alone."""
        return self.for_groups if kind is JobKind.ARCHIVE and owner_user is None else str(kind)


@dataclass(frozen=True, slots=True)
class JobDataset:
    """One dataset of a job; no files means all of them."""

    pid: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A SciCat job: who asked for what, and how far it is. ``status`` is usually a ``JobStatus``.

    ``kind`` is what its ``type`` asks for; None when it is not for this service.
    """

    id: str
    type: str
    status: str
    datasets: tuple[JobDataset, ...]
    owner_user: str | None
    owner_group: str | None
    result: dict[str, Any] | None
    created: datetime | None = None
    kind: JobKind | None = None

    @property
    def unfinished(self) -> bool:
        """Whether it waits or is being worked on."""
        return not self.status.startswith("finished")


def created_body(
    job_type: str, pids: Sequence[str], owner_group: str, owner_user: str | None, contact_email: str | None
) -> dict[str, Any]:
    """The body that creates a job; None stands for what is left out."""
    owner = {"ownerGroup": owner_group, "ownerUser": owner_user, "contactEmail": contact_email}
    return {"type": job_type, "jobParams": {"datasetList": _whole(pids)}, **owner}


def updated_body(status: JobStatus, message: str) -> dict[str, Any]:
    """The body that sets a job's status. SciCat needs both fields."""
    return {"statusCode": str(status), "statusMessage": message}


def job_of(body: Json, types: JobTypes) -> Job:
    """A job as SciCat shows it."""
    return Job(
        id=body["id"],
        type=body["type"],
        status=body["statusCode"],
        datasets=_datasets((body.get("jobParams") or {}).get("datasetList")),
        owner_user=body.get("ownerUser"),
        owner_group=body.get("ownerGroup"),
        result=body.get("jobResultObject") or None,
        created=datetime.fromisoformat(body["createdAt"]),
        kind=types.kind_of(body["type"]),
    )


def newest_first(body: Json, types: JobTypes) -> list[Job]:
    """A list of jobs in the order in which they were created, the last one first."""
    return [job_of(one, types) for one in sorted(body, key=lambda one: str(one["createdAt"]), reverse=True)]


def _whole(pids: Sequence[str]) -> list[dict[str, Any]]:
    """The list of a job over all files of these datasets."""
    return [{"pid": pid, "files": []} for pid in pids]


def _datasets(listed: Json) -> tuple[JobDataset, ...]:
    """What a user asked for, as far as it can be understood: SciCat takes whatever its configuration lets through."""
    named = (entry for entry in listed if isinstance(entry, dict)) if isinstance(listed, list) else ()
    return tuple(JobDataset(one["pid"], _texts(one.get("files"))) for one in named if isinstance(one.get("pid"), str))


def _texts(listed: Json) -> tuple[str, ...]:
    """What is no list of names names something that is not there: it must not be taken for everything."""
    return tuple(map(str, listed if isinstance(listed, list) else [listed])) if listed else ()
