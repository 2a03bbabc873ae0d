"""Datasets, datablocks and files as SciCat writes them down, read and written."""

import math
from datetime import datetime
from email.utils import formatdate
from typing import Any

from archiver.models.catalogue import (
    CatalogueDatablock,
    CatalogueDataset,
    CatalogueFile,
    CatalogueTotals,
    DatablockRecord,
    RecordedDataset,
)
from archiver.scicat.json_values import Json, without_none

# Read

# What changes in a dataset because of us: its lifecycle, and the totals with each block.
_WRITTEN = frozenset({"datasetlifecycle", "size", "numberOfFiles", "packedSize", "numberOfFilesArchived"})
# What a list of blocks tells of each: its files are read from one block at a time.
ORIGDATABLOCK_FIELDS = ("_id", "size")
DATABLOCK_FIELDS = ("_id", "archiveId", "size", "packedSize", "chkAlg", "version")


def dataset_of(body: Json) -> CatalogueDataset:
    """A dataset."""
    return CatalogueDataset(
        pid=body["pid"],
        owner_group=body["ownerGroup"],
        owner=body.get("owner"),
        access_groups=tuple(body.get("accessGroups") or ()),
        contact_email=body.get("contactEmail"),
        lifecycle=lifecycle_of(body.get("datasetlifecycle") or {}),
        totals=CatalogueTotals(
            size=body.get("size", 0),
            files=body.get("numberOfFiles", 0),
            packed_size=body.get("packedSize", 0),
            files_archived=body.get("numberOfFilesArchived", 0),
        ),
        updated_at=body.get("updatedAt", ""),
    )


def lifecycle_of(body: Json) -> dict[str, Any]:
    """A lifecycle, without what is MongoDB's own."""
    return {name: value for name, value in body.items() if name != "_id"}


def recorded_dataset_of(body: Json) -> RecordedDataset:
    """A dataset with its list of datablocks."""
    return RecordedDataset(dataset_of(body), tuple(_record_of(block) for block in body["datablocks"]))


def sorted_pids_of(body: Json) -> list[str]:
    """The pids of a list of datasets."""
    return sorted(dataset["pid"] for dataset in body)


def lost_edits_of(body: Json, writer: str) -> list[str]:
    """The fields that ``writer``'s last change set back, though this account writes none of them: sorted by name.

    SciCat saves a dataset with its lifecycle as a whole, as it was read before: what somebody else changed in between
    is set back, and its history ascribes that to whoever wrote the lifecycle.
    """
    last_writers: dict[str, str] = {}
    for change in body.get("history") or []:
        changed = (name for name, value in change.items() if isinstance(value, dict) and _differs(value))
        last_writers |= dict.fromkeys(changed, change["updatedBy"])
    return sorted(name for name, last in last_writers.items() if last == writer and name not in _WRITTEN)


def _differs(change: Json) -> bool:
    return bool(change.get("previousValue") != change.get("currentValue"))


def origdatablock_ids_of(body: Json) -> tuple[str, ...]:
    """The ids of a dataset's origdatablocks, in SciCat's order."""
    return tuple(block["_id"] for block in body["origdatablocks"])


def origdatablock_of(body: Json) -> tuple[str, list[CatalogueFile]] | None:
    """The id and the files of the one origdatablock that a dataset was read with; None when there was none."""
    return next(((block["_id"], _files_of(block)) for block in body["origdatablocks"]), None)


def datablocks_of(body: Json) -> list[tuple[str, CatalogueDatablock]]:
    """The ids of the few datablocks that a dataset was read with, and these with their files."""
    return [(block["_id"], _datablock_of(block)) for block in body["datablocks"]]


def _record_of(block: Json) -> DatablockRecord:
    return DatablockRecord(id=block["_id"], **_described(block))


def _datablock_of(block: Json) -> CatalogueDatablock:
    return CatalogueDatablock(**_described(block), files=tuple(_files_of(block)))


def _described(block: Json) -> dict[str, Any]:
    """What a datablock is, but for its files."""
    return {
        "archive_id": block["archiveId"],
        "size": block["size"],
        "packed_size": block["packedSize"],
        "chk_alg": block.get("chkAlg"),
        "version": block["version"],
    }


def _files_of(block: Json) -> list[CatalogueFile]:
    """The files of a datablock or an origdatablock."""
    return [_file_of(file, block.get("chkAlg")) for file in block["dataFileList"]]


def _file_of(file: Json, chk_alg: str | None) -> CatalogueFile:
    optional = {name: file.get(name) for name in ("chk", "uid", "gid", "perm", "type")}
    return CatalogueFile(file["path"], file["size"], file.get("time") or "", chk_alg=chk_alg, **optional)


# Written


def file_body(file: CatalogueFile) -> dict[str, Any]:
    """A file as SciCat takes it: the algorithm of its ``chk`` is its block's, not its own."""
    named = ("path", "size", "time", "chk", "uid", "gid", "perm", "type")
    return without_none({name: getattr(file, name) for name in named})


def datablock_body(datablock: CatalogueDatablock) -> dict[str, Any]:
    """A datablock as SciCat takes it."""
    body = {
        "archiveId": datablock.archive_id,
        "size": datablock.size,
        "packedSize": datablock.packed_size,
        "chkAlg": datablock.chk_alg,
        "version": datablock.version,
        "dataFileList": [file_body(file) for file in datablock.files],
    }
    return without_none(body)


def totals_body(totals: CatalogueTotals) -> dict[str, Any]:
    """The four totals as fields of a dataset."""
    return {
        "size": totals.size,
        "numberOfFiles": totals.files,
        "packedSize": totals.packed_size,
        "numberOfFilesArchived": totals.files_archived,
    }


def unmodified_since(dataset: CatalogueDataset) -> dict[str, str]:
    """The header with which SciCat refuses a change of a dataset that was changed since. It counts whole seconds."""
    moment = datetime.fromisoformat(dataset.updated_at).timestamp()
    return {"If-Unmodified-Since": formatdate(math.ceil(moment), usegmt=True)}


# Compared


def is_recorded(datablock: CatalogueDatablock, found: CatalogueDatablock) -> bool:
    """Whether what was ``found`` is the datablock. SciCat may write the files' times in another form."""
    return _contents(found) == _contents(datablock)


def likeness(file: CatalogueFile) -> tuple[str, int, str | None]:
    """What makes two entries the same file; SciCat may write its time in another form."""
    return file.path, file.size, file.chk


def _contents(datablock: CatalogueDatablock) -> tuple[object, ...]:
    """What makes two records the same datablock."""
    sizes = datablock.size, datablock.packed_size
    files = tuple(likeness(file) for file in datablock.files)
    return datablock.archive_id, *sizes, datablock.chk_alg, datablock.version, files
