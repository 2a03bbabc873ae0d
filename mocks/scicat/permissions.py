"""Who may do what: SciCat's abilities for anonymous callers, users and functional accounts."""

from dataclasses import dataclass

from mocks.scicat.accounts import Account
from mocks.scicat.configuration import Groups, JobType
from mocks.scicat.store import Document


@dataclass(frozen=True, slots=True)
class Rights:
    """What one caller may do. A dataset belongs to its owner group and is shared with its access groups."""

    account: Account | None
    groups: Groups

    @property
    def username(self) -> str:
        """Who is written down as author; empty for an anonymous caller."""
        return self.account.username if self.account else ""

    def _in(self, *names: str) -> bool:
        return self.account is not None and not self.account.groups.isdisjoint(names)

    def _owns(self, document: Document) -> bool:
        return self._in(document["ownerGroup"])

    def _is_shared(self, document: Document) -> bool:
        return bool(document["isPublished"]) or self._in(document["ownerGroup"], *document["accessGroups"])

    @property
    def _administers(self) -> bool:
        return self._in(self.groups.admin)

    def read_dataset(self, dataset: Document) -> bool:
        """Functional accounts see every dataset, ingestors none but their own."""
        tends = self._in(self.groups.admin, self.groups.delete, self.groups.update_dataset_lifecycle)
        return tends or self._is_shared(dataset)

    def read_blocks(self, document: Document) -> bool:
        """The blocks themselves, asked for directly: an archivemanager may not, although v3 includes them."""
        return self._administers or self._is_shared(document)

    @property
    def name_pids(self) -> bool:
        """Choose the pid of a new dataset."""
        return self._in(self.groups.admin, self.groups.create_dataset_privileged)

    def create_dataset(self, owner_group: str) -> bool:
        """For one's own group, or for any."""
        return self.name_pids or self._in(owner_group)

    def add_blocks(self, dataset: Document) -> bool:
        """Attach origdatablocks and datablocks."""
        return self.name_pids or self._owns(dataset)

    def update_dataset(self, dataset: Document) -> bool:
        """The dataset itself: its owners and admins, no functional account."""
        return self._administers or self._owns(dataset)

    def update_lifecycle(self, dataset: Document) -> bool:
        """The archiver's part of the dataset; its owners may too."""
        return self._in(self.groups.admin, self.groups.update_dataset_lifecycle) or self._owns(dataset)

    @property
    def delete(self) -> bool:
        """Delete datasets and datablocks: one group only, admins are not in it."""
        return self._in(self.groups.delete)

    @property
    def create_any_job(self) -> bool:
        """Create jobs for others."""
        return self._in(self.groups.admin, self.groups.create_job_privileged)

    def create_job(self, job_type: JobType, datasets: list[Document]) -> bool:
        """Create a job over these datasets."""
        reaches = self._owns if job_type.create == "#datasetOwner" else self._is_shared
        return self.create_any_job or all(reaches(dataset) for dataset in datasets)

    def belongs_to(self, group: str) -> bool:
        """Be a member of a group."""
        return self._in(group)

    def read_job(self, job: Document) -> bool:
        """One's own jobs and those of one's groups."""
        own = self.account is not None and job.get("ownerUser") == self.account.username
        return own or self._in(self.groups.admin, self.groups.update_job_privileged, job.get("ownerGroup", ""))

    def update_job(self, job_type: JobType) -> bool:
        """Whom the job configuration names, and the privileged."""
        return self._in(self.groups.admin, self.groups.update_job_privileged, job_type.update_group)
