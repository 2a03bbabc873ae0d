"""The catalogue's list of files, however long, in byte order by way of the run's folder."""

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import batched
from operator import attrgetter
from typing import Protocol

from archiver.models.catalogue import CatalogueFile

# So many entries are sorted at once, some 40 MB; one page of every such batch is in memory while they are merged.
FILES_IN_MEMORY = 50_000
_FILES_PER_PAGE = 2_000

_row = attrgetter(*(field.name for field in fields(CatalogueFile)))


class Folder(Protocol):
    """Where a run keeps its documents (``storage.RunFolder``)."""

    def read(self, name: str) -> bytes | None:
        """A document's bytes, or None when it was not written."""
        ...

    def write(self, name: str, body: bytes) -> None:
        """Write a document, or replace it."""
        ...


def byte_order(entry: CatalogueFile) -> bytes:
    """What S3 lists keys by. A path that is not valid Unicode has its place too; it is refused later."""
    return entry.path.encode(errors="surrogatepass")


def in_byte_order(files: Iterable[CatalogueFile], folder: Folder) -> Iterator[CatalogueFile]:
    """The entries by the UTF-8 bytes of their paths. All of ``files`` are read before this returns."""
    batches = (sorted(batch, key=byte_order) for batch in batched(files, FILES_IN_MEMORY, strict=False))
    first = next(batches, [])
    others = [_written(batch, f"catalogue/{number:04d}", folder) for number, batch in enumerate(batches)]
    return heapq.merge(first, *others, key=byte_order)


def _written(batch: Sequence[CatalogueFile], name: str, folder: Folder) -> Iterator[CatalogueFile]:
    """Write a sorted batch, page by page; returns what reads it back."""
    pages = [f"{name}/{number:04d}.json" for number in range(-(-len(batch) // _FILES_PER_PAGE))]
    for page, some in zip(pages, batched(batch, _FILES_PER_PAGE, strict=False), strict=True):
        # As unchecked as it came: numbers may be text, and letters half of one.
        folder.write(page, json.dumps([_row(entry) for entry in some]).encode())
    return (CatalogueFile(*row) for page in pages for row in json.loads(folder.read(page) or b"[]"))
