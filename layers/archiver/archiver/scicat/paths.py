"""Where things are in SciCat: paths and filters, encoded once."""

from collections.abc import Mapping
from urllib.parse import quote

import orjson

from archiver.errors import Code, DatasetRejected


def segment(value: str) -> str:
    """One path segment. Dots alone would climb up the path, and name nothing in SciCat."""
    if value in {"", ".", ".."}:
        raise DatasetRejected(Code.DATASET_UNKNOWN, f"SciCat knows nothing by the name {value!r}.")
    return quote(value, safe="")


DATASETS_PATH = "/api/v3/datasets"


def dataset_path(pid: str) -> str:
    """The path of a dataset."""
    return f"{DATASETS_PATH}/{segment(pid)}"


def including(pid: str, relation: str, scope: Mapping[str, object]) -> str:
    """The path of a dataset with what belongs to it, as much of it as ``scope`` lets through.

    Never all of it: SciCat puts dataset and blocks into one document of MongoDB, and that holds 16 MiB.
    """
    return filtered(dataset_path(pid), include=[{"relation": relation, "scope": scope}])


def filtered(path: str, **condition: object) -> str:
    """The path with SciCat's ``filter``: ``where``, ``limits``, ``include``."""
    return f"{path}?filter={quote(orjson.dumps(condition), safe='')}"
