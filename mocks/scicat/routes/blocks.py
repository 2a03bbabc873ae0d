"""Origdatablocks (what a dataset consists of) and datablocks (what was archived of it)."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from mocks.faults import between_writes
from mocks.scicat import validation
from mocks.scicat.answers import Refused, as_json, forbidden, refused, unhandled
from mocks.scicat.permissions import Rights
from mocks.scicat.routes.datasets import found_dataset
from mocks.scicat.service import Body, DatasetCreator, Pid, Reader, Service, TheService, User, Version
from mocks.scicat.storage.counting import count, count_nothing_archived
from mocks.scicat.storage.documents import block, new_block, now, stored_file
from mocks.scicat.storage.filters import (
    FIELDS,
    INCLUDE,
    LIMITS,
    WHERE,
    in_order,
    parsed,
    select,
    skipped_then_limited,
    with_fields,
)
from mocks.scicat.storage.store import Document, DuplicateKeyError, Kind

router = APIRouter()

# Lists of api v4 end here, and begin with the latest, unless the filter's limits say otherwise.
_V4_LIMITS: Mapping[str, Any] = {"limit": 10, "sort": {"createdAt": "desc"}}
_V4_NAMES = frozenset({"_id", "createdBy", "updatedBy", "createdAt", "updatedAt"})
_V4_KEYS = WHERE | FIELDS | INCLUDE | LIMITS | validation.ORIGDATABLOCK.keys() | validation.DATA_FILE.keys() | _V4_NAMES


@router.post("/api/{version}/origdatablocks")
async def create_origdatablock(version: Version, body: Body, caller: DatasetCreator, service: TheService) -> Response:
    """List files of a dataset; an owner given in the body is replaced by the dataset's."""
    del version
    validation.check(body, validation.ORIGDATABLOCK)
    return as_json(await _new_origdatablock(body, body["datasetId"], caller, service), 201)


@router.post("/api/v3/datasets/{pid}/origdatablocks")
async def create_origdatablock_of_dataset(
    pid: Pid, body: Body, caller: DatasetCreator, service: TheService
) -> Response:
    """List files of this dataset."""
    validation.check(body, validation.ORIGDATABLOCK_OF_DATASET)
    return as_json(await _new_origdatablock(body, pid, caller, service), 201)


@router.get("/api/v3/origdatablocks")
async def list_origdatablocks(caller: Reader, service: TheService, filter: str | None = None) -> Response:  # noqa: A002
    """List the origdatablocks the caller may read."""
    readable = [one for one in service.store.all(Kind.ORIGDATABLOCK) if caller.read_blocks(one)]
    return as_json(_listed(readable, parsed(filter)))


@router.get("/api/v4/origdatablocks")
async def list_origdatablocks_v4(caller: User, service: TheService, filter: str | None = None) -> Response:  # noqa: A002
    """List the origdatablocks the caller may read, the latest first."""
    found = parsed(filter, _V4_KEYS)
    limits = dict(_V4_LIMITS) | (found.get("limits") or {})
    readable = [one for one in service.store.all(Kind.ORIGDATABLOCK) if caller.read_blocks(one)]
    selected = select(readable, found.get("where"), moments=False)
    page = skipped_then_limited(in_order(selected, limits), limits, None)
    return as_json([with_fields(one, found.get("fields"), ("_id",)) for one in page])


@router.get("/api/v3/datasets/{pid}/origdatablocks")
async def list_origdatablocks_of_dataset(pid: Pid, caller: Reader, service: TheService) -> Response:
    """List all origdatablocks of a dataset."""
    return as_json(_of_dataset(Kind.ORIGDATABLOCK, pid, caller, service))


@router.post("/api/v3/datablocks")
async def create_datablock(body: Body, caller: DatasetCreator, service: TheService) -> Response:
    """Record a datablock. An ``archiveId`` that is taken is 409."""
    validation.check(body, validation.DATABLOCK)
    taken = refused(409, "A datablock with this this unique key already exists!")
    return as_json(await _new_datablock(body, body["datasetId"], caller, service, taken), 201)


@router.post("/api/v3/datasets/{pid}/datablocks")
async def create_datablock_of_dataset(pid: Pid, body: Body, caller: DatasetCreator, service: TheService) -> Response:
    """Record a datablock of this dataset. An ``archiveId`` that is taken breaks SciCat."""
    validation.check(body, validation.DATABLOCK_OF_DATASET)
    return as_json(await _new_datablock(body, pid, caller, service, unhandled()), 201)


@router.get("/api/v3/datablocks")
async def list_datablocks(caller: Reader, service: TheService, filter: str | None = None) -> Response:  # noqa: A002
    """List the datablocks the caller may read."""
    readable = [one for one in service.store.all(Kind.DATABLOCK) if caller.list_datablock(one)]
    return as_json(_listed(readable, parsed(filter)))


@router.get("/api/v3/datablocks/{datablock_id}")
async def read_datablock(datablock_id: str, caller: Reader, service: TheService) -> Response:
    """Show one datablock."""
    found = _found(datablock_id, service)
    if not caller.read_datablock(found):
        raise forbidden()
    return as_json(block(found))


