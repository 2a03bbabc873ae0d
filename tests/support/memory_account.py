"""An AWS account in memory: S3 with its conditions, checksums and storage classes, and secrets.

It stands behind botocore's clients, a hundred times faster than moto, which every request reaches through a signature,
HTTP and XML. What it answers is compared with moto's answers in ``tests/faults/test_memory_aws.py``.
"""

import hashlib
import io
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from botocore import xform_name
from botocore.client import BaseClient
from botocore.response import StreamingBody

from archiver.checksums import crc64nvme, crc64nvme_to_base64
from tests.support.account import SECRETS

_UNREADABLE = {"GLACIER", "DEEP_ARCHIVE"}
_MIN_PART = 5 * 1024**2
# https://www.w3.org/TR/xml/#charsets
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_STATUS = {
    "404": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "PreconditionFailed": 412,
    "InvalidObjectState": 403,
    "RestoreAlreadyInProgress": 409,
    "BadDigest": 400,
    "InvalidPart": 400,
    "EntityTooSmall": 400,
    "MalformedXML": 400,
    "InvalidRange": 416,
    "InternalError": 500,
    "NoSuchBucket": 404,
    "BucketNotEmpty": 409,
    "ResourceNotFoundException": 400,
    "ExecutionAlreadyExists": 400,
    "ExecutionDoesNotExist": 400,
    "TaskDoesNotExist": 400,
}


@dataclass(frozen=True, slots=True)
class Stored:
    """An object. ``checksum`` is its CRC64NVME in base64, if S3 ``tells`` it; ``readable_until`` of a recalled copy."""

    body: bytes
    etag: str
    modified: datetime
    storage_class: str = "STANDARD"
    metadata: Mapping[str, str] = field(default_factory=dict)
    readable_until: datetime | None = None
    content_type: str = "binary/octet-stream"
    tells: bool = True

    @property
    def checksum(self) -> str:
        """What S3 says of the whole object."""
        return crc64nvme_to_base64(crc64nvme(self.body))


