"""The S3 wire: one bucket, the calls the service makes of it, and what each failure means."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, Any, Literal, override
from urllib.parse import quote, unquote_plus

import stamina
from botocore.exceptions import (
    ClientError,
    FlexibleChecksumError,
)

from archiver.aws import metering
from archiver.aws.clients import SDK_ERRORS
from archiver.aws.s3_errors import (
    ABSENT,
    BROKEN_BODY,
    CHANGED,
    CONDITION_FAILED,
    KEY_REFUSED,
    NO_CREDENTIALS,
    NO_EXPEDITED,
    NO_UPLOAD,
    NOT_ANSWERED,
    NOTHING_TO_RESTORE,
    OFFLINE,
    REFUSALS,
    SKEWED,
    TRY_LATER,
    UNREADABLE,
    WRONG_DIGEST,
    ShortBodyError,
    action_of,
    code_of,
    encryption_key_of,
    status_of,
)
from archiver.aws.stored_checksums import Comparison, StoredChecksum, stored_checksums
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.models.files import OpenUpload, S3Object
from archiver.names import fits_xml

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef, ObjectIdentifierTypeDef

# No key has it: what begins with a prefix stands before the prefix and this.
LAST_CHARACTER = "\U0010ffff"
MAX_KEYS_PER_DELETE = 1000  # DeleteObjects' own limit
# How often bytes that were altered on their way are asked for, or sent, before anybody is told.
READINGS = 3
# Parts whose lengths are asked for at the same time.
_LENGTHS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What HEAD says. ``crc64nvme`` is base64 and of the whole object; ``restore`` the raw ``x-amz-restore``."""

    size: int
    etag: str
    modified: datetime
    crc64nvme: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"
    restore: str | None = None


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

    bucket: "Bucket"
    key: str
    etag: str
    start: int
    length: int
    name: str


