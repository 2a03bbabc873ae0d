"""Datasets, datablocks and files as SciCat writes them down, read and written."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from email.utils import formatdate
from typing import Any

from archiver.errors import Code, ServiceRefused
from archiver.models import CatalogueDatablock, CatalogueDataset, CatalogueFile, CatalogueTotals
from archiver.scicat.bodies import Json, without_none

# Read


def dataset_of(body: Json) -> CatalogueDataset:
    """A dataset, with the lists that its body has."""
    lifecycle = {name: value for name, value in (body.get("datasetlifecycle") or {}).items() if name != "_id"}
    files = (file for block in body.get("origdatablocks") or () for file in files_of(block))
    return CatalogueDataset(
        pid=body["pid"],
        owner_group=body["ownerGroup"],
        owner=body.get("owner"),
        access_groups=tuple(body.get("accessGroups") or ()),
        contact_email=body.get("contactEmail"),
        lifecycle=lifecycle,
        totals=CatalogueTotals(
            size=body.get("size", 0),
            files=body.get("numberOfFiles", 0),
            packed_size=body.get("packedSize", 0),
            files_archived=body.get("numberOfFilesArchived", 0),
        ),
        updated_at=body.get("updatedAt", ""),
        files=tuple(files),
        datablocks=tuple(datablock_of(block) for block in body.get("datablocks") or ()),
    )


def datablock_of(body: Json) -> CatalogueDatablock:
    """A datablock with its files."""
    return CatalogueDatablock(
        # Included blocks carry _id alone; both are the same value.
        id=body["_id"],
        archive_id=body["archiveId"],
        size=body["size"],
        packed_size=body["packedSize"],
        chk_alg=body.get("chkAlg"),
        version=body["version"],
        files=tuple(files_of(body)),
    )


def files_of(block: Json) -> Iterator[CatalogueFile]:
    """The files of a datablock or an origdatablock."""
    for file in block["dataFileList"]:
        optional = {name: file.get(name) for name in ("chk", "uid", "gid", "perm", "type")}
        yield CatalogueFile(
            path=file["path"], size=file["size"], time=file.get("time") or "", chk_alg=block.get("chkAlg"), **optional
        )


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


def totals_of(dataset: CatalogueDataset) -> CatalogueTotals:
    """What SciCat should count: of what is archived, the sums over its own records."""
    return replace(
        dataset.totals,
        packed_size=sum(block.packed_size for block in dataset.datablocks),
        files_archived=sum(len(block.files) for block in dataset.datablocks),
    )


def recorded_as(datablock: CatalogueDatablock, dataset: CatalogueDataset) -> str | None:
    """The id under which ``dataset``, read with its datablocks, has this one; None when it has not.

    Raises ServiceRefused (``ARCHIVE_ID_CONFLICT``) when another one has its ``archive_id``.
    """
    found = next((one for one in dataset.datablocks if one.archive_id == datablock.archive_id), None)
    if found is not None and _contents(found) != _contents(datablock):
        raise ServiceRefused(Code.ARCHIVE_ID_CONFLICT, f"SciCat records another datablock as {datablock.archive_id}.")
    return found.id if found else None


def likeness(file: CatalogueFile) -> tuple[str, int, str | None]:
    """What makes two entries the same file; SciCat may write its time in another form."""
    return file.path, file.size, file.chk


def _contents(datablock: CatalogueDatablock) -> tuple[object, ...]:
    """What makes two records the same datablock."""
    sizes = datablock.size, datablock.packed_size
    files = tuple(likeness(file) for file in datablock.files)
    return datablock.archive_id, *sizes, datablock.chk_alg, datablock.version, files
