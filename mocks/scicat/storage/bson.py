"""How large a document is in MongoDB, in the bytes of its own format (https://bsonspec.org)."""

import re
from collections.abc import Mapping
from typing import Any

# The largest document that MongoDB hands out: 16 MiB, and 16 KiB for its own fields.
LARGEST = 16 * 1024**2 + 16 * 1024
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_INT32 = 2**31


def size(document: Mapping[str, Any]) -> int:
    """Bytes of a document: four for its length, its elements, and a zero."""
    return 5 + sum(_element(name, value) for name, value in document.items())


def list_size(documents: list[Any]) -> int:
    """Bytes of a list, which is a document whose names are numbers."""
    return 5 + sum(_element(str(number), value) for number, value in enumerate(documents))


def _element(name: str, value: object) -> int:
    """One byte for the type, the name with a zero, and the value."""
    return 2 + len(name.encode()) + _value(name, value)


def _value(name: str, value: object) -> int:
    if isinstance(value, str):
        return _text(name, value)
    if value is None:
        return 0
    if isinstance(value, bool):
        return 1
    if isinstance(value, (int, float)):
        return 4 if isinstance(value, int) and -_INT32 <= value < _INT32 else 8
    return size(value) if isinstance(value, dict) else list_size(value)  # type: ignore[arg-type]


def _text(name: str, value: str) -> int:
    if name == "_id" and _OBJECT_ID.fullmatch(value):
        return 12
    return 8 if _MOMENT.fullmatch(value) else 5 + len(value.encode())