class Bucket:
    """One bucket. Every method raises only the three exceptions of ``errors`` (and ValueError where said).

    ``unavailable`` is the code when S3 does not answer; ``offline`` when an archived object is read;
    ``changed`` when an object is no longer the one whose ETag was noted: the user's doing in the landing
    bucket (DatasetRejected, the default), a system's in any other (ServiceRefused).
    """

    def __init__(
        self,
        client: "S3Client",
        name: str,
        unavailable: Code = Code.S3_UNAVAILABLE,
        *,
        offline: Code = Code.LANDING_OFFLINE,
        changed: Code = Code.CHANGED_AFTER_VALIDATE,
    ) -> None:
        self.name = name
        self._client = client
        self._unavailable = unavailable
        self._offline = offline
        self._changed = changed

    def list(self, prefix: str, start_after: str = "") -> Iterator[S3Object]:
        """Every object under ``prefix`` after the key ``start_after``, in the order of the keys' UTF-8 bytes.

        Keys come percent-encoded, for XML cannot hold all of them; botocore asks for that, and decodes them.
        """
        last = start_after
        more = True
        while more:
            # Each page begins after the last key: LocalStack's continuation tokens fail on other letters than ASCII.
            ask = partial(self._client.list_objects_v2, Bucket=self.name, Prefix=prefix, StartAfter=last)
            page = self._ask(ask, prefix)
            for found in page.get("Contents", ()):
                last = found["Key"]
                yield S3Object(
                    key=last,
                    size=found["Size"],
                    etag=_unquoted(found["ETag"]),
                    storage_class=found.get("StorageClass", "STANDARD"),
                    modified=found["LastModified"],
                )
            more = page["IsTruncated"]

    def folders(self, prefix: str, start_after: str = "") -> Iterator[str]:
        """The folders directly under ``prefix`` (each ends with ``/``) after the folder ``start_after``."""
        # Past every key of the last folder; continuation tokens are not used, as in ``list``.
        after = start_after + LAST_CHARACTER if start_after else ""
        more = True
        while more:
            ask = partial(self._client.list_objects_v2, Bucket=self.name, Prefix=prefix, Delimiter="/")
            page = self._ask(partial(ask, StartAfter=after), prefix)
            found = [folder["Prefix"] for folder in page.get("CommonPrefixes", ())]
            yield from found
            # A page may hold nothing but objects.
            passed = [one["Key"] for one in page.get("Contents", ())] + [folder + LAST_CHARACTER for folder in found]
            after = max([after, *passed], key=str.encode)
            more = page["IsTruncated"]

    def head(self, key: str) -> ObjectHead | None:
        """What the object is, or None when there is none."""
        try:
            answer = self._client.head_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED")
        except SDK_ERRORS as error:
            if code_of(error) in ABSENT:
                return None
            raise self._failure(error, key) from error
        return ObjectHead(
            size=answer["ContentLength"],
            etag=_unquoted(answer["ETag"]),
            modified=answer["LastModified"],
            crc64nvme=answer.get("ChecksumCRC64NVME"),
            metadata=answer["Metadata"],
            storage_class=answer.get("StorageClass", "STANDARD"),
            restore=answer.get("Restore"),
        )

    def read(self, key: str, limit: int) -> bytes | None:
        """A small document, or None when there is none. Raises ValueError when it has more than ``limit`` bytes."""
        try:
            body, _ = self._fetch(limit, Bucket=self.name, Key=key, ChecksumMode="ENABLED")
        except SDK_ERRORS as error:
            if code_of(error) in ABSENT:
                return None
            raise self._failure(error, key) from error
        return body

    def get(self, key: str, etag: str, start: int, length: int, name: str | None = None) -> bytes:
        """``length`` bytes from ``start`` on, of the object that had this ETag and of no other.

        ``name`` is what a refusal calls the object (its key by default). Raises the bucket's ``changed``
        when the object is gone, replaced or shorter, ``offline`` when it is archived.
        """
        wanted = {"Range": f"bytes={start}-{start + length - 1}", "IfMatch": f'"{etag}"'}
        try:
            body, _ = self._fetch(length, length, Bucket=self.name, Key=key, **wanted)
        except SDK_ERRORS as error:
            raise self._pinned_failure(error, name or key) from error
        return body

    def get_whole(self, key: str, etag: str, size: int, name: str | None = None) -> tuple[bytes, bool]:
        """All ``size`` bytes of an object, and whether a checksum that S3 keeps of it says that they are right.

        Bytes that differ from it are asked for again. Raises as ``get``, and ServiceRefused(TRANSPORT_CORRUPTION).
        """
        wanted = {"IfMatch": f'"{etag}"', "ChecksumMode": "ENABLED"}
        try:
            return self._fetch(size, size, Bucket=self.name, Key=key, **wanted)
        except SDK_ERRORS as error:
            raise self._pinned_failure(error, name or key) from error

    @stamina.retry(on=BROKEN_BODY, attempts=READINGS, timeout=60)
    def _fetch(self, limit: int, length: int | None = None, **request: str) -> tuple[bytes, bool]:
        """A body of ``length`` bytes, or of any up to ``limit``, and whether what S3 keeps of the whole proves it."""
        answer = self._client.get_object(**request)  # type: ignore[arg-type]  # the stubs want literals
        if answer["ContentLength"] > limit:
            answer["Body"].close()
            raise ValueError(f"s3://{self.name}/{request['Key']} has more than {limit} bytes")
        body = answer["Body"].read()
        metering.count("read", len(body))
        if length is not None and len(body) != length:
            raise ShortBodyError(found=len(body), wanted=length)
        return body, "Range" not in request and _is_confirmed(answer, body)

    def stored_checksum(self, key: str, etag: str, name: str) -> StoredChecksum | None:
        """A checksum that S3 keeps of an object and that can be computed from its bytes; None when there is none.

        One request, where S3 keeps one of all bytes; otherwise one more for each part. Raises as ``get``.
        """
        try:
            answer = self._client.head_object(Bucket=self.name, Key=key, IfMatch=f'"{etag}"', ChecksumMode="ENABLED")
            said = next(iter(stored_checksums(answer)), None)
            return said.with_lengths(self._part_lengths(key, etag, said.parts)) if said else None
        except SDK_ERRORS as error:
            raise self._pinned_failure(error, name) from error

    def _part_lengths(self, key: str, etag: str, parts: int) -> tuple[int, ...]:
        """The bytes of each part that an object was uploaded in."""

        def length(number: int) -> int:
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html (partNumber)
            part = self._client.head_object(Bucket=self.name, Key=key, IfMatch=f'"{etag}"', PartNumber=number)
            return part["ContentLength"]

        with ThreadPoolExecutor(_LENGTHS_AT_ONCE, "lengths") as pool:
            return tuple(pool.map(length, range(1, parts + 1)))

    def put(
        self, key: str, body: bytes, *, only_if_absent: bool = False, content_type: str = "application/json"
    ) -> bool:
        """Write an object. False when ``only_if_absent`` and one is there.

        A repeated request whose first answer was lost also says False: whoever asks must look whose
        object it is.
        """
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if only_if_absent else {}
        return self._put(key, body, content_type, condition)

    def put_if_match(self, key: str, body: bytes, etag: str, *, content_type: str = "application/json") -> bool:
        """Replace the object that had this ETag. False when it is another by now, or gone."""
        return self._put(key, body, content_type, {"IfMatch": f'"{etag}"'})

    def _put(self, key: str, body: bytes, content_type: str, condition: Mapping[str, Any]) -> bool:
        put = partial(
            self._client.put_object,
            Bucket=self.name,
            Key=key,
            Body=body,
            ContentType=content_type,
            ChecksumCRC64NVME=crc64nvme_to_base64(crc64nvme(body)),
            **condition,
        )
        try:
            _sent(put, key)
        except SDK_ERRORS as error:
            # What is gone has no ETag to match: S3 answers 404 then.
            if condition and code_of(error) in CONDITION_FAILED | ABSENT:
                return False
            raise self._failure(error, key) from error
        return True

    def delete(self, keys: Iterable[str]) -> None:
        """Delete exactly these objects; those already gone are fine."""
        for some in batched(keys, MAX_KEYS_PER_DELETE, strict=False):
            for key, code in self._delete([{"Key": key} for key in some]):
                raise self._failure(_said(code), key)

    def delete_unchanged(self, objects: Iterable[S3Object]) -> tuple[S3Object, ...]:
        """Delete exactly these objects, where they still are what was listed; returns those that are others by now.

        S3 compares the ETags itself (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html).
        """
        changed: tuple[S3Object, ...] = ()
        for some in batched(objects, MAX_KEYS_PER_DELETE, strict=False):
            refused = dict(self._delete([{"Key": found.key, "ETag": found.etag} for found in some]))
            for key, code in refused.items():
                if code not in CONDITION_FAILED | ABSENT:
                    raise self._failure(_said(code), key)
            changed += tuple(found for found in some if refused.get(found.key) in CONDITION_FAILED)
        return changed

    def _delete(self, objects: "Sequence[ObjectIdentifierTypeDef]") -> Iterator[tuple[str, str]]:
        """Delete some objects by one request; gives the keys that S3 refuses, and its codes.

        What XML cannot name is deleted by requests of its own.
        """
        listed = [one for one in objects if fits_xml(one["Key"])]
        alone = [one for one in objects if not fits_xml(one["Key"])]
        if listed:
            request: Any = {"Delete": {"Objects": listed, "Quiet": True}, "ChecksumAlgorithm": "CRC64NVME"}
            delete = partial(self._client.delete_objects, Bucket=self.name, **request)
            answer = self._ask_unless(UNREADABLE, delete, listed[0]["Key"])
            if answer is None:
                alone += listed
            else:
                yield from ((kept.get("Key", ""), kept.get("Code", "")) for kept in answer.get("Errors", ()))
        for one in alone:
            yield from self._delete_alone(one["Key"], one.get("ETag"))

    def _delete_alone(self, key: str, etag: str | None) -> Iterator[tuple[str, str]]:
        """As ``_delete``, of one object, whose key stands in the request's address."""
        condition: Any = {"IfMatch": f'"{etag}"'} if etag else {}
        try:
            self._client.delete_object(Bucket=self.name, Key=key, **condition)
        except SDK_ERRORS as error:
            if code_of(error) not in CONDITION_FAILED | ABSENT:
                raise self._failure(error, key) from error
            yield key, code_of(error)

    # Multipart uploads whose checksum is the CRC64NVME of the whole object

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
            answer = _sent(upload, key)
        except SDK_ERRORS as error:
            raise self._failure(error, key) from error
        metering.count("sent", len(body))
        return UploadedPart(number, _unquoted(answer["ETag"]), len(body), crc)

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
        return UploadedPart(number, _unquoted(answer["ETag"]), source.length, answer.get("ChecksumCRC64NVME", ""))

    def parts(self, key: str, upload_id: str) -> tuple[UploadedPart, ...]:
        """The parts that S3 has of an upload, by number; none when there is no such upload."""
        pages = self._client.get_paginator("list_parts").paginate(Bucket=self.name, Key=key, UploadId=upload_id)
        try:
            return tuple(
                UploadedPart(
                    part["PartNumber"], _unquoted(part["ETag"]), part["Size"], part.get("ChecksumCRC64NVME", "")
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

    # Archived objects, and links

    def is_readable(self, key: str, etag: str, name: str) -> bool:
        """Whether the first byte can be read: not while an archived object has no readable copy. Raises as ``get``."""
        try:
            self.get(key, etag, 0, 1, name)
        except ServiceRefused as refused:
            if refused.reason.code is not self._offline:
                raise
            return False
        return True

    def restore(self, key: str, days: int, tier: str) -> None:
        """Ask for a readable copy of an archived object for ``days``; asking again is fine.

        An object that needs no restore is fine too. Without capacity for Expedited it asks for Standard
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html).
        """
        request: Any = {"Days": days, "GlacierJobParameters": {"Tier": tier}}
        try:
            self._client.restore_object(Bucket=self.name, Key=key, RestoreRequest=request)
        except SDK_ERRORS as error:
            if code_of(error) in NO_EXPEDITED and tier == "Expedited":
                self.restore(key, days, "Standard")
            elif code_of(error) not in NOTHING_TO_RESTORE:
                raise self._failure(error, key) from error

    def presign_get(self, key: str, seconds: int, filename: str, method: Literal["GET", "HEAD"] = "GET") -> str:
        """A link that downloads the object as ``filename`` for ``seconds``. A secret: never log it.

        The signature covers the method: a link for GET answers 403 to HEAD.
        """
        return self._client.generate_presigned_url(
            "head_object" if method == "HEAD" else "get_object",
            Params={
                "Bucket": self.name,
                "Key": key,
                "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}",
            },
            ExpiresIn=seconds,
        )

    def _ask[T](self, call: Callable[[], T], name: str) -> T:
        """The answer to a call."""
        try:
            return call()
        except SDK_ERRORS as error:
            raise self._failure(error, name) from error

    def _ask_unless[T](self, refused: Set[str], call: Callable[[], T], name: str) -> T | None:
        """The answer to a call; None when S3 refuses it by one of the error codes ``refused``."""
        try:
            return call()
        except SDK_ERRORS as error:
            if code_of(error) in refused:
                return None
            raise self._failure(error, name) from error

    def _refusal(self, refused: Set[str], call: Callable[[], object], name: str) -> str | None:
        """The one of the error codes ``refused`` by which S3 refuses a call; None when it does what it is asked."""
        try:
            call()
        except SDK_ERRORS as error:
            if code_of(error) in refused:
                return code_of(error)
            raise self._failure(error, name) from error
        return None

    # What a failure means

    def _pinned_failure(self, error: Exception, name: str) -> Exception:
        if code_of(error) not in CHANGED:
            return self._failure(error, name)
        sentence = f"{name} was removed or replaced after it was checked."
        if self._changed is Code.CHANGED_AFTER_VALIDATE:
            return DatasetRejected(self._changed, sentence, [name])
        return ServiceRefused(self._changed, sentence)

    def _failure(self, error: Exception, name: str) -> Exception:
        code, status = code_of(error), status_of(error)
        said = (
            f"{code or type(error).__name__} for {action_of(error)} s3://{self.name}/{name}{encryption_key_of(error)}"
        )
        if code in OFFLINE:
            return ServiceRefused(self._offline, f"{name} is archived and cannot be read.", [name])
        if isinstance(error, FlexibleChecksumError):
            message = f"{name} was altered on its way from S3, {READINGS} times in a row."
            return ServiceRefused(Code.TRANSPORT_CORRUPTION, message, [name])
        if isinstance(error, NO_CREDENTIALS):
            code = "AccessDenied"
        for codes, means, sentence in REFUSALS:
            if code in codes:
                return ServiceRefused(means, f"{sentence}: {said}.")
        if isinstance(error, NOT_ANSWERED) or code in TRY_LATER or status >= 500:
            sentence = "This machine's clock is wrong" if code in SKEWED else "S3 did not answer"
            return ServiceUnavailable(self._unavailable, f"{sentence}: {said}.")
        return ServiceRefused(Code.INTERNAL, f"S3 refused the request: {said}.")


class BucketElsewhere(Bucket):
    """A bucket of another service. Its access key is changed in two places, one after the other: that is waited for."""

    @override
    def _failure(self, error: Exception, name: str) -> Exception:
        if code_of(error) in KEY_REFUSED:
            sentence = f"{self.name} does not take the access key; was it changed, or may it not do this"
            return ServiceUnavailable(self._unavailable, f"{sentence}? {code_of(error)} for {action_of(error)} {name}.")
        return super()._failure(error, name)


def _arrived_wrong(error: Exception) -> bool:
    return code_of(error) in WRONG_DIGEST


def _sent[T](send: Callable[[], T], key: str) -> T:
    """The answer to bytes that are sent with their checksum, and sent again when S3 says that others arrived.

    Raises ServiceRefused(TRANSPORT_CORRUPTION) when they never arrive as they were sent.
    """
    try:
        return stamina.RetryingCaller(attempts=READINGS, timeout=60)(_arrived_wrong, send)
    except ClientError as error:
        if not _arrived_wrong(error):
            raise
        message = f"{key} was altered on its way to S3, {READINGS} times in a row."
        raise ServiceRefused(Code.TRANSPORT_CORRUPTION, message) from error


def _is_confirmed(answer: Mapping[str, Any], body: bytes) -> bool:
    """Whether a checksum that S3 keeps of the whole object says that this is its body.

    botocore compares one of all bytes while it reads. Raises FlexibleChecksumError when an ETag says otherwise.
    """
    said = stored_checksums(answer)
    if not said or said[0].parts > 1:
        return False
    stored = said[0].with_lengths([len(body)] * said[0].parts)
    comparison = Comparison(stored)
    comparison.update(body)
    if not comparison.agrees():
        raise FlexibleChecksumError(error_msg=f"the bytes do not have the {stored.algorithm} that S3 keeps of them")
    return True


def _said(code: str) -> ClientError:
    """What S3 says of one object among many, as if it had been the only one."""
    return ClientError({"Error": {"Code": code}}, "DeleteObjects")


def _unquoted(etag: str) -> str:
    return etag.strip('"')


def _completed(part: UploadedPart) -> "CompletedPartTypeDef":
    completed: CompletedPartTypeDef = {"PartNumber": part.number, "ETag": f'"{part.etag}"'}
    if part.crc64nvme:
        completed["ChecksumCRC64NVME"] = part.crc64nvme
    return completed
