"""Leases: which run may write a dataset, take in a drop, or sweep."""

from collections.abc import Callable, Iterator

from archiver.aws import step_functions
from archiver.errors import Code, ServiceRefused
from archiver.keys import Keys
from archiver.models.states import Lease
from archiver.storage import buckets


def is_abandoned(lease: Lease) -> bool:
    """Whether nobody works on its subject any more: its execution has ended, and so has a sweep that settles it."""
    return step_functions.has_ended(lease.worker_arn)


def take_lease(pid: str, lease: Lease, ended: Callable[[Lease], bool]) -> Lease | None:
    """Become the one writer of a dataset. Returns None on success, else the lease that is held.

    A lease whose holder has ``ended`` is taken over; of two that try, one succeeds.
    """
    return _take(Keys.lease(pid), lease.model_copy(update={"subject": pid}), ended)


def take_delivery_lease(pid: str, lease: Lease) -> Lease | None:
    """Become the one that brings a dataset's datablocks into the retrieval bucket; otherwise as ``take_lease``.

    It is never given back: the next one takes it over when this one's execution has ended.
    """
    return _take(Keys.delivery_lease(pid), lease, is_abandoned)


def take_sweep_lease(lease: Lease) -> Lease | None:
    """Become the one sweep; otherwise as ``take_delivery_lease``."""
    return _take(Keys.SWEEP_LEASE, lease, is_abandoned)


def lease_keys(start_after: str = "") -> Iterator[str]:
    """The keys after ``start_after`` of the leases of all datasets and drops."""
    return (found.key for found in buckets.staging().list(Keys.LEASES, start_after))


def lease_at(key: str) -> Lease | None:
    """The lease under a key, or None when it was given back."""
    return _read_lease(key)


def sweep_lease(key: str, lease: Lease, swept_by: str) -> bool:
    """Let a sweep settle the run that holds this lease: from then on that run may write no more.

    False when the lease is another one by now, or was given back.
    """
    head = buckets.staging().head(key)
    if head is None or _read_lease(key) != lease:
        return False
    body = lease.model_copy(update={"swept_by": swept_by}).model_dump_json().encode()
    return buckets.staging().put_if_match(key, body, head.etag)


def _take(key: str, lease: Lease, ended: Callable[[Lease], bool]) -> Lease | None:
    body = lease.model_dump_json().encode()
    if buckets.staging().put(key, body, only_if_absent=True):
        return None
    head, held = buckets.staging().head(key), _read_lease(key)
    if head is None or held is None:  # given back in between
        return None if buckets.staging().put(key, body, only_if_absent=True) else _read_lease(key)
    if held.run_id == lease.run_id:
        return None
    if ended(held) and buckets.staging().put_if_match(key, body, head.etag):
        return None
    return held


def read_lease(pid: str) -> Lease | None:
    """The lease of a dataset, or None when nobody holds it."""
    return _read_lease(Keys.lease(pid))


def _read_lease(key: str) -> Lease | None:
    body = buckets.staging().read(key, buckets.DOCUMENT_LIMIT)
    return None if body is None else Lease.model_validate_json(body)


def holds_lease(pid: str, run_id: str) -> bool:
    """Whether this run, or a sweep on its behalf, is the one writer."""
    held = read_lease(pid)
    return held is not None and held.run_id == run_id


def hold_lease(pid: str, run_id: str) -> None:
    """Make sure that this run may write. Raises ServiceRefused("lease_lost") when another one or a sweep took over."""
    held = read_lease(pid)
    if held is None or held.run_id != run_id or held.swept_by:
        raise ServiceRefused(Code.LEASE_LOST, "Another run took the dataset over.")


def release_lease(pid: str, run_id: str) -> None:
    """Give the lease back, if this run holds it."""
    if holds_lease(pid, run_id):
        buckets.staging().delete([Keys.lease(pid)])
