"""What changed, for administrators."""

from fastapi import APIRouter, Response

from mocks.scicat.answers import as_json, forbidden
from mocks.scicat.service import TheService, User
from mocks.scicat.storage.filters import parsed
from mocks.scicat.storage.history import changes
from mocks.scicat.storage.store import Document

router = APIRouter()

_PAGE = 100


@router.get("/api/v3/history/collection/dataset")
async def of_datasets(caller: User, service: TheService) -> Response:
    """List the changes of all datasets, whatever the query says."""
    if not caller.administers:
        raise forbidden()
    return as_json(_page(changes(service.store)))


@router.get("/api/v3/history")
async def of_one(caller: User, service: TheService, filter: str | None = None) -> Response:  # noqa: A002 - SciCat's name
    """List the changes of one document, or of all."""
    if not caller.administers:
        raise forbidden()
    return as_json(_page(changes(service.store, parsed(filter).get("documentId"))))


def _page(found: list[Document]) -> Document:
    items = found[:_PAGE]
    return {"items": items, "count": len(items), "totalCount": len(found), "skip": 0, "limit": _PAGE}
