"""What a dataset counts of its blocks: files and bytes, listed and archived."""

from collections.abc import Mapping

from mocks.scicat.service import Service
from mocks.scicat.storage.documents import now
from mocks.scicat.storage.history import change_dataset
from mocks.scicat.storage.store import Kind


def count(service: Service, pid: str, added: Mapping[str, int], author: str) -> None:
    """Add to the dataset's counters, in a write of its own: who dies before it leaves a block that is not counted.

    Releases differ in whether that is a change like a person's.
    """
    dataset = service.store.get(Kind.DATASET, pid)
    if dataset is None:
        return
    counted = dataset | {name: dataset[name] + value for name, value in added.items()}
    if service.configuration.release.counting_is_a_change:
        change_dataset(service, dataset, counted | {"updatedBy": author}, author)
    else:
        service.store.replace(Kind.DATASET, counted | {"updatedAt": now()})


def count_nothing_archived(service: Service, pid: str, author: str) -> None:
    """Take back what is counted as archived. That is a change on every release."""
    dataset = service.store.get(Kind.DATASET, pid)
    if dataset is not None:
        counted = dataset | {"packedSize": 0, "numberOfFilesArchived": 0, "updatedBy": author}
        change_dataset(service, dataset, counted, author)
