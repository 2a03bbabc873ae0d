"""Datasets and their lifecycle."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from mocks.faults import between_writes
from mocks.scicat import validation
from mocks.scicat.answers import as_json, forbidden, refused, unhandled
from mocks.scicat.permissions import Rights
from mocks.scicat.service import (
    Body,
    DatasetCreator,
    Pid,
    Reader,
    Service,
    TheService,
    User,
    Version,
    is_merge_patch,
)
from mocks.scicat.storage.documents import (
    created_dataset_v3,
    dataset_v3,
    default_lifecycle,
    new_dataset,
    reset_lifecycle,
    stored_lifecycle,
    with_ids_as_bytes,
    with_plurals,
)
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
from mocks.scicat.storage.history import change_dataset, changes, shown_by_v3
from mocks.scicat.storage.includes import included, relations
from mocks.scicat.storage.store import Document, DuplicateKeyError, Kind

router = APIRouter()

# Lists end here unless the filter's limits say otherwise; those of api v4 begin with the latest.
_V3_LIMIT = 100
_V4_LIMITS: Mapping[str, Any] = {"limit": 10, "sort": {"createdAt": "desc"}}
_V4_NAMES = frozenset({"_id", "id", "createdBy", "updatedBy", "createdAt", "updatedAt", "instrumentGroup"})
_V4_KEYS = WHERE | FIELDS | INCLUDE | LIMITS | validation.DATASET_V4.keys() | validation.LIFECYCLE.keys() | _V4_NAMES
_COUNTERS_OF_V4 = ("size", "packedSize", "numberOfFiles")


@router.post("/api/v3/datasets/isvalid")
async def is_valid_v3(body: Body, caller: DatasetCreator) -> Response:
    """Tell whether a dataset would be accepted, to whoever may create it."""
    return _validity(body, _shape_v3(body), caller)


@router.post("/api/v4/datasets/isvalid")
async def is_valid_v4(body: Body, caller: DatasetCreator) -> Response:
    """Tell whether a dataset would be accepted, to whoever may create it."""
    return _validity(body, validation.DATASET_V4, caller)


def _validity(body: Mapping[str, Any], shape: validation.Shape, caller: Rights) -> Response:
    if not caller.create_dataset(str(body.get("ownerGroup")), pid="pid" in body):
        raise refused(403, "Unauthorized to create this dataset")
    found = [violation.message for violation in validation.violations(body, shape)]
    return as_json({"valid": False, "error": "; ".join(found)} if found else {"valid": True})


@router.post("/api/v3/datasets")
async def create_v3(body: Body, caller: DatasetCreator, service: TheService) -> Response:
    """Register a dataset. Keys the lifecycle does not know are left out."""
    validation.check_v3_dataset(body, _shape_v3(body))
    return as_json(created_dataset_v3(_create(with_plurals(body, complete=True), caller, service, "3")), 201)


@router.post("/api/v4/datasets")
async def create_v4(body: Body, caller: DatasetCreator, service: TheService) -> Response:
    """Register a dataset. Keys the lifecycle does not know break SciCat."""
    validation.check(body, validation.DATASET_V4)
    if (body.get("datasetlifecycle") or {}).keys() - validation.LIFECYCLE.keys():
        raise unhandled()
    return as_json(_create(body, caller, service, "4"), 201)


@router.get("/api/v3/datasets")
async def list_v3(caller: Reader, service: TheService, filter: str | None = None) -> Response:  # noqa: A002
    """List the datasets the caller may see, what is published among them."""
    found = parsed(filter)
    wanted = relations(found.get("include") or ())
    limits = found.get("limits") or {}
    datasets = in_order(select(_readable(caller, service), found.get("where"), moments=True), limits)
    page = skipped_then_limited(datasets, limits, _V3_LIMIT)
    return as_json([_shown_v3(one, found) | included(one, wanted, service.store, None) for one in page])


@router.get("/api/v3/datasets/fullquery")
async def full_query(
    caller: Reader, service: TheService, fields: str | None = None, limits: str | None = None
) -> Response:
    """Search datasets: a list of values means any of them."""
    wanted = {name: {"$in": value} if isinstance(value, list) else value for name, value in parsed(fields).items()}
    asked = parsed(limits)
    datasets = in_order(select(_readable(caller, service), wanted, moments=True), asked)
    return as_json([dataset_v3(one) for one in skipped_then_limited(datasets, asked, _V3_LIMIT)])


@router.get("/api/v4/datasets")
async def list_v4(caller: User, service: TheService, filter: str | None = None) -> Response:  # noqa: A002
    """List the datasets the caller may see, the latest first."""
    return as_json(_listed_v4(_readable(caller, service), parsed(filter, _V4_KEYS), caller, service))


@router.get("/api/v4/datasets/public")
async def list_public(caller: Reader, service: TheService, filter: str | None = None) -> Response:  # noqa: A002
    """List the published datasets, the latest first."""
    public = [one for one in service.store.all(Kind.DATASET) if one["isPublished"]]
    return as_json(_listed_v4(public, parsed(filter, _V4_KEYS), caller, service))


def _listed_v4(datasets: list[Document], found: Document, caller: Rights, service: Service) -> list[Document]:
    wanted = relations(found.get("include") or ())
    limits = dict(_V4_LIMITS) | (found.get("limits") or {})
    page = skipped_then_limited(in_order(select(datasets, found.get("where"), moments=False), limits), limits, None)
    shown = [
        with_fields(one, found.get("fields"), ("_id",)) | included(one, wanted, service.store, caller) for one in page
    ]
    return [_shown_v4(one, service) for one in shown]


def _changed(dataset: Document, service: Service) -> Document:
    return dataset | ({"id": dataset["pid"]} if service.configuration.release.changed_datasets_have_an_id else {})


def _shown_v4(dataset: Document, service: Service) -> Document:
    as_bytes = service.configuration.release.v4_shows_object_ids_as_bytes
    return with_ids_as_bytes(dataset) if as_bytes else dataset


def _readable(caller: Rights, service: Service) -> list[Document]:
    return [one for one in service.store.all(Kind.DATASET) if caller.read_dataset(one)]


def _shown_v3(dataset: Document, found: Document) -> Document:
    return with_fields(dataset_v3(dataset), found.get("fields"), ("_id", "pid"))


@router.get("/api/v3/datasets/{pid}")
async def read_v3(pid: Pid, caller: Reader, service: TheService, filter: str | None = None) -> Response:  # noqa: A002
    """Show a dataset with its history; its blocks too when ``filter`` includes them."""
    found = parsed(filter)
    wanted = relations(found.get("include") or ())
    dataset = readable_dataset(pid, caller, service, f"dataset: {pid} not found")
    shown = _shown_v3(dataset, found) | included(dataset, wanted, service.store, None)
    if not found.get("fields") or "history" in found["fields"]:
        shown["history"] = shown_by_v3(dataset, changes(service.store, pid))
    return as_json(shown)


@router.get("/api/v4/datasets/{pid}")
async def read_v4(
    pid: Pid, caller: Reader, service: TheService, include: Annotated[tuple[str, ...], Query()] = ()
) -> Response:
    """Show a dataset; blocks that the caller may not read directly are an empty list."""
    release = service.configuration.release
    if caller.account is None and not release.v4_shows_public_datasets:
        raise forbidden()
    wanted = relations(include)
    dataset = readable_dataset(pid, caller, service, "dataset: null not found")
    return as_json(_shown_v4(dataset | included(dataset, wanted, service.store, caller), service))


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
    if service.configuration.release.v4_changes_reset_counters:
        body = dict.fromkeys(_COUNTERS_OF_V4, 0) | body
    return as_json(_shown_v4(_changed(_update(dataset, body, caller, service), service), service))


@router.delete("/api/v3/datasets/{pid}")
async def delete(pid: Pid, caller: User, service: TheService) -> Response:
    """Delete a dataset; its blocks stay behind."""
    if not caller.delete:
        raise forbidden()
    dataset = found_dataset(pid, service, f"dataset: {pid} not found")
    service.store.remove(Kind.DATASET, pid)
    return as_json(_changed(dataset, service))


@router.get("/api/{version}/datasets/{pid}/datasetlifecycle")
async def read_lifecycle(version: Version, pid: Pid, caller: Reader, service: TheService) -> Response:
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
    # Api v4 writes down who it was.
    author = {} if version is Version.V3 else {"updatedBy": caller.username}
    changed = dataset | {"datasetlifecycle": stored_lifecycle(dataset["datasetlifecycle"] | meant)} | author
    # The whole dataset is saved, as it was read: what is counted or changed in between is lost, and history shows it as
    # this caller's change.
    await between_writes()
    before = found_dataset(pid, service, f"Dataset #{pid} not found")
    return as_json(change_dataset(service, before, before | changed, caller.username)["datasetlifecycle"])


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
    if not caller.create_dataset(fields["ownerGroup"], pid="pid" in fields):
        raise refused(403, "Unauthorized to create this dataset")
    rule = service.settings.pid_rule
    if rule is not None and "pid" in fields and rule.search(fields["pid"]) is None:
        raise refused(400, "PID is not following required standards")
    dataset = new_dataset(fields, caller.username, service.settings.pid_prefix, version)
    try:
        service.store.add(Kind.DATASET, dataset)
    except DuplicateKeyError:
        raise refused(409, f"A dataset with pid {dataset['pid']} already exists!") from None
    return dataset


def _updatable(pid: str, caller: Rights, service: Service, request: Request) -> Document:
    dataset = found_dataset(pid, service, f"dataset: {pid} not found")
    if not caller.update_dataset(dataset):
        raise refused(403, "Unauthorized to update this dataset")
    if unmodified_since := request.headers.get("if-unmodified-since"):
        changed = datetime.fromisoformat(dataset["updatedAt"]).replace(microsecond=0)
        if changed > parsedate_to_datetime(unmodified_since):
            named = service.configuration.release.changed_datasets_are_named
            message = f"Dataset #{pid} has been modified on the server since {unmodified_since}."
            raise refused(412, message if named else "Resource has been modified on server")
    return dataset


def _update(dataset: Document, fields: Mapping[str, Any], caller: Rights, service: Service) -> Document:
    changed = dict(fields)
    if "datasetlifecycle" in changed:
        changed["datasetlifecycle"] = reset_lifecycle(changed["datasetlifecycle"] or {})
    updated = dataset | changed | {"updatedBy": caller.username}
    return change_dataset(service, dataset, updated, caller.username)


def _defaults_for_nulls(body: Mapping[str, Any]) -> Document:
    defaults = default_lifecycle()
    return {name: defaults.get(name) if value is None else value for name, value in body.items()}
