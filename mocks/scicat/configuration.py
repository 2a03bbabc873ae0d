"""What an operator of SciCat sets in its environment and its job configuration."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class ExpiredTokens(StrEnum):
    """How an expired token is answered: release 5 refuses it, release 4.9.1 takes the caller for anonymous."""

    REJECT = "reject"
    ANONYMOUS = "anonymous"


class ActionBody(StrEnum):
    """What the url action sends: the job's id and type, or the whole job in its api v3 form."""

    REFERENCE = "reference"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Groups:
    """Which group has which of SciCat's privileges; the names are its environment variables."""

    admin: str = "admin"
    delete: str = "archivemanager"
    update_dataset_lifecycle: str = "archivemanager"
    create_dataset_privileged: str = "ingestor"
    create_job_privileged: str = "jobcreators"
    update_job_privileged: str = "jobmanager"


@dataclass(frozen=True, slots=True)
class JobType:
    """One entry of the job configuration: who may create it, what must hold, who may update it."""

    create: Literal["#datasetOwner", "#datasetAccess"]
    required_flag: str
    update_group: str = "archivemanager"


@dataclass(frozen=True, slots=True)
class UrlAction:
    """Whom a new job is told to. Without ``url`` nobody; without ``username`` no credentials are sent."""

    url: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    body: ActionBody = ActionBody.REFERENCE


def _job_types() -> dict[str, JobType]:
    return {
        "archive": JobType(create="#datasetOwner", required_flag="archivable"),
        "retrieve": JobType(create="#datasetAccess", required_flag="retrievable"),
    }


@dataclass(frozen=True, slots=True)
class Configuration:
    """One SciCat installation. ``token_seconds`` is a login's lifetime."""

    pid_prefix: str = "PID.SAMPLE.PREFIX"
    token_seconds: int = 3600
    expired_tokens: ExpiredTokens = ExpiredTokens.REJECT
    groups: Groups = field(default_factory=Groups)
    job_types: dict[str, JobType] = field(default_factory=_job_types)
    job_config_version: str = "archiver-url-1"
    url_action: UrlAction = field(default_factory=UrlAction)
