"""What is read together with a dataset: its blocks and attachments, whole or by a ``scope``, as far as they fit."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mocks.scicat.answers import refused
from mocks.scicat.permissions import Rights
from mocks.scicat.storage import bson
from mocks.scicat.storage.documents import attached_to
from mocks.scicat.storage.filters import in_order, select, skipped_then_limited, with_fields
from mocks.scicat.storage.store import Document, Kind, Store

_KEPT = {"origdatablocks": Kind.ORIGDATABLOCK, "datablocks": Kind.DATABLOCK}
# What this SciCat has none of: they are empty.
_EMPTY = ("instruments", "proposals", "samples")
_RELATIONS = (*_KEPT, "attachments", *_EMPTY)


def relations(given: Iterable[Any]) -> dict[str, Mapping[str, Any]]:
    """The relations that a filter's ``include`` (or api v4's parameter) names, each with its scope. Raises Refused."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in given:
        name, scope = (one.get("relation"), one.get("scope")) if isinstance(one, dict) else (one, None)
        if name not in {*_RELATIONS, "all"}:
            raise refused(400, f'Provided include field "{name}" is not part of the dataset relations')
        found |= {relation: scope or {} for relation in (_RELATIONS if name == "all" else (name,))}
    return found


def included(
    dataset: Document, wanted: Mapping[str, Mapping[str, Any]], store: Store, caller: Rights | None
) -> Document:
    """What belongs to the dataset, by relation; with a ``caller`` only what the caller may read by itself.

    Raises Refused for more than one document of MongoDB can hold.
    """
    blocks = {name: _scoped(_related(name, dataset, store, caller), scope) for name, scope in wanted.items()}
    if blocks:
        _fit(dataset, blocks)
    return blocks


def _related(name: str, dataset: Document, store: Store, caller: Rights | None) -> list[Document]:
    if name in _EMPTY:
        return []
    if name == "attachments":
        found = [one for one in store.all(Kind.ATTACHMENT) if attached_to(one, dataset["pid"])]
    else:
        found = store.of_dataset(_KEPT[name], dataset["pid"])
    readable: Callable[[Document], bool] | None = None
    if caller is not None:
        readable = caller.include_datablock if name == "datablocks" else caller.read_blocks
    return found if readable is None else [candidate for candidate in found if readable(candidate)]


def _scoped(documents: list[Document], scope: Mapping[str, Any]) -> list[Document]:
    """Where, skip and limit, in this order; what is sorted is the page alone."""
    limits = scope.get("limits") or {}
    page = skipped_then_limited(select(documents, scope.get("where"), moments=False), limits, None)
    # Read through its schema, a block has this list also where nobody asked for it.
    shared: Document = {"accessGroups": []} if scope.get("fields") else {}
    return [shared | with_fields(document, scope.get("fields"), ("_id",)) for document in in_order(page, limits)]


def _fit(dataset: Document, blocks: Mapping[str, list[Document]]) -> None:
    size = bson.size(dataset) + sum(1 + len(name) + 1 + bson.list_size(found) for name, found in blocks.items())
    if size > bson.LARGEST:
        raise refused(
            400,
            f"PlanExecutor error during aggregation :: caused by :: BSONObj size: {size} (0x{size:X}) is invalid. "
            f'Size must be between 0 and {bson.LARGEST}(16MB) First element: _id: "{dataset["pid"]}"',
        )
