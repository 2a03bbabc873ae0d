"""SciCat's list filters: ``where`` on dotted names, ``limits`` with sort, skip and limit."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson

from mocks.scicat.answers import unhandled
from mocks.scicat.store import Document


def parsed(text: str | None) -> Document:
    """The ``filter`` of a query. What is not a JSON object breaks SciCat: 500."""
    try:
        found = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        raise unhandled() from None
    if not isinstance(found, dict):
        raise unhandled()
    return found


def included(found: Document) -> list[str]:
    """The relations that a filter of api v3 asks to include."""
    return [one["relation"] if isinstance(one, dict) else one for one in found.get("include") or ()]


def select(documents: list[Document], found: Document, default_limit: int | None = None) -> list[Document]:
    """The documents a filter lets through."""
    where = found.get("where") or {}
    limits = found.get("limits") or {}
    kept = [one for one in documents if all(_matches(one, name, value) for name, value in where.items())]
    for name, direction in (limits.get("sort") or {}).items():
        kept = sorted(kept, key=partial(_text_of, name), reverse=direction == "desc")
    limit = limits.get("limit") or default_limit
    # SciCat applies the limit before it skips.
    return kept[int(limits.get("skip") or 0) : int(limit) if limit else None]


def _text_of(name: str, document: Document) -> str:
    return str(document.get(name, ""))


def _matches(document: Document, name: str, wanted: object) -> bool:
    """MongoDB's equality, and ``$in`` (``inq`` in api v3)."""
    found = list(_reached(document, name.split(".")))
    if isinstance(wanted, dict):
        any_of = wanted.get("$in") or wanted.get("inq") or []
        return any(value in any_of for value in found)
    return wanted in found


def _reached(value: Any, names: list[str]) -> Iterator[object]:  # noqa: ANN401 - any JSON
    """Every value a dotted name reaches; a list is entered by each of its entries."""
    if isinstance(value, list):
        for one in value:
            yield from _reached(one, names)
    elif not names:
        yield value
    elif isinstance(value, dict) and names[0] in value:
        yield from _reached(value[names[0]], names[1:])
