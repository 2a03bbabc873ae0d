"""Who may do what with datasets, blocks, attachments and history: SciCat's rules for anonymous callers and accounts."""

from dataclasses import dataclass

from mocks.scicat.accounts import Account
from mocks.scicat.releases import Release
from mocks.scicat.settings import Groups, Settings
from mocks.scicat.storage.store import Document


@dataclass(frozen=True, slots=True)
class Rights:
    """What one caller may do. A dataset belongs to its owner group and is shared with its access groups."""

    account: Account | None
    settings: Settings
    release: Release

    @property
    def username(self) -> str:
        """Who is written down as author; empty for an anonymous caller."""
        return self.account.username if self.account else ""

    @property
    def groups(self) -> frozenset[str]:
        """The groups that the caller is in."""
        return self.account.groups if self.account else frozenset()

    def is_in(self, setting: Groups) -> bool:
        """Whether a setting names one of the caller's groups."""
        return setting.include(self.groups)

    def belongs_to(self, group: str | None) -> bool:
        """Be a member of a group."""
        return group in self.groups

    @property
    def administers(self) -> bool:
        """Be an administrator."""
        return self.is_in(self.settings.admin)

    def _owns(self, document: Document) -> bool:
        return self.belongs_to(document["ownerGroup"])

    def is_shared(self, document: Document) -> bool:
        """Own the document, or have it shared, as everybody has what is published."""
        shared = not self.groups.isdisjoint(document["accessGroups"])
        return bool(document["isPublished"]) or self._owns(document) or shared

    @property
    def _ingests(self) -> bool:
        return self.administers or self.is_in(self.settings.create_dataset_privileged)

    @property
    def _creates(self) -> bool:
        """Create datasets, and change one's own."""
        setting = self.settings.create_dataset
        return self.account is not None and (setting.everyone or self.is_in(setting))

    @property
    def creates_datasets(self) -> bool:
        """Create datasets of some kind at all: who may not is refused before anything is looked at."""
        return self._creates or self._ingests or self.is_in(self.settings.create_dataset_with_pid)

    def create_dataset(self, owner_group: str, *, pid: bool) -> bool:
        """Create one for one's own group or for any, with a ``pid`` of one's own choice or without."""
        if self._ingests:
            return True
        own = self.belongs_to(owner_group)
        return own and (self.is_in(self.settings.create_dataset_with_pid) or (self._creates and not pid))

    @property
    def read_every_dataset(self) -> bool:
        """Administrators and archivers do, ingestors and who may delete do not."""
        return self.administers or self.is_in(self.settings.update_dataset_lifecycle)

    def read_dataset(self, dataset: Document) -> bool:
        """Read a dataset, and by api v3 what is included with it."""
        return self.read_every_dataset or self.is_shared(dataset)

    def update_dataset(self, dataset: Document) -> bool:
        """The dataset itself: its owners and administrators, no functional account."""
        return self.administers or (self._owns(dataset) and self.creates_datasets)

    def update_lifecycle(self, dataset: Document) -> bool:
        """The archiver's part of the dataset; its owners may too."""
        return self.read_every_dataset or self.update_dataset(dataset)

    @property
    def delete(self) -> bool:
        """Delete datasets and datablocks: these groups only, administrators are not among them."""
        return self.is_in(self.settings.delete)

    def attach(self, dataset: Document) -> bool:
        """Attach pictures."""
        return self._ingests or self._owns(dataset)

    def add_blocks(self, dataset: Document) -> bool:
        """Add origdatablocks and datablocks."""
        return self.attach(dataset) or not self.release.blocks_are_guarded

    def read_blocks(self, document: Document) -> bool:
        """The blocks themselves, asked for directly: an archiver may not, although api v3 includes them."""
        return self.administers or self.is_shared(document)

    def read_datablock(self, datablock: Document) -> bool:
        """One datablock by its id."""
        return self.delete or self.read_blocks(datablock)

    def list_datablock(self, datablock: Document) -> bool:
        """A datablock in a list."""
        return self.read_blocks(datablock) or (self.delete and self.release.archivers_list_datablocks)

    def include_datablock(self, datablock: Document) -> bool:
        """A datablock that api v4 includes with its dataset."""
        return self.read_blocks(datablock) or (self.delete and self.release.archivers_include_datablocks)
