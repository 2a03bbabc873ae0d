"""Which requests of ours a real SciCat is known to answer: those that recordings cover, on each release.

A request is a route (method, path without ids, content type) and what is said in it: the dotted keys of its filter and
of its query, and the names in its body. It is covered when successful recordings of its route say all of it. Values do
not matter, but what a filter includes, selects or sorts by does.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qsl, urlsplit

from mocks.scicat.releases import RELEASES
from tests.contract.scicat.recordings import recordings

_WORDS = frozenset(
    [
        "api",
        "v3",
        "v4",
        "auth",
        "login",
        "whoami",
        "users",
        "my",
        "self",
        "identity",
        "useridentity",
        "health",
        "datasets",
        "isvalid",
        "datasetlifecycle",
        "origdatablocks",
        "datablocks",
        "attachments",
        "thumbnail",
        "jobs",
        "fullquery",
        "public",
        "history",
        "collection",
    ]
)
# What stands below these names is the archiver's own, or a user's: SciCat keeps it as it is.
_OPAQUE = frozenset({"archiveReturnMessage", "retrieveReturnMessage", "jobResultObject", "scientificMetadata"})
# A list of these says what is asked for by its entries.
_NAMING = frozenset({"fields", "include", "relation", "sort"})
# A moment as a text, compared with dates: SciCat accepts it, and finds nothing.
_ALWAYS_EMPTY = frozenset({112, 114, 123})
# The metadata of a dataset are those of whoever drops it: SciCat's validation decides about them, and tells.
_METADATA = "POST /api/v3/datasets"


@dataclass(frozen=True)
class Call:
    """What a request asks, without values."""

    route: str
    says: frozenset[str]

    def __str__(self) -> str:
        return f"{self.route} ({', '.join(sorted(self.says)) or 'nothing'})"


def call_of(method: str, path: str, body: object, content_type: str = "application/json") -> Call:
    """The call that a request is."""
    parts = urlsplit(path)
    segments = [part if part.lower() in _WORDS else "{}" for part in parts.path.strip("/").split("/")]
    kind = "" if body is None or content_type.startswith("application/json") else f" as {content_type}"
    said = {said for name, value in parse_qsl(parts.query) for said in _said_in_query(name, value)}
    route = f"{method} /{'/'.join(segments)}"
    fields = _names(body) if route != _METADATA else {"datasetlifecycle", "pid"} & set(_keys(body))
    return Call(route + kind, frozenset(said) | frozenset(fields))


def _keys(body: object) -> Iterable[str]:
    return body.keys() if isinstance(body, Mapping) else ()


def _said_in_query(name: str, value: str) -> Iterator[str]:
    if name != "filter":
        yield f"?{name}"
        return
    for key in _names(json.loads(value)):
        yield f"filter {key}"


def _names(value: object, at: str = "") -> Iterator[str]:
    """The dotted names in an object; of a list, those of its entries."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            here = f"{at}.{name}" if at else name
            yield here
            if name not in _OPAQUE:
                yield from _names(inner, here)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _names(inner, at)
    elif isinstance(value, str) and at.rpartition(".")[2] in _NAMING:
        yield f"{at}={value}"


def uncovered(call: Call) -> str | None:
    """What of the call no recording covers, in words; None when all of it is."""
    for release in RELEASES:
        known = _known(release)
        if call.route not in known:
            return f"SciCat {release}: no recording of {call.route} succeeds"
        if unknown := call.says - known[call.route]:
            return f"SciCat {release}: no recording of {call.route} says {', '.join(sorted(unknown))} and succeeds"
    return None


@cache
def _known(release: str) -> dict[str, set[str]]:
    """What is said in the successful recordings of each route."""
    known: dict[str, set[str]] = {}
    for recording in recordings(release):
        answers = recording.status < 300 and recording.number not in _ALWAYS_EMPTY
        if answers and not recording.was_received and not isinstance(recording.body, str):
            content_type = recording.headers.get("Content-Type", "application/json")
            call = call_of(recording.method, recording.path, recording.body, content_type)
            known.setdefault(call.route, set()).update(call.says)
    return known
