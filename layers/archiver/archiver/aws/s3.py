"""The S3 wire: one bucket, and the calls that the service makes of its objects."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, Any, Literal, override
from urllib.parse import quote

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
    CONDITION_FAILED,
    KEY_REFUSED,
    NO_EXPEDITED,
    NOTHING_TO_RESTORE,
    UNREADABLE,
    ShortBodyError,
    action_of,
    code_of,
)
from archiver.aws.s3_requests import READINGS, sent, unquoted
from archiver.aws.s3_uploads import MultipartUploads
from archiver.aws.stored_checksums import Comparison, StoredChecksum, stored_checksums
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import ServiceRefused, ServiceUnavailable
from archiver.models.files import S3Object
from archiver.names import fits_xml

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

# No key has it: what begins with a prefix stands before the prefix and this.
LAST_CHARACTER = "\U0010ffff"
MAX_KEYS_PER_DELETE = 1000  # DeleteObjects' own limit
# Parts whose lengths are asked for at the same time.
_LENGTHS_AT_ONCE = 8


class Bucket(MultipartUploads):
    """One bucket. Every method raises only the three exceptions of ``errors`` (and ValueError where said).

    ``unavailable`` is the code when S3 does not answer; ``offline`` when an archived object is read;
    ``changed`` when an object is no longer the one whose ETag was noted: the user's doing in the landing
    bucket (DatasetRejected, the default), a system's in any other (ServiceRefused).
    """

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
                    etag=unquoted(found["ETag"]),
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
            sent(put, key)
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
        listed = [found for found in objects if fits_xml(found["Key"])]
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


class BucketElsewhere(Bucket):
    """A bucket of another service. Its access key is changed in two places, one after the other: that is waited for."""

    @override
    def _failure(self, error: Exception, name: str) -> Exception:
        if code_of(error) in KEY_REFUSED:
            sentence = f"{self.name} does not take the access key; was it changed, or may it not do this"
            return ServiceUnavailable(self._unavailable, f"{sentence}? {code_of(error)} for {action_of(error)} {name}.")
        return super()._failure(error, name)


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
