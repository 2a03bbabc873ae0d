"""Which dataset a caller may upload to or look at, by what SciCat says of the dataset now."""

from functools import cache
from http import HTTPStatus

from archiver.errors import Code
from archiver.http.auth.callers import Caller
from archiver.http.problems import Refusal
from archiver.http.request_codes import RequestCode
from archiver.http.timeouts import Asked
from archiver.http.ttl_cache import Remembered
from archiver.models.catalogue import CatalogueDataset
from archiver.reporting import lifecycle
from archiver.scicat import catalogue
from archiver.settings import settings
from archiver.storage import leases

# The Ingestor asks for each of a dataset's files: so long SciCat is not asked again.
_REMEMBERED_SECONDS, _REMEMBERED_DATASETS = 15.0, 1_000


def writable(caller: Caller, pid: str, *, anew: bool = False) -> CatalogueDataset:
    """The dataset, without its files, for a caller who may upload to it. Refuses others (403), and unknown pids (404).

    Uploads are the owner group's, and the access groups' where the deployment says so: SciCat itself lets these
    only look. SciCat is asked ``anew`` before anything is deleted, else now and then.
    """
    if anew:
        _datasets().forget((caller, pid))
    return _allowed(caller, pid, access_groups=settings().access_groups_may_upload)


def readable(caller: Caller, pid: str) -> CatalogueDataset:
    """The dataset, without its files, for a caller who may look at it. Refuses as ``writable`` does."""
    return _allowed(caller, pid, access_groups=True)


def owns(caller: Caller, dataset: CatalogueDataset) -> bool:
    """Whether the caller is of the dataset's owner group, or administers all datasets."""
    # SciCat may hold a dataset of nobody, and a provider a group without a name.
    return not caller.groups.isdisjoint({dataset.owner_group, *settings().administrator_groups} - {""})


def is_locked(dataset: CatalogueDataset) -> bool:
    """Whether the dataset is archived or being archived, by SciCat's word or by the lease of a run."""
    archived = dataset.lifecycle.get("retrievable") is True
    return archived or lifecycle.is_claimed(dataset.lifecycle) or _has_a_run(dataset.pid)


def refuse_locked(dataset: CatalogueDataset) -> None:
    """Refuse to change what is archived or being archived (409)."""
    if is_locked(dataset):
        raise Refusal(HTTPStatus.CONFLICT, RequestCode.DATASET_LOCKED, "The dataset is archived, or being archived.")


def is_to_be_sent_again(dataset: CatalogueDataset) -> bool:
    """Whether its archiving found files missing or wrong, so that they may be uploaded again. SciCat is asked anew."""
    known = lifecycle.is_rejected(dataset.lifecycle)
    now = _ask_scicat(dataset.pid) if known else None
    return now is not None and lifecycle.is_rejected(now.lifecycle)


def _has_a_run(pid: str) -> bool:
    """Whether a run holds the dataset's lease, or a sweep that settles it; one that ended may have left it behind."""
    lease = leases.read_lease(pid)
    return lease is not None and not leases.is_abandoned(lease)


def _allowed(caller: Caller, pid: str, *, access_groups: bool) -> CatalogueDataset:
    dataset = _datasets().get((caller, pid), lambda: _ask_scicat(pid))
    if dataset is None or dataset.pid != pid:
        raise Refusal(HTTPStatus.NOT_FOUND, Code.DATASET_UNKNOWN, "SciCat does not know this dataset.")
    reads = access_groups and not caller.groups.isdisjoint(set(dataset.access_groups) - {""})
    if not reads and not owns(caller, dataset):
        raise Refusal(HTTPStatus.FORBIDDEN, RequestCode.FORBIDDEN, "The dataset belongs to others.")
    return dataset


def _ask_scicat(pid: str) -> CatalogueDataset | None:
    return Asked(lambda: catalogue().dataset(pid), Code.SCICAT_UNAVAILABLE).answer()


@cache
def _datasets() -> Remembered[tuple[Caller, str], CatalogueDataset | None]:
    """Datasets as one caller saw them, known or not."""
    return Remembered(_REMEMBERED_SECONDS, _REMEMBERED_DATASETS)
