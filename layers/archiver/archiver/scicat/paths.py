"""Where things are in SciCat: paths and filters, encoded once."""

from urllib.parse import quote

import orjson

from archiver.errors import Code, DatasetRejected


def segment(value: str) -> str:
    """One path segment. Dots alone would climb up the path, and name nothing in SciCat."""
    if value in {"", ".", ".."}:
        raise DatasetRejected(Code.DATASET_UNKNOWN, f"SciCat knows nothing by the name {value!r}.")
    return quote(value, safe="")


def dataset_path(pid: str) -> str:
    """The path of a dataset."""
    return f"/api/v3/datasets/{segment(pid)}"


def including(pid: str, *relations: str) -> str:
    """The path of a dataset with lists of what belongs to it."""
    return filtered(dataset_path(pid), include=[{"relation": name} for name in relations])


def filtered(path: str, **condition: object) -> str:
    """The path with SciCat's ``filter``: ``where``, ``limits``, ``include``."""
    return f"{path}?filter={quote(orjson.dumps(condition), safe='')}"
