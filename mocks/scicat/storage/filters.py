"""SciCat's filters: which keys it accepts, ``where``, sorting, limits and fields, as MongoDB carries them out.

Two kinds of lists differ in what they make of a moment. Where SciCat asks through its models a text is compared as the
moment it names; where it asks MongoDB directly (jobs, and api v4) a text is no moment, so that nothing ever matches.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import total_ordering
from typing import Any

from mocks.scicat.answers import refused
from mocks.scicat.storage.store import Document
from mocks.scicat.validation import as_stored, is_moment

_MONGODB = frozenset(
    [
        "$in",
        "$or",
        "$and",
        "$nor",
        "$match",
        "$eq",
        "$gt",
        "$gte",
        "$lt",
        "$lte",
        "$ne",
        "$nin",
        "$not",
        "$exists",
        "$regex",
        "$options",
    ]
)
WHERE, FIELDS, INCLUDE = frozenset({"where"}) | _MONGODB, frozenset({"fields"}), frozenset({"include"})
LIMITS = frozenset({"limits", "limit", "skip", "sort"})
# Whatever stands below these names is accepted.
_ANYTHING_BELOW = frozenset({"scientificMetadata", "jobParameters", "jobParams", "jobResultObject"})
# Api v3 spells MongoDB's operators as LoopBack did.
_LOOPBACK = {name: f"${name}" for name in ("nin", "and", "or", "gt", "gte", "lt", "lte", "exists")} | {
    "inq": "$in",
    "neq": "$ne",
    "like": "$regex",
    "ilike": "$regex",
}

_MOMENTS = frozenset(
    [
        "createdAt",
        "updatedAt",
        "creationTime",
        "startTime",
        "endTime",
        "time",
        "timestamp",
        "dateOfDiskPurging",
        "archiveRetentionTime",
        "dateOfPublishing",
        "publishedOn",
    ]
)


def parsed(text: str | None, accepted: Collection[str] | None = None) -> Document:
    """The ``filter`` of a query; with ``accepted`` no other key may be in it. Raises Refused (400)."""
    try:
        found = json.loads(text) if text else {}
    except json.JSONDecodeError as error:
        raise refused(400, f"Invalid JSON in filter: {_complaint(error)}") from None
    if not isinstance(found, dict):
        return {}
    for key in _flattened(found) if accepted is not None else ():
        if not _is_accepted(key, accepted or ()):
            raise refused(400, f"Property {key} should not exist in the filter object")
    return found


def _complaint(error: json.JSONDecodeError) -> str:
    """What V8 says of a text that is not JSON."""
    expected = "Expected property name or '}'" if "property name" in error.msg else "Unexpected token"
    return f"{expected} in JSON at position {error.pos}"


def _flattened(found: Mapping[str, Any]) -> Iterator[str]:
    """The dotted keys of an object, but not of objects within its lists."""
    for key, value in found.items():
        if isinstance(value, dict):
            yield from (f"{key}.{below}" for below in _flattened(value))
        elif value is not None:
            yield key


def _is_accepted(key: str, accepted: Collection[str]) -> bool:
    for part in key.split("."):
        if part not in accepted:
            return False
        if part in _ANYTHING_BELOW:
            return True
    return True


@total_ordering
@dataclass(frozen=True, slots=True)
class _Moment:
    """A date of the database, which no text equals."""

    text: str

    def __lt__(self, other: object) -> bool:
        return self.text < other.text if isinstance(other, _Moment) else NotImplemented


def select(documents: Iterable[Document], where: Mapping[str, Any] | None, *, moments: bool) -> list[Document]:
    """The documents that a ``where`` lets through; with ``moments`` a text may name one."""
    wanted, matching = _spelled(where or {}), _Matching(moments)
    return [document for document in documents if matching.all_of(document, wanted)]


def _spelled(where: Any) -> Any:  # noqa: ANN401 - any JSON
    """The operators as MongoDB spells them."""
    if isinstance(where, dict):
        spelled = {_LOOPBACK.get(name, name): _spelled(value) for name, value in where.items()}
        return spelled | ({"$options": "i"} if "ilike" in where else {})
    return [_spelled(value) for value in where] if isinstance(where, list) else where


@dataclass(frozen=True, slots=True)
class _Matching:
    """Whether documents match conditions; with ``moments``, a text in a condition may name one."""

    moments: bool

    def all_of(self, document: Document, where: Mapping[str, Any]) -> bool:
        """Whether the document matches every condition."""
        return all(self._holds(document, name, wanted) for name, wanted in where.items())

    def _holds(self, document: Document, name: str, wanted: Any) -> bool:  # noqa: ANN401 - any JSON
        if name in _COMBINED:
            return _COMBINED[name](self.all_of(document, query) for query in wanted)
        found = list(_reached(document, name.split(".")))
        if not isinstance(wanted, dict) or not any(operator.startswith("$") for operator in wanted):
            return self._operand(name, wanted) in found
        return self._compares(found, name, wanted)

    def _compares(self, found: list[Any], name: str, operators: Mapping[str, Any]) -> bool:
        for operator, wanted in operators.items():
            if operator == "$not":
                holds = not self._compares(found, name, wanted)
            elif operator == "$regex":
                holds = _matches_pattern(found, wanted, operators.get("$options", ""))
            else:
                values = [self._operand(name, one) for one in (wanted if isinstance(wanted, list) else [wanted])]
                holds = _OPERATORS.get(operator, _ignored)(found, values)
            if not holds:
                return False
        return True

    def _operand(self, name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON
        is_named = self.moments and name.rpartition(".")[2] in _MOMENTS and is_moment(value)
        return _Moment(as_stored(value)) if is_named else value


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[list[Any], list[Any]], bool]:
    """An operator that holds for one of the values found, if it is of the operand's type."""

    def compare(found: list[Any], operands: list[Any]) -> bool:
        return any(_is_comparable(candidate, operands[0]) and holds(candidate, operands[0]) for candidate in found)

    return compare


