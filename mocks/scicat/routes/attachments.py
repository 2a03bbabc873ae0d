"""Pictures of datasets."""

from dataclasses import replace

from fastapi import APIRouter, Response

from mocks.scicat import validation
from mocks.scicat.answers import as_json, forbidden, refused
from mocks.scicat.routes.datasets import found_dataset
from mocks.scicat.service import Body, DatasetCreator, Pid, Reader, Service, TheService, User
from mocks.scicat.storage.documents import attached_to, attachment_v3, new_attachment
from mocks.scicat.storage.store import Document, Kind

router = APIRouter()


@router.post("/api/v3/datasets/{pid}/attachments")
async def attach_v3(pid: Pid, body: Body, caller: DatasetCreator, service: TheService) -> Response:
    """Attach a picture to a dataset."""
    validation.check(body, _shape(validation.ATTACHMENT, service))
    dataset = found_dataset(pid, service, f"dataset: {pid} not found")
    if not caller.attach(dataset):
        raise refused(403, "Unauthorized access")
    attachment = new_attachment(body, pid, caller.username)
    service.store.add(Kind.ATTACHMENT, attachment)
    return as_json(attachment_v3(attachment), 201)


@router.post("/api/v4/attachments")
async def attach_v4(body: Body, caller: User, service: TheService) -> Response:
    """Attach a picture to the dataset that the body relates it to."""
    if not service.configuration.release.v4_attachments_are_for_users and not caller.administers:
        raise forbidden()
    validation.check(body, _shape(validation.ATTACHMENT_V4, service))
    pid = body["relationships"][0]["targetId"]
    if not caller.attach(found_dataset(pid, service, f"dataset: {pid} not found")):
        raise refused(403, "Unauthorized access")
    attachment = new_attachment(body, pid, caller.username)
    service.store.add(Kind.ATTACHMENT, attachment)
    return as_json(attachment | {"id": attachment["_id"]}, 201)


@router.get("/api/v3/datasets/{pid}/attachments")
async def list_attachments(pid: Pid, caller: Reader, service: TheService) -> Response:
    """List the pictures of a dataset, the latest first."""
    dataset = found_dataset(pid, service, f"dataset: {pid} not found")
    if not caller.read_blocks(dataset):
        raise refused(403, "Unauthorized access")
    return as_json([attachment_v3(one) for one in _of(pid, service)])


@router.get("/api/v3/datasets/{pid}/thumbnail")
async def thumbnail(pid: Pid, caller: Reader, service: TheService) -> Response:
    """Show the picture that was attached first; nothing when there is none."""
    dataset = found_dataset(pid, service, f"dataset: {pid} not found")
    if not caller.read_blocks(dataset):
        raise refused(403, "Unauthorized access")
    first = _of(pid, service)[-1:]
    return as_json({"thumbnail": first[0]["thumbnail"]} if first else {})


def _of(pid: str, service: Service) -> list[Document]:
    return [one for one in reversed(service.store.all(Kind.ATTACHMENT)) if attached_to(one, pid)]


def _shape(shape: validation.Shape, service: Service) -> validation.Shape:
    """An owner group that is missing breaks one rule or two, which is the release's."""
    named = service.configuration.release.empty_owner_groups_are_named
    group = validation.TEXT if named else validation.STRING
    return {**shape, "ownerGroup": replace(group, required=True)}
