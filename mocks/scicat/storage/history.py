"""What changed in datasets, when and by whom: SciCat's history, and the form in which api v3 shows it.

Only what differs is kept of a change. Api v3 shows whole lifecycles instead, made by going back from the dataset of
today through its changes: what a change took away, they no longer show.
"""

from collections.abc import Iterable
from typing import Any

from mocks.scicat.service import Service
from mocks.scicat.storage.documents import now, object_id
from mocks.scicat.storage.store import Document, Kind, Store

_NEVER_A_CHANGE = frozenset({"_id", "__v"})
_NOT_SHOWN = frozenset({"updatedAt", "updatedBy", "_id"})


def change_dataset(service: Service, before: Document, changed: Document, author: str) -> Document:
    """Store a changed dataset, and what ``author`` changed; returns it with the moment of the change."""
    after = changed | {"updatedAt": now()}
    service.store.replace(Kind.DATASET, after)
    if service.settings.keeps_history:
        service.store.add(Kind.HISTORY, _entry(before, after, author))
    return after


def _entry(before: Document, after: Document, author: str) -> Document:
    old, new = _differences(before, after)
    return {
        "_id": object_id(),
        "subsystem": "Dataset",
        "documentId": before["_id"],
        "before": old,
        "after": new,
        "operation": "update",
        "user": author,
        "timestamp": now(),
        "__v": 0,
    }


def _differences(before: Document, after: Document) -> tuple[Document, Document]:
    """The values that changed: as they were, and as they are."""
    old: Document = {}
    new: Document = {}
    for name in (after.keys() | before.keys()) - _NEVER_A_CHANGE:
        was, is_now = before.get(name), after.get(name)
        if isinstance(was, dict) and isinstance(is_now, dict):
            inner_old, inner_new = _differences(was, is_now)
            if inner_new:
                old[name], new[name] = inner_old, inner_new
        elif was != is_now and not (isinstance(was, dict) and name not in after):
            new[name] = is_now
            if name in before:
                old[name] = was
    return old, new


def changes(store: Store, pid: str | None = None) -> list[Document]:
    """The changes of one dataset, or of all, the latest first."""
    found = [entry for entry in store.all(Kind.HISTORY) if pid is None or entry["documentId"] == pid]
    return found[::-1]


def shown_by_v3(dataset: Document, latest_first: Iterable[Document]) -> list[Document]:
    """A dataset's history in the form of api v3, the oldest first."""
    shown: list[Document] = []
    current: Document = dict(dataset)
    for entry in latest_first:
        before: Document = dict(entry["before"])
        after: Document = dict(entry["after"])
        if "datasetlifecycle" in before:
            before["datasetlifecycle"] = _lifecycle_before(current["datasetlifecycle"], before, after)
            after["datasetlifecycle"] = current["datasetlifecycle"]
        values: dict[str, Any] = {
            name: {"previousValue": value, "currentValue": after.get(name)}
            for name, value in before.items()
            if name not in _NOT_SHOWN
        }
        shown.append({"updatedAt": entry["timestamp"], "updatedBy": entry["user"], "_id": ""} | values)
        current |= before
    return shown[::-1]


def _lifecycle_before(current: Document, before: Document, after: Document) -> Document:
    """The lifecycle without what the change added, and with what it replaced."""
    old: Document = before["datasetlifecycle"]
    new: Document = after.get("datasetlifecycle") or {}
    return {name: value for name, value in current.items() if name in old or name not in new} | old
