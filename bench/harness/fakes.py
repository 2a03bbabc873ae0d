"""Buckets and a catalogue without a network, that answer for a million files and hold none of them in memory.

They stand behind the service's own clients: what is asked, and how an answer is read, is the service's own code.
"""

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from typing import Any, override
from unittest.mock import patch
from urllib.parse import parse_qs, quote, urlsplit

import orjson
import urllib3
from botocore.exceptions import ClientError

from archiver import scicat
from archiver.aws import secrets
from archiver.aws.s3 import Bucket
from archiver.aws.s3_requests import ObjectHead
from archiver.lts import long_term_storage
from archiver.lts.long_term_storage import LongTermStorage
from archiver.models.files import S3Object
from archiver.settings import settings
from archiver.storage import buckets

PID = "20.500.11935/5d73d87c-e2c4-47bc-9266-7da5ece1a7b2"
RUN_ID = "any-job-1"
PREFIX = f"openem-network/datasets/{PID}/raw_files/"
_NOW = datetime(2026, 11, 23, tzinfo=UTC)
_TIME = "2026-11-23T08:00:00.000Z"
_KEYS_PER_PAGE = 1_000
_FILES_PER_BLOCK = 20_000
_TOTALS = ("packedSize", "numberOfFilesArchived")
ENVIRONMENT = {
    "LANDING_BUCKET": "landing",
    "STAGING_BUCKET": "staging",
    "LTS_BUCKET": "lts",
    "RETRIEVAL_BUCKET": "retrieval",
    "SCICAT_URL": "http://scicat",
    "PID_PREFIX": "20.500.11935",
    "AWS_DEFAULT_REGION": "us-east-1",
    **dict.fromkeys(("SCICAT_SECRET", "JOB_API_SECRET", "LINK_SECRET", "TOKEN_SECRET"), "any"),
}


