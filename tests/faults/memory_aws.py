"""An AWS account in memory: S3 with its conditions and checksums, secrets, and a stepper in place of Step Functions.

It stands behind botocore's clients, a hundred times faster than a server, and remembers everything that was written or
deleted, and by whom. What it answers is compared with moto's answers in ``test_memory_aws.py``.
"""

import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from botocore import xform_name
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ConnectionClosedError

from archiver.checksums import crc64nvme, crc64nvme_to_base64
from tests.faults.stepper import AlreadyStarted, Stepper
from tests.faults.wire import Request, Wire
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
    "ExecutionAlreadyExists": 400,
    "ExecutionDoesNotExist": 400,
    "TaskDoesNotExist": 400,
}


@dataclass(frozen=True, slots=True)
class Stored:
    """An object. ``checksum`` is its CRC64NVME in base64; ``readable_until`` of a recalled copy."""

    body: bytes
    etag: str
    modified: datetime
    storage_class: str = "STANDARD"
    metadata: Mapping[str, str] = field(default_factory=dict)
    readable_until: datetime | None = None

    @property
    def checksum(self) -> str:
        """What S3 says of the whole object."""
        return crc64nvme_to_base64(crc64nvme(self.body))


@dataclass(slots=True)
class _Upload:
    bucket: str
    key: str
    storage_class: str
    metadata: Mapping[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """An object was written or deleted, by a worker (``run_id``) or by the test (empty), where ``before`` had been."""

    what: Literal["written", "deleted"]
    bucket: str
    key: str
    before: Stored | None
    run_id: str


def _altered(answer: Any) -> Any:
    """The same answer with a bit of its body flipped, if it has any."""
    body = bytearray(answer["Body"].read() if "Body" in answer else b"")
    if not body:
        return answer
    body[len(body) // 2] ^= 1
    return answer | {"Body": io.BytesIO(bytes(body))}


class MemoryAws:
    """The account. ``buckets`` are its objects by key; ``changes`` is everything that was written, in order."""

    def __init__(self, wire: Wire, buckets: tuple[str, ...]) -> None:
        self.wire = wire
        self.buckets: dict[str, dict[str, Stored]] = {name: {} for name in buckets}
        self.uploads: dict[str, _Upload] = {}
        self.changes: list[Change] = []
        self.stepper: Stepper | None = None
        self._begun_uploads = 0

    def answer(self, client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
        """What ``client.<operation>`` answers; stands in for botocore's own call."""
        do: Callable[[dict[str, Any]], Any] = getattr(self, f"_{xform_name(operation)}")
        service = self._service(client, request)
        refusal = ClientError(_said("InternalError"), operation)
        silence = ConnectionClosedError(endpoint_url="http://any")

        def done() -> Any:
            try:
                return do(request)
            except _Refused as refused:
                named: Any = client.exceptions.from_code(refused.code)
                raise named(_said(refused.code), operation) from None

        def altered() -> Any:
            if "Body" in request:
                named: Any = client.exceptions.from_code("BadDigest")
                raise named(_said("BadDigest"), operation)
            return _altered(done())

        return self.wire.carry(service, Request(done, refusal, silence, altered))

    def _service(self, client: BaseClient, request: Mapping[str, Any]) -> str:
        name = client.meta.service_model.service_name
        return "lts" if request.get("Bucket") == "lts" else {"stepfunctions": "states"}.get(name, name)

    def put(self, bucket: str, key: str, stored: Stored) -> None:
        """Write an object, and remember that it was."""
        self._note("written", bucket, key)
        self.buckets[bucket][key] = stored

    def remove(self, bucket: str, key: str) -> None:
        """Delete an object, if there is one."""
        if key in self.buckets[bucket]:
            self._note("deleted", bucket, key)
            del self.buckets[bucket][key]

    def _note(self, what: Literal["written", "deleted"], bucket: str, key: str) -> None:
        worker = self.wire.worker
        before = self.buckets[bucket].get(key)
        self.changes.append(Change(what, bucket, key, before, worker.run_id if worker else ""))

    # S3

    def _list_objects_v2(self, request: dict[str, Any]) -> Any:
        prefix, after = request["Prefix"], request.get("StartAfter", "").encode()
        objects = self.buckets[request["Bucket"]]
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
            for key in found[:1000]
        ]
        return {"Contents": contents, "IsTruncated": len(found) > 1000}

    def _head_object(self, request: dict[str, Any]) -> Any:
        stored = self._there(request, "404")
        answer = {
            "ContentLength": len(stored.body),
            "ETag": f'"{stored.etag}"',
            "LastModified": stored.modified,
            "ChecksumCRC64NVME": stored.checksum,
            "Metadata": dict(stored.metadata),
        }
        if stored.storage_class != "STANDARD":
            answer["StorageClass"] = stored.storage_class
        if stored.readable_until is not None and stored.readable_until > now():
            expiry = stored.readable_until.strftime("%a, %d %b %Y %H:%M:%S GMT")
            answer["Restore"] = f'ongoing-request="false", expiry-date="{expiry}"'
        return answer

    def _get_object(self, request: dict[str, Any]) -> Any:
        stored = self._pinned(request, request.get("IfMatch"))
        body = _cut(stored.body, request["Range"]) if "Range" in request else stored.body
        answer: dict[str, Any] = {"ContentLength": len(body), "ETag": f'"{stored.etag}"', "Body": io.BytesIO(body)}
        is_whole = "Range" not in request and request.get("ChecksumMode") == "ENABLED"
        return answer | {"ChecksumCRC64NVME": stored.checksum} if is_whole else answer

    def _put_object(self, request: dict[str, Any]) -> Any:
        body = request["Body"]
        self._condition(request)
        if request.get("ChecksumCRC64NVME", _crc(body)) != _crc(body):
            raise _Refused("BadDigest")
        stored = Stored(body, etag_of(body), now(), request.get("StorageClass", "STANDARD"))
        self.put(request["Bucket"], request["Key"], stored)
        return {"ETag": f'"{stored.etag}"'}

    def _delete_objects(self, request: dict[str, Any]) -> Any:
        if any(_NOT_IN_XML.search(one["Key"]) for one in request["Delete"]["Objects"]):
            raise _Refused("MalformedXML")
        changed = []
        for one in request["Delete"]["Objects"]:
            there = self.buckets[request["Bucket"]].get(one["Key"])
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
        storage_class = request.get("StorageClass", "STANDARD")
        self.uploads[upload_id] = _Upload(request["Bucket"], request["Key"], storage_class, request["Metadata"])
        return {"UploadId": upload_id}

    def _upload_part(self, request: dict[str, Any]) -> Any:
        body = request["Body"]
        if request["ChecksumCRC64NVME"] != _crc(body):
            raise _Refused("BadDigest")
        self._upload(request).parts[request["PartNumber"]] = body
        return {"ETag": f'"{etag_of(body)}"'}

    def _upload_part_copy(self, request: dict[str, Any]) -> Any:
        upload = self._upload(request)
        body = _cut(self._pinned(request["CopySource"], request["CopySourceIfMatch"]).body, request["CopySourceRange"])
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
            raise _Refused("InvalidPart")
        if any(len(body) < _MIN_PART for body in bodies[:-1]):
            raise _Refused("EntityTooSmall")
        whole = b"".join(bodies)
        if request["ChecksumCRC64NVME"] != _crc(whole):
            raise _Refused("BadDigest")
        etag = f"{etag_of(b''.join(bytes.fromhex(etag_of(body)) for body in bodies))}-{len(bodies)}"
        del self.uploads[request["UploadId"]]
        self.put(upload.bucket, upload.key, Stored(whole, etag, now(), upload.storage_class, upload.metadata))
        return {"ETag": f'"{etag}"'}

    def _abort_multipart_upload(self, request: dict[str, Any]) -> Any:
        self._upload(request)
        del self.uploads[request["UploadId"]]
        return {}

    def _list_multipart_uploads(self, request: dict[str, Any]) -> Any:
        found = [
            {"Key": upload.key, "UploadId": upload_id, "Initiated": now()}
            for upload_id, upload in self.uploads.items()
            if upload.bucket == request["Bucket"] and upload.key.startswith(request.get("Prefix", ""))
        ]
        return {"Uploads": found, "IsTruncated": False}

    def _restore_object(self, request: dict[str, Any]) -> Any:
        stored = self._there(request, "NoSuchKey")
        if stored.storage_class not in _UNREADABLE:
            raise _Refused("InvalidObjectState")
        until = now() + timedelta(days=request["RestoreRequest"]["Days"] + 1)
        recalled = Stored(stored.body, stored.etag, stored.modified, stored.storage_class, stored.metadata, until)
        self.buckets[request["Bucket"]][request["Key"]] = recalled
        return {}

    def _there(self, request: Mapping[str, Any], otherwise: str) -> Stored:
        stored = self.buckets[request["Bucket"]].get(request["Key"])
        if stored is None:
            raise _Refused(otherwise)
        return stored

    def _pinned(self, request: Mapping[str, Any], etag: str | None) -> Stored:
        stored = self._there(request, "NoSuchKey")
        if etag is not None and etag.strip('"') != stored.etag:
            raise _Refused("PreconditionFailed")
        readable = stored.readable_until is not None and stored.readable_until > now()
        if stored.storage_class in _UNREADABLE and not readable:
            raise _Refused("InvalidObjectState")
        return stored

    def _condition(self, request: Mapping[str, Any]) -> None:
        there = self.buckets[request["Bucket"]].get(request["Key"])
        if "IfNoneMatch" in request and there is not None:
            raise _Refused("PreconditionFailed")
        if "IfMatch" in request and there is None:
            raise _Refused("NoSuchKey")
        if "IfMatch" in request and there is not None and request["IfMatch"].strip('"') != there.etag:
            raise _Refused("PreconditionFailed")

    def _upload(self, request: Mapping[str, Any]) -> _Upload:
        upload = self.uploads.get(request["UploadId"])
        if upload is None or (upload.bucket, upload.key) != (request["Bucket"], request["Key"]):
            raise _Refused("NoSuchUpload")
        return upload

    # Secrets Manager and Step Functions

    def _get_secret_value(self, request: dict[str, Any]) -> Any:
        return {"SecretString": json.dumps(SECRETS[request["SecretId"]])}

    def _start_execution(self, request: dict[str, Any]) -> Any:
        try:
            execution = self._stepper().start(request["stateMachineArn"], request["name"], request["input"])
        except AlreadyStarted:
            raise _Refused("ExecutionAlreadyExists") from None
        return {"executionArn": execution.arn}

    def _describe_execution(self, request: dict[str, Any]) -> Any:
        execution = self._stepper().executions.get(request["executionArn"])
        if execution is None:
            raise _Refused("ExecutionDoesNotExist")
        answer = {"status": execution.status, "executionArn": execution.arn, "input": execution.state}
        return answer if execution.ended is None else answer | {"stopDate": execution.ended}

    def _stop_execution(self, request: dict[str, Any]) -> Any:
        if request["executionArn"] not in self._stepper().executions:
            raise _Refused("ExecutionDoesNotExist")
        self._stepper().stop(request["executionArn"])
        return {}

    def _send_task_success(self, request: dict[str, Any]) -> Any:
        if not self._stepper().give_back(request["taskToken"]):
            raise _Refused("TaskDoesNotExist")
        return {}

    def _stepper(self) -> Stepper:
        assert self.stepper is not None
        return self.stepper


class _Refused(Exception):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def _said(code: str) -> Any:
    return {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": _STATUS[code]}}


def now() -> datetime:
    """This moment, as precise as S3 tells it."""
    return datetime.now(UTC).replace(microsecond=0)


def etag_of(body: bytes) -> str:
    """The ETag of an object that came in one piece."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _crc(body: bytes) -> str:
    return crc64nvme_to_base64(crc64nvme(body))


def _cut(body: bytes, given: str) -> bytes:
    first, last = given.removeprefix("bytes=").split("-")
    if int(first) >= len(body):
        raise _Refused("InvalidRange")
    return body[int(first) : int(last) + 1]
