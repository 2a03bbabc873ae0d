"""The folder of a run: everything that it writes down, below runs/<run id>/ in the staging bucket."""

from collections.abc import Iterable, Iterator
from itertools import batched, islice
from typing import Any

from pydantic import TypeAdapter

from archiver.keys import Keys
from archiver.models.documents import Document
from archiver.models.files import SourceFile
from archiver.storage import buckets

# A page of the file list: one small object each, so that any datablock's files are found without reading the rest.
FILES_PER_PAGE = 5_000
_FILES = TypeAdapter(list[SourceFile])
_adapters: dict[object, TypeAdapter[Any]] = {}


class RunFolder:
    """Everything a run writes down: ``runs/<run id>/`` in the staging bucket."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id

    def read(self, name: str) -> bytes | None:
        """A document's bytes, or None when it was not written (yet)."""
        return buckets.staging().read(Keys.run(self.run_id, name), buckets.DOCUMENT_LIMIT)

    def write(self, name: str, body: bytes) -> None:
        """Write, or replace, a document."""
        buckets.staging().put(Keys.run(self.run_id, name), body)

    def names(self, prefix: str = "") -> list[str]:
        """The names of the documents that begin with ``prefix``, sorted."""
        start = len(Keys.run(self.run_id))
        return [found.key[start:] for found in buckets.staging().list(Keys.run(self.run_id, prefix))]

    def load[T](self, document: Document[T]) -> T | None:
        """What a document holds, or None when it was not written (yet)."""
        body = self.read(document.name)
        return None if body is None else _adapter(document.kind).validate_json(body)

    def save[T](self, document: Document[T], value: T) -> None:
        """Write a document, or replace it."""
        self.write(document.name, _adapter(type(value)).dump_json(value))

    def need[T](self, document: Document[T]) -> T:
        """A document that an earlier step must have written. Raises LookupError when it did not."""
        value = self.load(document)
        if value is None:
            raise LookupError(f"{Keys.run(self.run_id, document.name)} was not written")
        return value

    def write_files(self, files: Iterable[SourceFile]) -> tuple[int, int]:
        """Write the dataset's file list, page by page; returns the numbers of files and of bytes."""
        count = size = 0
        for page, some in enumerate(batched(files, FILES_PER_PAGE, strict=False)):
            self.write(_page(page), _FILES.dump_json(list(some)))
            count += len(some)
            size += sum(file.size for file in some)
        # An empty page ends the list, also over the pages of an attempt that found more files.
        self.write(_page(-(-count // FILES_PER_PAGE)), b"[]")
        return count, size

    def files(self, first: int = 0, count: int | None = None) -> Iterator[SourceFile]:
        """``count`` files of the list from index ``first`` on (all by default), one page in memory at a time."""
        page, offset = divmod(first, FILES_PER_PAGE)
        return islice(self._files_from(page), offset, None if count is None else offset + count)

    def _files_from(self, page: int) -> Iterator[SourceFile]:
        while files := _FILES.validate_json(self.read(_page(page)) or b"[]"):
            yield from files
            page += 1


def _adapter[T](kind: type[T]) -> TypeAdapter[T]:
    """How a kind of document is read and written; making it takes longer than that."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    adapter: TypeAdapter[T] = _adapters[kind]
    return adapter


def _page(number: int) -> str:
    return f"files/{number:06d}.json"