@dataclass(frozen=True, slots=True)
class ManyFiles:
    """A dataset of ``count`` files of ``size`` bytes each."""

    count: int
    size: int = 20_000

    def path(self, number: int) -> str:
        """Of the file with this number; paths are in the order of the numbers."""
        return f"grid {number // 1000:05}/Movies/FoilHole_{number:08}_Data_{number % 7}_20261123_080000_EER.mrc"

    @property
    def blocks(self) -> int:
        """How many blocks of at most 20,000 files list them all."""
        return -(-self.count // _FILES_PER_BLOCK)

    def block(self, number: int) -> range:
        """The numbers of a block's files: some of everywhere, as an uploader that runs many at once lists them."""
        return range(number, self.count, self.blocks)


class _Meta:
    class events:  # noqa: N801 - botocore's name
        """Takes what is registered, and never calls it."""

        register_last = staticmethod(lambda *_, **__: None)


class ListingClient:
    """S3 that answers listings, a thousand keys a page."""

    meta = _Meta

    def __init__(self, files: ManyFiles) -> None:
        self._files = files

    def list_objects_v2(self, *, Prefix: str, StartAfter: str, **_: str) -> dict[str, Any]:  # noqa: N803 - S3's names
        """The page after a key."""
        first = int(StartAfter.partition("FoilHole_")[2][:8]) + 1 if StartAfter else 0
        last = min(first + _KEYS_PER_PAGE, self._files.count)
        row = {"Size": self._files.size, "LastModified": _NOW}
        rows = [{"Key": Prefix + self._files.path(one), "ETag": f'"{one:032x}"', **row} for one in range(first, last)]
        return {"Contents": rows, "IsTruncated": last < self._files.count}

    def head_object(self, **_: object) -> dict[str, Any]:
        """There is nothing but what is listed."""
        raise ClientError({"Error": {"Code": "404"}}, "HeadObject")

    def delete_objects(self, **_: object) -> dict[str, Any]:
        """Whatever it is, it goes."""
        return {}


class DiskBucket(Bucket):
    """Objects as files of a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(parents=True, exist_ok=True)

    def _file(self, key: str) -> Path:
        return self.folder / quote(key, safe="")

    @override
    def read(self, key: str, limit: int) -> bytes | None:
        file = self._file(key)
        return file.read_bytes() if file.exists() else None

    @override
    def put(
        self, key: str, body: bytes, *, only_if_absent: bool = False, content_type: str = "application/json"
    ) -> bool:
        if only_if_absent and self._file(key).exists():
            return False
        self._file(key).write_bytes(body)
        return True

    @override
    def head(self, key: str) -> ObjectHead | None:
        body = self.read(key, 0)
        if body is None:
            return None
        return ObjectHead(len(body), md5(body, usedforsecurity=False).hexdigest(), _NOW)

    @override
    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._file(key).unlink(missing_ok=True)

    @override
    def create_upload(
        self, key: str, *, storage_class: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> str:
        return "any-upload"

    @override
    def uploads(self, prefix: str) -> Iterator[tuple[str, str]]:
        return iter(())

    @override
    def list(self, prefix: str, start_after: str = "") -> Iterator[S3Object]:
        return iter(())


class TrustedStorage(LongTermStorage):
    """A long-term storage that holds whatever it is asked for."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket, storage_class="GLACIER", tier="Standard", same_account=False)

    @override
    def holds(self, datablock: object) -> bool:
        return True


class _Streamed(io.RawIOBase):
    """A body that is made while it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    @override
    def readable(self) -> bool:
        return True

    @override
    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._rest += piece
        answer, self._rest = self._rest[:size], self._rest[size:]
        return answer


@dataclass(slots=True)
class FakeScicat:
    """A catalogue of one dataset, whose lists lie in ``folder``; ``largest`` of what it was given, in bytes.

    Unless ``lists_files`` it knows of no files but those that it is told of.
    """

    files: ManyFiles
    folder: Path
    lists_files: bool = True
    largest: int = 0
    lifecycle: dict[str, Any] = field(default_factory=dict)

    def request(self, method: str, url: str, *, body: bytes | None = None, **_: object) -> urllib3.HTTPResponse:
        """Stands in for urllib3's own."""
        pieces = self._answer(method, url, body or b"")
        return urllib3.HTTPResponse(_Streamed(pieces), status=200, preload_content=False)

    def _answer(self, method: str, url: str, body: bytes) -> Iterator[bytes]:
        if url.endswith("/auth/login"):
            return iter([orjson.dumps({"access_token": "any", "expires_in": 3600})])
        if method == "POST" and url.endswith("datablocks"):
            return iter([self._keep(url.rpartition("/")[2], body)])
        if method == "PATCH" and url.endswith("/datasetlifecycle"):
            self.lifecycle |= orjson.loads(body)
            return iter([orjson.dumps(self.lifecycle)])
        if url.endswith("/users/my/self"):
            return iter([orjson.dumps({"username": "any"})])
        if method == "GET" and "/datasets/" in url:
            return self._dataset(url)
        return iter([orjson.dumps({"pid": PID})])

    def _keep(self, kind: str, body: bytes) -> bytes:
        """A block is kept twice: without its files, to be listed, and whole."""
        self.largest = max(self.largest, len(body))
        number = f"{len(self._heads(kind)):06}"
        block = orjson.loads(body) | {"_id": number}
        for part in ("heads", "whole"):
            (self.folder / kind / part).mkdir(parents=True, exist_ok=True)
        (self.folder / kind / "whole" / f"{number}.json").write_bytes(orjson.dumps(block))
        files = len(block.pop("dataFileList"))
        (self.folder / kind / "heads" / f"{number}.json").write_bytes(orjson.dumps(block))
        totals = self._totals()
        totals["packedSize"] += block.get("packedSize", 0)
        totals["numberOfFilesArchived" if kind == "datablocks" else "numberOfFiles"] += files
        (self.folder / "totals.json").write_bytes(orjson.dumps(totals))
        return orjson.dumps(block | {"id": number})

    def _totals(self) -> dict[str, int]:
        kept = self.folder / "totals.json"
        begun = dict.fromkeys(_TOTALS, 0) | {"numberOfFiles": self.files.count if self.lists_files else 0}
        totals: dict[str, int] = orjson.loads(kept.read_bytes()) if kept.exists() else begun
        return totals

    def _dataset(self, url: str) -> Iterator[bytes]:
        dataset = {
            "pid": PID,
            "ownerGroup": "group1",
            "updatedAt": _TIME,
            "size": self.files.count * self.files.size,
            **self._totals(),
            "datasetlifecycle": self.lifecycle,
        }
        yield orjson.dumps(dataset)[:-1]
        asked = parse_qs(urlsplit(url).query).get("filter", ["{}"])
        for include in orjson.loads(asked[0]).get("include", []):
            yield from _array(include["relation"].encode(), self._blocks(include["relation"], include["scope"]))
        yield b"}"

    def _blocks(self, kind: str, scope: dict[str, Any]) -> Iterator[bytes]:
        """What a scope lets through: ``where``, then ``limits``, then ``fields``."""
        where = scope.get("where", {}).items()
        heads = [head for head in self._heads(kind) if where <= head.items()]
        if "limits" in scope:
            first, limit = scope["limits"]["skip"], scope["limits"]["limit"]
            heads = heads[first : first + limit]
        for head in heads:
            if "fields" in scope:
                yield orjson.dumps({name: head[name] for name in scope["fields"] if name in head})
            else:
                yield self._whole(kind, head["_id"])

    def _lists_itself(self, kind: str) -> bool:
        return kind == "origdatablocks" and self.lists_files

    def _heads(self, kind: str) -> list[dict[str, Any]]:
        if self._lists_itself(kind):
            sizes = (len(self.files.block(number)) * self.files.size for number in range(self.files.blocks))
            return [{"_id": f"{number:06}", "size": size} for number, size in enumerate(sizes)]
        return [orjson.loads(path.read_bytes()) for path in sorted((self.folder / kind / "heads").glob("*.json"))]

    def _whole(self, kind: str, block_id: str) -> bytes:
        if not self._lists_itself(kind):
            return (self.folder / kind / "whole" / f"{block_id}.json").read_bytes()
        known = {"size": self.files.size, "time": _TIME, "perm": "0644"}
        files = [{"path": self.files.path(one), **known} for one in self.files.block(int(block_id))]
        return orjson.dumps({"_id": block_id, "size": len(files) * self.files.size, "dataFileList": files})


def _array(name: bytes, elements: Iterator[bytes]) -> Iterator[bytes]:
    yield b',"%s":[' % name
    for number, element in enumerate(elements):
        yield b"," * (number > 0) + element
    yield b"]"


@dataclass(frozen=True, slots=True)
class Account:
    """What the service works with: its buckets, its catalogue, its long-term storage."""

    scicat: FakeScicat
    staging: DiskBucket


@contextmanager
def an_account(files: ManyFiles, folder: Path, *, lists_files: bool = True) -> Iterator[Account]:
    """Everything that would leave the process leads into ``folder``, until the block ends."""
    catalogue = FakeScicat(files, folder / "scicat", lists_files)
    landing = Bucket(ListingClient(files), "landing")  # type: ignore[arg-type]  # it answers what is asked here
    staging, archive = DiskBucket(folder, "staging"), TrustedStorage(DiskBucket(folder, "lts"))
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, ENVIRONMENT))
        for remembered in (settings, scicat.catalogue):
            remembered.cache_clear()
            stack.callback(remembered.cache_clear)
        stack.enter_context(patch.object(secrets, "fields", lambda *_: {"username": "any", "password": "any"}))
        stack.enter_context(patch.object(buckets, "landing", lambda: landing))
        stack.enter_context(patch.object(buckets, "staging", lambda: staging))
        stack.enter_context(patch.object(long_term_storage, "long_term_storage", lambda: archive))
        request: Callable[..., Any] = lambda _, *asked, **named: catalogue.request(*asked, **named)  # noqa: E731
        stack.enter_context(patch.object(urllib3.PoolManager, "request", request))
        yield Account(catalogue, staging)
