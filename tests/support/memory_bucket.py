"""A bucket in memory that keeps S3's rules, counts what passes, and breaks when told to."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, override

from pydantic import TypeAdapter

from archiver.aws.s3 import Bucket
from archiver.aws.s3_requests import READINGS, ObjectHead
from archiver.aws.s3_uploads import PinnedRange, UploadedPart
from archiver.aws.stored_checksums import StoredChecksum
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.models.documents import Document
from archiver.models.files import S3Object, SourceFile


def etag_of(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class _Upload:
    key: str
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryBucket(Bucket):
    """Objects, uploads and ``passed``: the bytes read, sent and copied, and the requests of each kind.

    ``before`` is called with the name of each request, and may raise; ``corrupt`` changes copied bytes, and ``alter``
    those that are read. It ``keeps_checksums`` of its objects, or not.
    """

    def __init__(self, name: str = "any", min_part: int = 5 * 1024**2) -> None:
        self.name = name
        self.objects: dict[str, bytes] = {}
        self.open_uploads: dict[str, _Upload] = {}
        self.passed: Counter[str] = Counter()
        self.before: Callable[[str], None] = lambda _: None
        self.corrupt: Callable[[bytes], bytes] = lambda body: body
        self.alter: Callable[[bytes], bytes] = lambda body: body
        self.keeps_checksums = True
        self._min_part = min_part
        self._lock = threading.Lock()

    def _request(self, kind: str, size: int = 0) -> None:
        with self._lock:
            self.before(kind)
            self.passed[kind] += 1
            self.passed[f"{kind} bytes"] += size

    @override
    def list(self, prefix: str, start_after: str = "") -> Iterator[S3Object]:
        for key in sorted(self.objects, key=str.encode):
            if key.startswith(prefix) and key.encode() > start_after.encode():
                body = self.objects[key]
                yield S3Object(key, len(body), etag_of(body), "STANDARD", datetime(2026, 11, 23, tzinfo=UTC))

    @override
    def head(self, key: str) -> ObjectHead | None:
        self._request("head")
        body = self.objects.get(key)
        if body is None:
            return None
        return ObjectHead(len(body), etag_of(body), datetime.now(UTC), crc64nvme_to_base64(crc64nvme(body)))

    @override
    def read(self, key: str, limit: int) -> bytes | None:
        return self.objects.get(key)

    @override
    def get(self, key: str, etag: str, start: int, length: int, name: str | None = None) -> bytes:
        self._request("get", length)
        assert length > 0, "S3 has no empty range"
        return self.alter(self._pinned(key, etag, name or key)[start : start + length])

    @override
    def get_whole(self, key: str, etag: str, size: int, name: str | None = None) -> tuple[bytes, bool]:
        for _ in range(READINGS):
            body = self.get(key, etag, 0, size, name)
            if not self.keeps_checksums or body == self.objects[key]:
                return body, self.keeps_checksums
        raise ServiceRefused(Code.TRANSPORT_CORRUPTION, "altered", [name or key])

    @override
    def stored_checksum(self, key: str, etag: str, name: str) -> StoredChecksum | None:
        self._request("head")
        body = self._pinned(key, etag, name)
        return StoredChecksum("crc64nvme", crc64nvme(body).to_bytes(8)) if self.keeps_checksums else None

    def _pinned(self, key: str, etag: str, name: str) -> bytes:
        body = self.objects.get(key)
        if body is None or etag_of(body) != etag:
            raise DatasetRejected(Code.CHANGED_AFTER_VALIDATE, "gone or replaced", [name])
        return body

    @override
    def put(
        self, key: str, body: bytes, *, only_if_absent: bool = False, content_type: str = "application/json"
    ) -> bool:
        if only_if_absent and key in self.objects:
            return False
        self.objects[key] = body
        return True

    @override
    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.objects.pop(key, None)

    @override
    def create_upload(
        self, key: str, *, storage_class: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> str:
        self._request("create_upload")
        upload_id = f"upload-{self.passed['create_upload']}"
        self.open_uploads[upload_id] = _Upload(key)
        return upload_id

    @override
    def upload_part(self, key: str, upload_id: str, number: int, body: bytes, crc64nvme: int) -> UploadedPart:
        self._request("upload_part", len(body))
        return self._store(upload_id, number, body, crc64nvme)

    @override
    def copy_part(self, key: str, upload_id: str, number: int, source: PinnedRange) -> UploadedPart:
        self._request("copy_part", source.length)
        assert isinstance(source.bucket, MemoryBucket)
        body = source.bucket._pinned(source.key, source.etag, source.name)[source.start : source.start + source.length]
        assert len(body) == source.length > 0
        copied = self.corrupt(body)
        return self._store(upload_id, number, copied, crc64nvme(copied))

    def _store(self, upload_id: str, number: int, body: bytes, crc: int) -> UploadedPart:
        assert 1 <= number <= 10_000
        if crc64nvme(body) != crc:
            raise ServiceRefused(Code.PACK_DIGEST, "BadDigest")
        self.open_uploads[upload_id].parts[number] = body
        return UploadedPart(number, etag_of(body), len(body), crc64nvme_to_base64(crc))

    @override
    def parts(self, key: str, upload_id: str) -> tuple[UploadedPart, ...]:
        upload = self.open_uploads.get(upload_id, _Upload(key))
        return tuple(
            UploadedPart(number, etag_of(body), len(body), crc64nvme_to_base64(crc64nvme(body)))
            for number, body in sorted(upload.parts.items())
        )

    @override
    def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[UploadedPart], crc64nvme: str, *, replaces: str | None = None
    ) -> None:
        self._request("complete_upload")
        upload = self.open_uploads[upload_id]
        assert [part.number for part in parts] == list(range(1, len(parts) + 1)), "not consecutive from 1"
        bodies = [upload.parts[part.number] for part in parts]
        assert [etag_of(body) for body in bodies] == [part.etag for part in parts], "InvalidPart"
        assert all(len(body) >= self._min_part for body in bodies[:-1]), "EntityTooSmall"
        there = self.objects.get(key)
        assert (there and etag_of(there)) == replaces, "PreconditionFailed"
        whole = b"".join(bodies)
        if crc64nvme != crc64nvme_of(whole):
            raise ServiceRefused(Code.PACK_DIGEST, "BadDigest")
        self.objects[key] = whole
        del self.open_uploads[upload_id]

    @override
    def abort_upload(self, key: str, upload_id: str) -> None:
        self.open_uploads.pop(upload_id, None)

    @override
    def uploads(self, prefix: str) -> Iterator[tuple[str, str]]:
        for upload_id, upload in self.open_uploads.items():
            if upload.key.startswith(prefix):
                yield upload.key, upload_id


def crc64nvme_of(body: bytes) -> str:
    return crc64nvme_to_base64(crc64nvme(body))


class MemoryFolder:
    """The folder of a run: documents as JSON, and its files."""

    def __init__(self, files: Sequence[SourceFile] = ()) -> None:
        self.documents: dict[str, bytes] = {}
        self._files = files

    def load[T](self, document: Document[T]) -> T | None:
        body = self.documents.get(document.name)
        return None if body is None else TypeAdapter(document.kind).validate_json(body)

    def need[T](self, document: Document[T]) -> T:
        value = self.load(document)
        if value is None:
            raise LookupError(document.name)
        return value

    def save[T](self, document: Document[T], value: T) -> None:
        self.documents[document.name] = TypeAdapter[Any](type(value)).dump_json(value)

    def files(self, first: int = 0, count: int | None = None) -> Iterator[SourceFile]:
        return islice(self._files, first, None if count is None else first + count)