@router.get("/api/v3/datasets/{pid}/datablocks")
async def list_datablocks_of_dataset(pid: Pid, caller: Reader, service: TheService) -> Response:
    """List all datablocks of a dataset."""
    return as_json(_of_dataset(Kind.DATABLOCK, pid, caller, service))


@router.patch("/api/v3/datasets/{pid}/datablocks/{datablock_id}")
async def update_datablock(pid: Pid, datablock_id: str, body: Body, caller: User, service: TheService) -> Response:
    """Change a datablock; the whole list of files must be sent again."""
    validation.check(body, validation.DATABLOCK_PATCH)
    dataset = found_dataset(pid, service, f"dataset: {pid} not found")
    if not caller.add_blocks(dataset):
        raise refused(403, "Unauthorized access")
    stored = _found(datablock_id, service)
    files = [stored_file(file) for file in body["dataFileList"]]
    changed = stored | body | {"dataFileList": files, "updatedBy": caller.username, "updatedAt": now()}
    service.store.replace(Kind.DATABLOCK, changed)
    difference = {name: value - _archived(stored)[name] for name, value in _archived(changed).items()}
    count(service, pid, difference, caller.username)
    return as_json(block(changed))


@router.delete("/api/v3/datasets/{pid}/datablocks/{datablock_id}")
async def delete_datablock(pid: Pid, datablock_id: str, caller: User, service: TheService) -> Response:
    """Forget a datablock; the answer has no body."""
    _may_delete(caller)
    found_dataset(pid, service, f"dataset: {pid} not found")
    datablock = _found(datablock_id, service)
    service.store.remove(Kind.DATABLOCK, datablock["_id"])
    count(service, pid, {name: -value for name, value in _archived(datablock).items()}, caller.username)
    return Response(status_code=200)


@router.delete("/api/v3/datasets/{pid}/datablocks")
async def delete_datablocks(pid: Pid, caller: User, service: TheService) -> Response:
    """Forget all datablocks of a dataset."""
    _may_delete(caller)
    found_dataset(pid, service, f"dataset: {pid} not found")
    found = service.store.of_dataset(Kind.DATABLOCK, pid)
    for datablock in found:
        service.store.remove(Kind.DATABLOCK, datablock["_id"])
    count_nothing_archived(service, pid, caller.username)
    return as_json({"count": len(found)})


def _may_delete(caller: Rights) -> None:
    if not caller.delete:
        raise forbidden()


async def _new_origdatablock(fields: Mapping[str, Any], pid: str, caller: Rights, service: Service) -> Document:
    dataset = found_dataset(pid, service, f"Dataset: {pid} not found for attaching an origdatablock")
    stored = _attached(fields, dataset, caller)
    service.store.add(Kind.ORIGDATABLOCK, stored)
    await between_writes()
    added = {"size": stored["size"], "numberOfFiles": len(stored["dataFileList"])}
    count(service, pid, added, caller.username)
    return block(stored)


async def _new_datablock(
    fields: Mapping[str, Any], pid: str, caller: Rights, service: Service, taken: Refused
) -> Document:
    dataset = found_dataset(pid, service, f"dataset: {pid} not found")
    stored = _attached(fields, dataset, caller)
    try:
        service.store.add(Kind.DATABLOCK, stored)
    except DuplicateKeyError:
        raise taken from None
    # Two writes, and no transaction: who dies here leaves a datablock that is not counted.
    await between_writes()
    count(service, pid, _archived(stored), caller.username)
    return block(stored)


def _attached(fields: Mapping[str, Any], dataset: Document, caller: Rights) -> Document:
    """A new block of the dataset. SciCat's validation lets an empty path through and its database does not."""
    if not caller.add_blocks(dataset):
        raise refused(403, "Unauthorized access")
    if any(not file["path"] for file in fields["dataFileList"]):
        raise unhandled()
    return new_block(fields, dataset, caller.username)


def _archived(datablock: Document) -> dict[str, int]:
    """What a datablock adds to its dataset's counters."""
    return {"packedSize": datablock["packedSize"], "numberOfFilesArchived": len(datablock["dataFileList"])}


def _found(datablock_id: str, service: Service) -> Document:
    found = service.store.get(Kind.DATABLOCK, datablock_id)
    if found is None:
        raise refused(404, f"datablock: {datablock_id} not found")
    return found


def _of_dataset(kind: Kind, pid: str, caller: Rights, service: Service) -> list[Document]:
    dataset = found_dataset(pid, service, f"dataset: {pid} not found")
    if not caller.read_blocks(dataset):
        raise refused(403, "Unauthorized access")
    return [block(one) for one in service.store.of_dataset(kind, pid)]


def _listed(readable: list[Document], found: Mapping[str, Any]) -> list[Document]:
    limits = found.get("limits") or {}
    selected = in_order(select(readable, found.get("where"), moments=True), limits)
    return [block(one) for one in skipped_then_limited(selected, limits, None)]
