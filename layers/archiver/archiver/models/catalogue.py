"""What the catalogue says of a dataset, its files and its datablocks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """One file as the catalogue lists it, unchecked: SciCat stores hostile paths and negative sizes.

    ``size`` in bytes, ``time`` ISO 8601; ``perm`` as ``file_modes`` reads it.
    """

    path: str
    size: int
    time: str
    chk: str | None = None
    chk_alg: str | None = None
    uid: str | None = None
    gid: str | None = None
    perm: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class FileBlock:
    """Some of a dataset's files, under the catalogue's own ``id``; they are asked for when they are ``read``."""

    id: str
    read: Callable[[], Sequence[CatalogueFile]]


@dataclass(frozen=True, slots=True)
class CatalogueDatablock:
    """One tar with its files, as the catalogue records it. ``size`` of the files and ``packed_size`` of the tar."""

    archive_id: str
    size: int
    packed_size: int
    chk_alg: str | None
    version: str
    files: tuple[CatalogueFile, ...]


@dataclass(frozen=True, slots=True)
class DatablockRecord:
    """One tar as the catalogue lists it: without its files, under the catalogue's own ``id``. Sizes in bytes."""

    id: str
    archive_id: str
    size: int
    packed_size: int
    chk_alg: str | None
    version: str


@dataclass(frozen=True, slots=True)
class CatalogueTotals:
    """What the catalogue counts by itself: bytes and number of a dataset's files; bytes of its tars, files in them."""

    size: int
    files: int
    packed_size: int
    files_archived: int


@dataclass(frozen=True, slots=True)
class CatalogueDataset:
    """A dataset without its lists. ``updated_at`` is the catalogue's time of its last change (ISO 8601)."""

    pid: str
    owner_group: str
    owner: str | None
    access_groups: tuple[str, ...]
    contact_email: str | None
    lifecycle: Mapping[str, Any]
    totals: CatalogueTotals
    updated_at: str


@dataclass(frozen=True, slots=True)
class RecordedDataset:
    """A dataset and the datablocks that the catalogue listed with it, in one answer.

    ``others`` are records that count for nothing (``provenance.counted``).
    """

    dataset: CatalogueDataset
    datablocks: tuple[DatablockRecord, ...]
    others: tuple[DatablockRecord, ...] = ()

    @property
    def pid(self) -> str:
        """The dataset's."""
        return self.dataset.pid

    @property
    def lifecycle(self) -> Mapping[str, Any]:
        """The dataset's."""
        return self.dataset.lifecycle
