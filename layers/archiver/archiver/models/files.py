"""A dataset's files as they lie in S3."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel

from archiver.models.file_modes import Kind


@dataclass(frozen=True, slots=True)
class S3Object:
    """One row of a listing; ``size`` in bytes, ``etag`` unquoted."""

    key: str
    size: int
    etag: str
    storage_class: str
    modified: datetime


class OpenUpload(NamedTuple):
    """A multipart upload that was ``begun`` and is neither completed nor aborted."""

    key: str
    upload_id: str
    begun: datetime


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a dataset, pinned: what the catalogue says of it and what lies in the bucket.

    ``path`` is the catalogue's, relative to the dataset's prefix in the landing bucket; ``size`` in
    bytes; ``mtime_ns`` nanoseconds since the epoch, UTC; ``mode`` the twelve permission bits; ``etag`` the
    landing object's, unquoted. ``chk`` with ``chk_alg`` is the uploader's checksum when one was given.
    Only a ``kind`` of "file" has bytes, whatever the catalogue says of it: those of a link that was sent are a file's.
    ``time``, ``perm``, ``type``, ``uid`` and ``gid`` are what the catalogue has. ``offline``: its bytes lay on tape
    when it was pinned, or may have.
    """

    path: str
    size: int
    mtime_ns: int
    mode: int = 0o644
    etag: str = ""
    chk: str | None = None
    chk_alg: str | None = None
    kind: Kind = "file"
    time: str = ""
    perm: str | None = None
    type: str | None = None
    uid: str | None = None
    gid: str | None = None
    offline: bool = False


class Upload(BaseModel):
    """Where a dataset's files lie in the landing bucket; ``documents`` under it are the drop's own."""

    prefix: str
    documents: tuple[str, ...] = ()
