"""The S3 wire as the mock needs it: which operation a request is, and the XML that S3 answers.

Source: the operations' pages of the Amazon S3 API reference (path-style requests).
"""

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from email.utils import formatdate
from enum import StrEnum
from typing import Final
from urllib.parse import unquote, unquote_plus
from xml.sax.saxutils import escape

from fastapi import Request, Response

from mocks.lts.tape import Place, TapeObject, Tier

STORAGE_CLASS: Final = "GLACIER"
_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
ET.register_namespace("", _NAMESPACE)


class Operation(StrEnum):
    """What the tape has a say in; ``OTHER`` passes through as it is."""

    READ = "read"
    HEAD = "head"
    LIST = "list"
    WRITE = "write"
    COPY = "copy"
    COPY_PART = "copy part"
    RESTORE = "restore"
    DELETE = "delete"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class S3Request:
    """One request: its operation, the object it is about and, for a copy, the object it reads."""

    operation: Operation
    bucket: str
    key: str
    source: tuple[str, str] | None = None


def understand(request: Request) -> S3Request:
    """Tell the operation from method, path, query and headers."""
    bucket, _, key = unquote(_raw_path(request)).removeprefix("/").partition("/")
    source = _copy_source(request.headers.get("x-amz-copy-source"))
    query = frozenset(request.query_params)
    operation = _on_object(request.method, query, source is not None) if key else _on_bucket(request.method, query)
    return S3Request(operation, bucket, key, source)


def _raw_path(request: Request) -> str:
    raw: bytes = request.scope["raw_path"]
    return raw.partition(b"?")[0].decode("ascii")


def _copy_source(header: str | None) -> tuple[str, str] | None:
    if header is None:
        return None
    bucket, _, key = unquote(header.partition("?")[0]).removeprefix("/").partition("/")
    return bucket, key


def _on_bucket(method: str, query: frozenset[str]) -> Operation:
    listing = {"list-type", "prefix", "delimiter", "marker", "max-keys", "encoding-type", "continuation-token"}
    listing |= {"start-after", "fetch-owner", "x-id"}
    if method == "GET" and query <= listing:
        return Operation.LIST
    return Operation.DELETE if method == "POST" and "delete" in query else Operation.OTHER


def _on_object(method: str, query: frozenset[str], is_copy: bool) -> Operation:
    subresource = query & {"acl", "attributes", "legal-hold", "retention", "tagging", "torrent"}
    if subresource:
        return Operation.OTHER
    if method == "PUT" and "uploadId" in query:
        return Operation.COPY_PART if is_copy else Operation.OTHER
    if method == "POST" and "restore" in query:
        return Operation.RESTORE
    if "uploadId" in query:
        return Operation.WRITE if method == "POST" else Operation.OTHER
    put = Operation.COPY if is_copy else Operation.WRITE
    plain = {"GET": Operation.READ, "HEAD": Operation.HEAD, "PUT": put, "DELETE": Operation.DELETE}
    return plain.get(method, Operation.OTHER)


def refusal(status: int, code: str, message: str, key: str = "") -> Response:
    """An error as S3 writes it. It ends the connection: the request's body may not have been read."""
    about = f"<Resource>{escape(key)}</Resource>" if key else ""
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{about}</Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'
    return Response(body, status, {"connection": "close"}, media_type="application/xml")


def is_refused(status: int, body: bytes) -> bool:
    """Whether a write was refused: S3 may answer 200 and tell the error in the body."""
    return status >= 300 or b"<Error>" in body[:1024]


def recall_asked(body: bytes) -> tuple[int, Tier]:
    """Days and tier of a RestoreRequest. Raises ValueError on anything else."""
    try:
        tree = ET.fromstring(body)  # noqa: S314 # a test's own request; expat refuses entity bombs
    except ET.ParseError as error:
        raise ValueError(str(error)) from error
    days = int(tree.findtext("{*}Days") or "")
    if days < 1:
        raise ValueError("Days must be at least 1")
    tier = tree.findtext("{*}GlacierJobParameters/{*}Tier") or tree.findtext("{*}Tier") or Tier.STANDARD
    return days, Tier(tier)


def tape_headers(tape_object: TapeObject) -> dict[str, str]:
    """What HEAD and GET say of the object's place. A migrating object is still in the active tier."""
    if tape_object.place is Place.MIGRATING:
        return {}
    headers = {"x-amz-storage-class": STORAGE_CLASS}
    if tape_object.recalling:
        headers["x-amz-restore"] = 'ongoing-request="true"'
    elif tape_object.place is Place.ONLINE and tape_object.due is not None:
        expiry = formatdate(math.ceil(tape_object.due), usegmt=True)
        headers["x-amz-restore"] = f'ongoing-request="false", expiry-date="{expiry}"'
    return headers


def with_storage_classes(listing: bytes, archived: set[str]) -> bytes:
    """A listing in which the keys of ``archived`` stand in the archive class."""
    tree = ET.fromstring(listing)  # noqa: S314 # the backend's own answer
    encoded = tree.findtext("{*}EncodingType") == "url"
    for entry in tree.iterfind("{*}Contents"):
        key = entry.findtext("{*}Key") or ""
        storage_class = entry.find("{*}StorageClass")
        if storage_class is not None and (unquote_plus(key) if encoded else key) in archived:
            storage_class.text = STORAGE_CLASS
    changed: bytes = ET.tostring(tree, encoding="utf-8", xml_declaration=True)
    return changed


def first_byte(content_range: str | None) -> int:
    """The offset at which an answer's body begins, from its Content-Range."""
    found = re.match(r"bytes (\d+)-", content_range or "")
    return int(found[1]) if found else 0
