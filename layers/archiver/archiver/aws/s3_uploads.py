"""Multipart uploads to one bucket."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from archiver.aws import metering
from archiver.aws.clients import SDK_ERRORS
from archiver.aws.s3_errors import (
    CHANGED,
    CONDITION_FAILED,
    NO_UPLOAD,
    OFFLINE,
    code_of,
)
from archiver.aws.s3_requests import sent, unquoted
from archiver.checksums import crc64nvme_to_base64
from archiver.errors import Code, ServiceRefused
from archiver.models.files import OpenUpload

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef


from typing import TYPE_CHECKING

from archiver.aws.s3_requests import Requests


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """One part of a multipart upload that S3 has; ``crc64nvme`` in base64, empty if S3 did not say."""

    number: int
    etag: str
    size: int
    crc64nvme: str


@dataclass(frozen=True, slots=True)
class PinnedRange:
    """Some bytes of an object as it was when its ETag was noted; ``name`` is what users call the object."""

    bucket: Requests
    key: str
    etag: str
    start: int
    length: int
    name: str


def _completed(part: UploadedPart) -> "CompletedPartTypeDef":
    completed: CompletedPartTypeDef = {"PartNumber": part.number, "ETag": f'"{part.etag}"'}
    if part.crc64nvme:
        completed["ChecksumCRC64NVME"] = part.crc64nvme
    return completed


class MultipartUploads(Requests):
    """A bucket that objects are put together in, part by part."""

    def create_upload(
        self, key: str, *, storage_class: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> str:
        """Begin a multipart upload; returns its id."""
        extra: dict[str, Any] = {"StorageClass": storage_class} if storage_class else {}
        try:
            answer = self._client.create_multipart_upload(
                Bucket=self.name,
                Key=key,
                ContentType="application/x-tar",
                ChecksumAlgorithm="CRC64NVME",
                ChecksumType="FULL_OBJECT",
                Metadata=metadata or {},
                **extra,
            )
        except SDK_ERRORS as error:
            raise self._failure(error, key) from error
        return answer["UploadId"]

    def upload_part(self, key: str, upload_id: str, number: int, body: bytes, crc64nvme: int) -> UploadedPart:
        """Send one part. Raises ServiceRefused(TRANSPORT_CORRUPTION) when its bytes do not arrive with this CRC."""
        crc = crc64nvme_to_base64(crc64nvme)
        upload = partial(
            self._client.upload_part,
            Bucket=self.name,
            Key=key,
            UploadId=upload_id,
            PartNumber=number,
            Body=body,
            ChecksumCRC64NVME=crc,
        )
        try:
            answer = sent(upload, key)
        except SDK_ERRORS as error:
            raise self._failure(error, key) from error
        metering.count("sent", len(body))
        return UploadedPart(number, unquoted(answer["ETag"]), len(body), crc)

    def copy_part(self, key: str, upload_id: str, number: int, source: PinnedRange) -> UploadedPart:
        """Let S3 copy one part from another object, pinned by its ETag; for that one it raises as its ``get`` does."""
        try:
            answer = self._client.upload_part_copy(
                Bucket=self.name,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": source.bucket.name, "Key": source.key},
                CopySourceIfMatch=f'"{source.etag}"',
                CopySourceRange=f"bytes={source.start}-{source.start + source.length - 1}",
            )["CopyPartResult"]
        except SDK_ERRORS as error:
            if code_of(error) in CHANGED | OFFLINE:
                raise source.bucket._pinned_failure(error, source.name) from error  # noqa: SLF001 - the same class
            raise self._failure(error, f"{key} from s3://{source.bucket.name}/{source.key}") from error
        metering.count("copied", source.length)
        return UploadedPart(number, unquoted(answer["ETag"]), source.length, answer.get("ChecksumCRC64NVME", ""))

    def parts(self, key: str, upload_id: str) -> tuple[UploadedPart, ...]:
        """The parts that S3 has of an upload, by number; none when there is no such upload."""
        pages = self._client.get_paginator("list_parts").paginate(Bucket=self.name, Key=key, UploadId=upload_id)
        try:
            return tuple(
                UploadedPart(
                    part["PartNumber"], unquoted(part["ETag"]), part["Size"], part.get("ChecksumCRC64NVME", "")
                )
                for page in pages
                for part in page.get("Parts", ())
            )
        except SDK_ERRORS as error:
            if code_of(error) in NO_UPLOAD:
                return ()
            raise self._failure(error, key) from error

    def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[UploadedPart], crc64nvme: str, *, replaces: str | None = None
    ) -> None:
        """Make the object visible, if its bytes have this CRC64NVME (base64) and its key is free.

        With ``replaces``, an ETag, it takes the place of the object that had it.

        An object with the same checksum under the key is success: an earlier attempt ended here. Raises
        ServiceRefused(PACK_DIGEST) for wrong bytes or a key taken by other bytes.
        """
        condition: Any = {"IfMatch": f'"{replaces}"'} if replaces else {"IfNoneMatch": "*"}
        try:
            self._client.complete_multipart_upload(
                Bucket=self.name,
                Key=key,
                UploadId=upload_id,
                **condition,
                ChecksumCRC64NVME=crc64nvme,
                ChecksumType="FULL_OBJECT",
                MultipartUpload={"Parts": [_completed(part) for part in parts]},
            )
        except SDK_ERRORS as error:
            if code_of(error) in CONDITION_FAILED | NO_UPLOAD:
                there = self.head(key)
                if there is not None and there.crc64nvme == crc64nvme:
                    # Of two that brought the same bytes, the second still has its parts.
                    self.abort_upload(key, upload_id)
                    return
                if there is not None:
                    raise ServiceRefused(Code.PACK_DIGEST, f"Other bytes lie under {key} already.") from error
            raise self._failure(error, key) from error

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts; one that is gone already is fine."""
        try:
            self._client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload_id)
        except SDK_ERRORS as error:
            if code_of(error) not in NO_UPLOAD:
                raise self._failure(error, key) from error

    def uploads(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Key and upload id of each unfinished multipart upload under ``prefix``."""
        return ((upload.key, upload.upload_id) for upload in self.begun_uploads(prefix))

    def begun_uploads(self, prefix: str) -> Iterator[OpenUpload]:
        """Each unfinished multipart upload under ``prefix``, with the time at which it was begun."""
        after: dict[str, str] = {}
        more = True
        while more:
            ask = partial(self._client.list_multipart_uploads, Bucket=self.name, Prefix=prefix, EncodingType="url")
            page = self._ask(partial(ask, **after), prefix)
            # Not every service encodes them when it is asked to.
            decoded = unquote_plus if page.get("EncodingType") == "url" else str
            for upload in page.get("Uploads", ()):
                yield OpenUpload(decoded(upload["Key"]), upload["UploadId"], upload["Initiated"])
            more = page["IsTruncated"]
            if more:
                after = {"KeyMarker": decoded(page["NextKeyMarker"]), "UploadIdMarker": page["NextUploadIdMarker"]}

    def abort_uploads(self, prefix: str) -> None:
        """Forget every unfinished upload under ``prefix``."""
        for key, upload_id in list(self.uploads(prefix)):
            self.abort_upload(key, upload_id)
