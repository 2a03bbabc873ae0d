"""Who may create, read and update jobs: the job configuration's ``auth``, and the groups of SciCat's job settings."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from mocks.scicat.jobs.configuration import JobType
from mocks.scicat.permissions import Rights
from mocks.scicat.storage.store import Document

_FOR_EVERYBODY = frozenset({"#all", "#datasetPublic"})
_FOR_USERS = frozenset({"#all", "#authenticated", "#datasetPublic", "#datasetAccess", "#datasetOwner"})
JOB_ADMIN = "#jobAdmin"


@dataclass(frozen=True, slots=True)
class JobRights(ABC):
    """What one caller may do with jobs. ``may_...`` is asked of the caller alone, before a job is looked at."""

    rights: Rights
    types: Iterable[JobType]

    @abstractmethod
    def may_create(self) -> bool:
        """Create jobs of some kind."""

    @abstractmethod
    def create(self, job_type: JobType) -> bool:
        """Create a job of this type."""

    @abstractmethod
    def may_update(self) -> bool:
        """Update jobs of some kind."""

    @abstractmethod
    def update(self, job_type: JobType, job: Document) -> bool:
        """Update this job."""

    @property
    @abstractmethod
    def creates_for_others(self) -> bool:
        """Create jobs that belong to others."""

    @property
    @abstractmethod
    def _reads_every_job(self) -> bool:
        """Read jobs whoever they belong to."""

    @property
    def may_read(self) -> bool:
        """Read jobs of some kind."""
        return self.rights.account is not None

    def read(self, job: Document) -> bool:
        """One's own jobs and those of one's groups."""
        own = job.get("ownerUser") == self.rights.username or self.rights.belongs_to(job.get("ownerGroup"))
        return self._reads_every_job or (self.may_read and own)

    @property
    def may_delete(self) -> bool:
        """Delete jobs."""
        return self.rights.is_in(self.rights.settings.delete_job)

    def _is_named(self, auth: str) -> bool:
        """Whether an ``auth`` names the caller or one of its groups."""
        if auth.startswith("@"):
            return self.rights.belongs_to(auth[1:])
        return self.rights.account is not None and auth == self.rights.username

    def _is_created_by(self, job_type: JobType) -> bool:
        everyone = _FOR_EVERYBODY if self.rights.account is None else _FOR_USERS
        return job_type.create_auth in everyone or self._is_named(job_type.create_auth)

    def _is_updated_by(self, job_type: JobType, job: Document) -> bool:
        auth = job_type.update_auth
        if auth == "#all":
            return self.rights.account is not None or not job.get("ownerGroup")
        if auth == "#jobOwnerUser":
            return self.may_read and job.get("ownerUser") == self.rights.username
        if auth == "#jobOwnerGroup":
            return self.rights.belongs_to(job.get("ownerGroup"))
        return self._is_named(auth)

    def _is_updated_by_some(self, job_type: JobType) -> bool:
        everyone = {"#all"} if self.rights.account is None else {"#all", "#jobOwnerUser", "#jobOwnerGroup"}
        return job_type.update_auth in everyone or self._is_named(job_type.update_auth)


class ExcludingJobRights(JobRights):
    """Every group adds its rights, but a group that is in one of the two settings alone takes the other right away."""

    def may_create(self) -> bool:
        """Unless excluded, whom a setting or some type allows it."""
        return self._creates(self.types)

    def create(self, job_type: JobType) -> bool:
        """Unless excluded, whom a setting or the type allows it."""
        return self._creates([job_type])

    def _creates(self, types: Iterable[JobType]) -> bool:
        settings = self.rights.settings
        if self._is_excluded(lambda group: settings.update_job.name(group) and not settings.create_job.name(group)):
            return False
        return self.creates_for_others or any(self._is_created_by(job_type) for job_type in types)

    def may_update(self) -> bool:
        """Unless excluded, whom a setting or some type allows it."""
        return not self._may_not_update and (
            self._updates_every_job or any(self._is_updated_by_some(job_type) for job_type in self.types)
        )

    def update(self, job_type: JobType, job: Document) -> bool:
        """Unless excluded, whom a setting or the type allows it."""
        return not self._may_not_update and (self._updates_every_job or self._is_updated_by(job_type, job))

    @property
    def _may_not_update(self) -> bool:
        settings = self.rights.settings
        return self._is_excluded(lambda group: settings.create_job.name(group) and not settings.update_job.name(group))

    def _is_excluded(self, excludes: Callable[[str], bool]) -> bool:
        admin = self.rights.settings.admin
        return any(excludes(group) and not admin.name(group) for group in self.rights.groups)

    @property
    def creates_for_others(self) -> bool:
        """Administrators and the creators of jobs."""
        return self.rights.administers or self.rights.is_in(self.rights.settings.create_job)

    @property
    def _updates_every_job(self) -> bool:
        return self.rights.administers or self.rights.is_in(self.rights.settings.update_job)

    @property
    def _reads_every_job(self) -> bool:
        return self.creates_for_others or self._updates_every_job


class _Role(Enum):
    ADMINISTRATOR = auto()
    CREATOR = auto()
    UPDATER = auto()
    USER = auto()


class FirstMatchJobRights(JobRights):
    """The first setting that names the caller decides alone; the job configuration is for those whom none names."""

    @property
    def _role(self) -> _Role:
        settings = self.rights.settings
        roles = (
            (_Role.ADMINISTRATOR, settings.admin),
            (_Role.CREATOR, settings.create_job),
            (_Role.UPDATER, settings.update_job),
        )
        return next((role for role, setting in roles if self.rights.is_in(setting)), _Role.USER)

    def may_create(self) -> bool:
        """Administrators, creators, and whom some type allows it."""
        some = any(self._is_let_in_by(job_type.create_auth) or self._is_created_by(job_type) for job_type in self.types)
        return self.creates_for_others or (self._role is _Role.USER and some)

    def _is_let_in_by(self, auth: str) -> bool:
        """Whether a user is let in for what is for administrators alone, which is noticed later."""
        return self.rights.account is not None and auth == JOB_ADMIN

    def create(self, job_type: JobType) -> bool:
        """Administrators, creators, and whom the type allows it."""
        return self.creates_for_others or (self._role is _Role.USER and self._is_created_by(job_type))

    def may_update(self) -> bool:
        """Administrators, updaters, and whom some type allows it."""
        some = any(
            self._is_let_in_by(job_type.update_auth) or self._is_updated_by_some(job_type) for job_type in self.types
        )
        return self._updates_every_job or (self._role is _Role.USER and some)

    def update(self, job_type: JobType, job: Document) -> bool:
        """Administrators, updaters, and whom the type allows it."""
        return self._updates_every_job or (self._role is _Role.USER and self._is_updated_by(job_type, job))

    @property
    def creates_for_others(self) -> bool:
        """Administrators and the creators of jobs."""
        return self._role in {_Role.ADMINISTRATOR, _Role.CREATOR}

    @property
    def _updates_every_job(self) -> bool:
        return self._role in {_Role.ADMINISTRATOR, _Role.UPDATER}

    @property
    def _reads_every_job(self) -> bool:
        return self._role is not _Role.USER


def job_rights(rights: Rights, types: Iterable[JobType]) -> JobRights:
    """The caller's rights over jobs, as its SciCat's release has them."""
    return (ExcludingJobRights if rights.release.job_rights_exclude else FirstMatchJobRights)(rights, types)
