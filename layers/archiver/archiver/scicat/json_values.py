"""JSON as SciCat sends and takes it, whatever it is about."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

# A parsed body: whatever SciCat sent.
Json = Any


def loaded(text: bytes | bytearray) -> Json:
    """JSON with whatever text is in it: half a letter is for the names' rules to refuse. Raises ValueError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value: SciCat takes null for one."""
    return {name: value for name, value in fields.items() if value is not None}