@dataclass(slots=True)
class _Upload:
    bucket: str
    key: str
    begun: datetime
    storage_class: str
    metadata: Mapping[str, str]
    content_type: str
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryAccount:
    """``buckets`` are the objects by key, ``uploads`` what was begun. Safe to share between threads."""

    def __init__(self, buckets: tuple[str, ...]) -> None:
        self.buckets: dict[str, dict[str, Stored]] = {name: {} for name in buckets}
        self.uploads: dict[str, _Upload] = {}
        self.secrets = {name: json.dumps(value) for name, value in SECRETS.items()}
        self._begun_uploads = 0
        self._one_at_a_time = threading.RLock()

    def answer(self, client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
        """What ``client.<operation>`` answers; stands in for botocore's own call."""
        do: Callable[[dict[str, Any]], Any] = getattr(self, f"_{xform_name(operation)}")
        try:
            with self._one_at_a_time:
                return do(request) | {"ResponseMetadata": {"HTTPStatusCode": 200}}
        except Refused as refused:
            named: Any = client.exceptions.from_code(refused.code)
            raise named(said(refused.code), operation) from None

    def put(self, bucket: str, key: str, stored: Stored) -> None:
        """Write an object."""
        self.buckets[bucket][key] = stored

    def remove(self, bucket: str, key: str) -> None:
        """Delete an object, if there is one."""
        self.buckets[bucket].pop(key, None)

    def _list_objects_v2(self, request: dict[str, Any]) -> Any:
        prefix, after = request.get("Prefix", ""), request.get("StartAfter", "").encode()
        objects = self._bucket(request)
        keys = sorted((key for key in objects if key.startswith(prefix)), key=str.encode)
        found = [key for key in keys if key.encode() > after]
        if "Delimiter" in request:
            folders = {
                prefix + key.removeprefix(prefix).partition("/")[0] + "/" for key in found if "/" in key[len(prefix) :]
            }
            return {"CommonPrefixes": [{"Prefix": one} for one in sorted(folders)], "IsTruncated": False}
        contents = [
            {
                "Key": key,
                "Size": len(objects[key].body),
                "ETag": f'"{objects[key].etag}"',
                "StorageClass": objects[key].storage_class,
                "LastModified": objects[key].modified,
            }
            for key in found[: request.get("MaxKeys", 1000)]
        ]
        answer = {"IsTruncated": len(found) > len(contents), "KeyCount": len(contents)}
        return answer | {"Contents": contents} if contents else answer

    def _head_object(self, request: dict[str, Any]) -> Any:
        stored = self._there(request, "404")
        told = {"ChecksumCRC64NVME": stored.checksum} if stored.tells else {}
        return _headers(stored) | {"ContentLength": len(stored.body)} | told

    def _get_object(self, request: dict[str, Any]) -> Any:
        stored = self._pinned(request, request.get("IfMatch"))
        body = _cut(stored.body, request["Range"]) if "Range" in request else stored.body
        answer = _headers(stored) | {"ContentLength": len(body), "Body": StreamingBody(io.BytesIO(body), len(body))}
        is_whole = stored.tells and "Range" not in request and request.get("ChecksumMode") == "ENABLED"
        return answer | {"ChecksumCRC64NVME": stored.checksum} if is_whole else answer

    def _put_object(self, request: dict[str, Any]) -> Any:
        body = _bytes(request.get("Body", b""))
        self._condition(request)
        if request.get("ChecksumCRC64NVME", _crc(body)) != _crc(body):
            raise Refused("BadDigest")
        stored = Stored(body, etag_of(body), now(), **_described(request), tells=_has_checksum(request))
        self._bucket(request)
        self.put(request["Bucket"], request["Key"], stored)
        return {"ETag": f'"{stored.etag}"'}

    def _copy_object(self, request: dict[str, Any]) -> Any:
        source = self._pinned(_source(request), None)
        described = _described(request)
        stored = Stored(source.body, etag_of(source.body), now(), **described, tells=_has_checksum(request))
        self.put(request["Bucket"], request["Key"], stored)
        return {"CopyObjectResult": {"ETag": f'"{stored.etag}"'}}

    def _delete_objects(self, request: dict[str, Any]) -> Any:
        if any(_NOT_IN_XML.search(one["Key"]) for one in request["Delete"]["Objects"]):
            raise Refused("MalformedXML")
        changed = []
        for one in request["Delete"]["Objects"]:
            there = self._bucket(request).get(one["Key"])
            if there is not None and one.get("ETag", there.etag).strip('"') != there.etag:
                changed.append({"Key": one["Key"], "Code": "PreconditionFailed"})
            else:
                self.remove(request["Bucket"], one["Key"])
        return {"Errors": changed}

    def _delete_object(self, request: dict[str, Any]) -> Any:
        if "IfMatch" in request:
            self._condition(request)
        self.remove(request["Bucket"], request["Key"])
        return {}

    def _create_multipart_upload(self, request: dict[str, Any]) -> Any:
        self._begun_uploads += 1
        upload_id = f"upload-{self._begun_uploads}"
        self.uploads[upload_id] = _Upload(request["Bucket"], request["Key"], now(), **_described(request))
        return {"UploadId": upload_id}

    def _upload_part(self, request: dict[str, Any]) -> Any:
        body = _bytes(request["Body"])
        if request.get("ChecksumCRC64NVME", _crc(body)) != _crc(body):
            raise Refused("BadDigest")
        self._upload(request).parts[request["PartNumber"]] = body
        return {"ETag": f'"{etag_of(body)}"'}

    def _upload_part_copy(self, request: dict[str, Any]) -> Any:
        upload = self._upload(request)
        whole = self._pinned(_source(request), request.get("CopySourceIfMatch")).body
        body = _cut(whole, request["CopySourceRange"]) if "CopySourceRange" in request else whole
        upload.parts[request["PartNumber"]] = body
        return {"CopyPartResult": {"ETag": f'"{etag_of(body)}"', "ChecksumCRC64NVME": _crc(body)}}

    def _list_parts(self, request: dict[str, Any]) -> Any:
        parts = [
            {"PartNumber": number, "ETag": f'"{etag_of(body)}"', "Size": len(body), "ChecksumCRC64NVME": _crc(body)}
            for number, body in sorted(self._upload(request).parts.items())
        ]
        return {"Parts": parts, "IsTruncated": False}

    def _complete_multipart_upload(self, request: dict[str, Any]) -> Any:
        upload = self._upload(request)
        self._condition(request)
        named = request["MultipartUpload"]["Parts"]
        bodies = [upload.parts.get(part["PartNumber"], b"") for part in named]
        if [part["ETag"].strip('"') for part in named] != [etag_of(body) for body in bodies]:
            raise Refused("InvalidPart")
        if any(len(body) < _MIN_PART for body in bodies[:-1]):
            raise Refused("EntityTooSmall")
        whole = b"".join(bodies)
        if request.get("ChecksumCRC64NVME", _crc(whole)) != _crc(whole):
            raise Refused("BadDigest")
        etag = f"{etag_of(b''.join(bytes.fromhex(etag_of(body)) for body in bodies))}-{len(bodies)}"
        del self.uploads[request["UploadId"]]
        self.put(
            upload.bucket,
            upload.key,
            Stored(
                whole,
                etag,
                now(),
                upload.storage_class,
                upload.metadata,
                content_type=upload.content_type,
                tells=_has_checksum(request),
            ),
        )
        return {"ETag": f'"{etag}"'}

    def _abort_multipart_upload(self, request: dict[str, Any]) -> Any:
        self._upload(request)
        del self.uploads[request["UploadId"]]
        return {}

    def _list_multipart_uploads(self, request: dict[str, Any]) -> Any:
        found = [
            {"Key": upload.key, "UploadId": upload_id, "Initiated": upload.begun}
            for upload_id, upload in self.uploads.items()
            if upload.bucket == request["Bucket"] and upload.key.startswith(request.get("Prefix", ""))
        ]
        return {"Uploads": found, "IsTruncated": False}

    def _restore_object(self, request: dict[str, Any]) -> Any:
        stored = self._there(request, "NoSuchKey")
        if stored.storage_class not in _UNREADABLE:
            raise Refused("InvalidObjectState")
        until = now() + timedelta(days=request["RestoreRequest"]["Days"] + 1)
        recalled = replace(stored, readable_until=until)
        self.buckets[request["Bucket"]][request["Key"]] = recalled
        return {}

    def _create_bucket(self, request: dict[str, Any]) -> Any:
        self.buckets.setdefault(request["Bucket"], {})
        return {}

    def _delete_bucket(self, request: dict[str, Any]) -> Any:
        if self._bucket(request):
            raise Refused("BucketNotEmpty")
        del self.buckets[request["Bucket"]]
        return {}

    def _bucket(self, request: Mapping[str, Any]) -> dict[str, Stored]:
        if request["Bucket"] not in self.buckets:
            raise Refused("NoSuchBucket")
        return self.buckets[request["Bucket"]]

    def _there(self, request: Mapping[str, Any], otherwise: str) -> Stored:
        stored = self._bucket(request).get(request["Key"])
        if stored is None:
            raise Refused(otherwise)
        return stored

    def _pinned(self, request: Mapping[str, Any], etag: str | None) -> Stored:
        stored = self._there(request, "NoSuchKey")
        if etag is not None and etag.strip('"') != stored.etag:
            raise Refused("PreconditionFailed")
        readable = stored.readable_until is not None and stored.readable_until > now()
        if stored.storage_class in _UNREADABLE and not readable:
            raise Refused("InvalidObjectState")
        return stored

    def _condition(self, request: Mapping[str, Any]) -> None:
        there = self._bucket(request).get(request["Key"])
        if "IfNoneMatch" in request and there is not None:
            raise Refused("PreconditionFailed")
        if "IfMatch" in request and there is None:
            raise Refused("NoSuchKey")
        if "IfMatch" in request and there is not None and request["IfMatch"].strip('"') != there.etag:
            raise Refused("PreconditionFailed")

    def _upload(self, request: Mapping[str, Any]) -> _Upload:
        upload = self.uploads.get(request["UploadId"])
        if upload is None or (upload.bucket, upload.key) != (request["Bucket"], request["Key"]):
            raise Refused("NoSuchUpload")
        return upload

    # Secrets Manager

    def _get_secret_value(self, request: dict[str, Any]) -> Any:
        if request["SecretId"] not in self.secrets:
            raise Refused("ResourceNotFoundException")
        return {"SecretString": self.secrets[request["SecretId"]]}

    def _create_secret(self, request: dict[str, Any]) -> Any:
        self.secrets[request["Name"]] = request["SecretString"]
        return {}

    def _put_secret_value(self, request: dict[str, Any]) -> Any:
        self.secrets[request["SecretId"]] = request["SecretString"]
        return {}


class Refused(Exception):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def said(code: str) -> Any:
    return {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": _STATUS[code]}}


def now() -> datetime:
    """This moment, as precise as S3 tells it."""
    return datetime.now(UTC).replace(microsecond=0)


def etag_of(body: bytes) -> str:
    """The ETag of an object that came in one piece."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _crc(body: bytes) -> str:
    return crc64nvme_to_base64(crc64nvme(body))


def _bytes(body: Any) -> bytes:
    """What botocore takes for a body."""
    content = body if isinstance(body, bytes | bytearray | str) else body.read()
    return content.encode() if isinstance(content, str) else bytes(content)


def _source(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is copied, named as a path or by bucket and key."""
    source = request["CopySource"]
    if isinstance(source, str):
        bucket, _, key = source.removeprefix("/").partition("/")
        return {"Bucket": bucket, "Key": unquote(key)}
    named: Mapping[str, Any] = source
    return named


def _described(request: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "storage_class": request.get("StorageClass", "STANDARD"),
        "metadata": {name.lower(): value for name, value in request.get("Metadata", {}).items()},
        "content_type": request.get("ContentType", "binary/octet-stream"),
    }


def _has_checksum(request: Mapping[str, Any]) -> bool:
    return any(name.startswith("Checksum") for name in request)


def _headers(stored: Stored) -> dict[str, Any]:
    """What S3 says of an object that is asked for."""
    answer: dict[str, Any] = {
        "ETag": f'"{stored.etag}"',
        "LastModified": stored.modified,
        "ContentType": stored.content_type,
        "Metadata": dict(stored.metadata),
    }
    if stored.storage_class != "STANDARD":
        answer["StorageClass"] = stored.storage_class
    if stored.readable_until is not None and stored.readable_until > now():
        expiry = stored.readable_until.strftime("%a, %d %b %Y %H:%M:%S GMT")
        answer["Restore"] = f'ongoing-request="false", expiry-date="{expiry}"'
    return answer


def _cut(body: bytes, given: str) -> bytes:
    first, last = given.removeprefix("bytes=").split("-")
    if int(first) >= len(body):
        raise Refused("InvalidRange")
    return body[int(first) : int(last) + 1]
