"""Bodies of requests: JSON as RFC 8259 has it, in which no object has two members of one name."""

import json
from collections.abc import Sequence
from typing import Any

import orjson

# No object that anybody sends has more; each one too many would cost an error of its own.
_MEMBERS = 1_000


def read(body: str) -> dict[str, Any]:
    """The object that a body writes; what is none is left to whoever validates.

    Raises json.JSONDecodeError, also where another program might read something else.

    orjson refuses NaN, lone surrogates and what is nested too deeply, but of two members with one name it takes the
    last one in silence.
    """
    value: dict[str, Any] = orjson.loads(body)
    json.loads(body, object_pairs_hook=_members, parse_int=str, parse_float=str)
    return value


def _members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise json.JSONDecodeError("two members have one name", "", 0)
    if len(members) > _MEMBERS:
        raise json.JSONDecodeError(f"an object has more than {_MEMBERS} members", "", 0)
    return members
