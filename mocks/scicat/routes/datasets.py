"""Datasets and their lifecycle."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from mocks.faults import between_writes
from mocks.scicat import validation
from mocks.scicat.answers import as_json, forbidden, refused, unhandled
from mocks.scicat.documents import (
    created_dataset_v3,
    dataset_v3,
    dataset_v4,
    default_lifecycle,
    new_dataset,
    now,
    reset_lifecycle,
    with_plurals,
)
from mocks.scicat.filters import included, parsed, select
from mocks.scicat.permissions import Rights
from mocks.scicat.service import Body, Caller, Pid, Service, TheService, User, Version, is_merge_patch
from mocks.scicat.store import Document, DuplicateKeyError, Kind

router = APIRouter()

_BLOCKS = (Kind.ORIGDATABLOCK, Kind.DATABLOCK)


@router.post("/api/v3/datasets/isvalid")
async def is_valid_v3(body: Body) -> Response:
    """Tell whether a dataset would be accepted."""
    reasons = validation.reasons(body, _shape_v3(body))
    return as_json({"valid": not reasons, "reason": reasons})


@router.post("/api/v4/datasets/isvalid")
async def is_valid_v4(body: Body) -> Response:
    """Tell whether a dataset would be accepted."""
    reasons = validation.reasons(body, validation.DATASET_V4)
    return as_json({"valid": not reasons, "reason": reasons})


@router.post("/api/v3/datasets")
async def create_v3(body: Body, caller: User, service: TheService) -> Response:
    """Register a dataset. Keys the lifecycle does not know are left out."""
    validation.check_v3_dataset(body, _shape_v3(body))
    return as_json(created_dataset_v3(_create(with_plurals(body, complete=True), caller, service, "3")), 201)


@router.post("/api/v4/datasets")
async def create_v4(body: Body, caller: User, service: TheService) -> Response:
    """Register a dataset. Keys the lifecycle does not know break SciCat."""
    validation.check(body, validation.DATASET_V4)
    if (body.get("datasetlifecycle") or {}).keys() - validation.LIFECYCLE.keys():
        raise unhandled()
    return as_json(_create(body, caller, service, "4"), 201)


@router.get("/api/v3/datasets")
async def list_v3(caller: Caller, service: TheService, filter: str | None = None) -> Response:  # noqa: A002
    """List the datasets the caller may see; an anonymous caller gets an empty list."""
    readable = [one for one in service.store.all(Kind.DATASET) if caller.read_dataset(one)]
    return as_json([dataset_v3(one) for one in select(readable, parsed(filter))])


@router.get("/api/v3/datasets/{pid}")
async def read_v3(pid: Pid, caller: Caller, service: TheService, filter: str | None = None) -> Response:  # noqa: A002
    """Show a dataset; its blocks too when ``filter`` includes them."""
    dataset = readable_dataset(pid, caller, service, f"dataset: {pid} not found")
    relations = included(parsed(filter))
    blocks = {f"{kind}s": service.store.of_dataset(kind, pid) for kind in _BLOCKS if f"{kind}s" in relations}
    return as_json(dataset_v3(dataset) | blocks)


@router.get("/api/v4/datasets/{pid}")
async def read_v4(
    pid: Pid, caller: Caller, service: TheService, include: Annotated[tuple[str, ...], Query()] = ()
) -> Response:
    """Show a dataset; blocks that the caller may not read directly are an empty list."""
    dataset = readable_dataset(pid, caller, service, "dataset: null not found")
    shown = {kind: service.store.of_dataset(kind, pid) for kind in _BLOCKS if f"{kind}s" in include}
    blocks = {f"{kind}s": [one for one in found if caller.read_blocks(one)] for kind, found in shown.items()}
    return as_json(dataset_v4(dataset) | blocks)


@router.patch("/api/v3/datasets/{pid}")
async def update_v3(pid: Pid, body: Body, caller: User, service: TheService, request: Request) -> Response:
    """Change a dataset. A nested lifecycle resets every field it does not name."""
    dataset = _updatable(pid, caller, service, request)
    validation.check_v3_dataset(body, validation.DATASET_PATCH_V3)
    return as_json(dataset_v3(_update(dataset, with_plurals(body, complete=False), caller, service)))


@router.patch("/api/v4/datasets/{pid}")
async def update_v4(pid: Pid, body: Body, caller: User, service: TheService, request: Request) -> Response:
    """Change a dataset; as a merge patch, a nested lifecycle keeps what it does not name."""
    dataset = _updatable(pid, caller, service, request)
    validation.check(body, validation.DATASET_PATCH_V4)
    if is_merge_patch(request) and "datasetlifecycle" in body:
        body = body | {"datasetlifecycle": dataset["datasetlifecycle"] | (body["datasetlifecycle"] or {})}
    return as_json(_update(dataset, body, caller, service))


@router.delete("/api/v3/datasets/{pid}")
async def delete(pid: Pid, caller: User, service: TheService) -> Response:
    """Delete a dataset; its blocks stay behind."""
    if not caller.delete:
        raise forbidden()
    dataset = found_dataset(pid, service, f"dataset: {pid} not found")
    service.store.remove(Kind.DATASET, pid)
    return as_json(dataset_v3(dataset))


@router.get("/api/{version}/datasets/{pid}/datasetlifecycle")
async def read_lifecycle(version: Version, pid: Pid, caller: Caller, service: TheService) -> Response:
    """Show the lifecycle."""
    del version
    dataset = readable_dataset(pid, caller, service, f"dataset with pid {pid} not found")
    return as_json(dataset["datasetlifecycle"])


@router.patch("/api/{version}/datasets/{pid}/datasetlifecycle")
async def update_lifecycle(version: Version, pid: Pid, body: Body, caller: User, service: TheService) -> Response:
    """Merge fields into the lifecycle and answer with all of it."""
    validation.check(body, validation.LIFECYCLE)
    if not body:
        raise refused(400, "dataset lifecycle DTO must not be empty")
    dataset = found_dataset(pid, service, f"dataset with pid {pid} not found")
    if not caller.update_lifecycle(dataset):
        v3 = version is Version.V3
        raise refused(403, "Unauthorized to update this dataset" if v3 else "Unauthorized access")
    # A null is stored as it is by api v3, and means the default in api v4.
    meant = body if version is Version.V3 else _defaults_for_nulls(body)
    dataset["datasetlifecycle"] |= meant
    # The whole dataset is saved, as it was read: what is counted in between is lost.
    await between_writes()
    dataset["updatedAt"] = now()
    service.store.replace(Kind.DATASET, dataset)
    return as_json(dataset["datasetlifecycle"])


def found_dataset(pid: str, service: Service, otherwise: str) -> Document:
    """The dataset, or 404 with these words."""
    dataset = service.store.get(Kind.DATASET, pid)
    if dataset is None:
        raise refused(404, otherwise)
    return dataset


def readable_dataset(pid: str, caller: Rights, service: Service, otherwise: str) -> Document:
    """The dataset, when the caller may see it."""
    dataset = found_dataset(pid, service, otherwise)
    if not caller.read_dataset(dataset):
        raise refused(403, "Unauthorized access")
    return dataset


def _shape_v3(body: Mapping[str, Any]) -> validation.Shape:
    return validation.DERIVED_DATASET_V3 if body.get("type") == "derived" else validation.RAW_DATASET_V3


def _create(fields: Document, caller: Rights, service: Service, version: str) -> Document:
    named_pid = "pid" in fields and not caller.name_pids
    if named_pid or not caller.create_dataset(fields["ownerGroup"]):
        raise refused(403, "Unauthorized to create this dataset")
    dataset = new_dataset(fields, caller.username, service.configuration.pid_prefix, version)
    try:
        service.store.add(Kind.DATASET, dataset)
    except DuplicateKeyError:
        raise refused(409, "A dataset with this this unique key already exists!") from None
    return dataset


def _updatable(pid: str, caller: Rights, service: Service, request: Request) -> Document:
    dataset = found_dataset(pid, service, f"dataset: {pid} not found")
    if not caller.update_dataset(dataset):
        raise refused(403, "Unauthorized to update this dataset")
    if unmodified_since := request.headers.get("if-unmodified-since"):
        changed = datetime.fromisoformat(dataset["updatedAt"]).replace(microsecond=0)
        if changed > parsedate_to_datetime(unmodified_since):
            raise refused(412, "Update error due to failed if-modified-since condition")
    return dataset


def _update(dataset: Document, fields: Mapping[str, Any], caller: Rights, service: Service) -> Document:
    changed = dict(fields)
    if "datasetlifecycle" in changed:
        changed["datasetlifecycle"] = reset_lifecycle(changed["datasetlifecycle"] or {})
    updated = dataset | changed | {"updatedBy": caller.username, "updatedAt": now()}
    service.store.replace(Kind.DATASET, updated)
    return updated


def _defaults_for_nulls(body: Mapping[str, Any]) -> Document:
    defaults = default_lifecycle()
    return {name: defaults.get(name) if value is None else value for name, value in body.items()}