def _is_among(found: list[Any], operands: list[Any]) -> bool:
    return any(operand in found for operand in operands)


def _ignored(found: list[Any], operands: list[Any]) -> bool:
    """``$options`` belongs to another operator."""
    del found, operands
    return True


_COMBINED: Mapping[str, Callable[[Iterable[bool]], bool]] = {
    "$and": all,
    "$or": any,
    "$nor": lambda results: not any(results),
}
_OPERATORS: Mapping[str, Callable[[list[Any], list[Any]], bool]] = {
    "$eq": _is_among,
    "$in": _is_among,
    "$ne": lambda found, operands: not _is_among(found, operands),
    "$nin": lambda found, operands: not _is_among(found, operands),
    "$exists": lambda found, operands: bool(found) is bool(operands[0]),
    "$gt": _ordered(lambda one, other: one > other),
    "$gte": _ordered(lambda one, other: one >= other),
    "$lt": _ordered(lambda one, other: one < other),
    "$lte": _ordered(lambda one, other: one <= other),
}


def _matches_pattern(found: list[Any], pattern: str, options: str) -> bool:
    flags = re.IGNORECASE if "i" in options else 0
    return any(isinstance(candidate, str) and re.search(pattern, candidate, flags) is not None for candidate in found)


def _is_comparable(one: object, other: object) -> bool:
    """MongoDB compares what is of one type."""
    numbers = isinstance(one, (int, float)) and isinstance(other, (int, float))
    return numbers or type(one) is type(other)


def _reached(value: Any, names: list[str], last: str = "") -> Iterator[Any]:  # noqa: ANN401 - any JSON
    """Every value that a dotted name reaches; a list is entered by each of its entries."""
    if isinstance(value, list):
        for one in value:
            yield from _reached(one, names, last)
    elif not names:
        yield _Moment(value) if last in _MOMENTS and isinstance(value, str) else value
    elif isinstance(value, dict) and names[0] in value:
        yield from _reached(value[names[0]], names[1:], names[0])


def in_order(documents: list[Document], limits: Mapping[str, Any]) -> list[Document]:
    """Sorted by ``sort`` ({name: asc or desc}) or ``order`` ("name:desc"); downwards, equals are in reverse as well."""
    for name, descending in reversed(_directions(limits)):
        documents = sorted(documents, key=lambda document: _rank(document, name))
        if descending:
            documents.reverse()
    return documents


def _directions(limits: Mapping[str, Any]) -> list[tuple[str, bool]]:
    sort, order = limits.get("sort"), limits.get("order") or []
    if isinstance(sort, dict):
        return [(name, str(direction) in {"desc", "descending", "-1"}) for name, direction in sort.items()]
    named = [str(one).partition(":") for one in (order if isinstance(order, list) else [order])]
    return [(name, direction == "desc") for name, _, direction in named]


def _rank(document: Document, name: str) -> tuple[int, Any]:
    value = next(_reached(document, name.split(".")), None)
    if value is None:
        return 0, 0
    if isinstance(value, (int, float)):
        return 1, value
    return (2, value) if isinstance(value, str) else (3, value)


def skipped_then_limited(documents: list[Document], limits: Mapping[str, Any], otherwise: int | None) -> list[Document]:
    """A page as one expects it; ``otherwise`` is its length when the limits name none."""
    skip, limit = int(limits.get("skip") or 0), limits.get("limit") or otherwise
    return documents[skip : skip + int(limit)] if limit else documents[skip:]


def limited_then_skipped(documents: list[Document], limits: Mapping[str, Any], otherwise: int | None) -> list[Document]:
    """A page of SciCat's jobs: what is skipped is taken from the limit."""
    limit = limits.get("limit") or otherwise
    return documents[: int(limit) if limit else None][int(limits.get("skip") or 0) :]


def with_fields(document: Document, fields: object, always: Collection[str] = ()) -> Document:
    """The document with the ``fields`` alone (a list, or {name: true}); with all when there are none."""
    names = [name for name, shown in fields.items() if shown] if isinstance(fields, dict) else fields
    if not isinstance(names, list) or not names:
        return document
    tops = {str(name).split(".")[0] for name in names} | set(always)
    return {name: value for name, value in document.items() if name in tops}
