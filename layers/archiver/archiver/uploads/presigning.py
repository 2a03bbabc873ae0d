"""The landing bucket as uploading clients use it: presigned requests, and multipart uploads with a SHA-256 per part.

Clients send their bytes to S3 themselves; here their requests are signed, and what arrived is looked at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from archiver.aws import clients
from archiver.aws.s3 import Bucket
from archiver.settings import settings

_PARTS_PER_PAGE = 1_000  # ListParts' own limit
_ABSENT = frozenset({"404", "NoSuchKey"})
_NO_UPLOAD = frozenset({"NoSuchUpload"})
# The parts are not those that S3 has, or are too small.
_NOT_ACCEPTED = _NO_UPLOAD | {"BadDigest", "EntityTooSmall", "InvalidPart", "InvalidPartOrder", "InvalidRequest"}


@dataclass(frozen=True, slots=True)
class ClientPart:
    """A part that a client uploaded. ``etag`` unquoted, ``sha256`` in base64, empty if S3 does not say."""

    number: int
    etag: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that a client uploaded. ``sha256`` as S3 writes it, base64 (of several parts with ``-N``), or None."""

    size: int
    etag: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Parts:
    """Some parts of an upload, by number, and whether there are more behind them."""

    parts: tuple[ClientPart, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """That a file replaces the one that has this ETag, or none."""

    etag: str | None

    @property
    def headers(self) -> dict[str, str]:
        """As HTTP says it (RFC 9110, section 13.1)."""
        return {"If-Match": f'"{self.etag}"'} if self.etag else {"If-None-Match": "*"}

    @property
    def parameters(self) -> dict[str, str]:
        """As botocore calls it."""
        return {name.replace("-", ""): value for name, value in self.headers.items()}


@dataclass(frozen=True, slots=True)
class Terms:
    """What is signed: for how long a request works, and which ``size`` and ``sha256`` (base64) its bytes must have.

    None means any. ``headers`` must be sent as they are; S3 refuses other bytes, and to replace another object.
    """

    seconds: int
    size: int | None = None
    sha256: str | None = None
    condition: Condition | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What must be sent with the request, beside its length."""
        checksum = {"x-amz-checksum-sha256": self.sha256} if self.sha256 else {}
        return checksum | (self.condition.headers if self.condition else {})


class Inbox(Bucket):
    """The landing bucket. Every method raises only the exceptions of ``errors``, as ``Bucket`` does."""

    def begin(self, key: str) -> str:
        """Begin a multipart upload whose parts carry SHA-256 checksums; returns its id."""
        create = partial(self._client.create_multipart_upload, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE")
        answer = self._ask(partial(create, Bucket=self.name, Key=key), key)
        return answer["UploadId"]

    def presign_put(self, key: str, terms: Terms) -> str:
        """A URL that takes the whole file in one PUT. A secret: never log it."""
        return self._presign("put_object", terms, Key=key)

    def presign_part(self, key: str, upload_id: str, number: int, terms: Terms) -> str:
        """A URL that takes one part; otherwise as ``presign_put``."""
        return self._presign("upload_part", terms, Key=key, UploadId=upload_id, PartNumber=number)

    def _presign(self, operation: str, terms: Terms, **request: object) -> str:
        checksum = {"ChecksumSHA256": terms.sha256} if terms.sha256 else {}
        length = {} if terms.size is None else {"ContentLength": terms.size}
        condition = terms.condition.parameters if terms.condition else {}
        params = {"Bucket": self.name, **request, **length, **checksum, **condition}
        return self._client.generate_presigned_url(operation, Params=params, ExpiresIn=terms.seconds)

    def client_parts(self, key: str, upload_id: str, after: int = 0, limit: int = _PARTS_PER_PAGE) -> Parts | None:
        """The first ``limit`` parts (at most 1,000) behind number ``after``; None when there is no such upload."""
        request: Any = {"Key": key, "UploadId": upload_id, "PartNumberMarker": after, "MaxParts": limit}
        answer = self._ask_unless(_NO_UPLOAD, partial(self._client.list_parts, Bucket=self.name, **request), key)
        if answer is None:
            return None
        parts = tuple(
            ClientPart(part["PartNumber"], part["ETag"].strip('"'), part["Size"], part.get("ChecksumSHA256", ""))
            for part in answer.get("Parts", ())
        )
        return Parts(parts, more=bool(answer.get("IsTruncated")))

    def all_client_parts(self, key: str, upload_id: str) -> Iterator[ClientPart] | None:
        """Every part, a page at a time; None when there is no such upload."""
        first = self.client_parts(key, upload_id)
        return None if first is None else self._pages(key, upload_id, first)

    def _pages(self, key: str, upload_id: str, page: Parts) -> Iterator[ClientPart]:
        yield from page.parts
        while page.more:
            page = self.client_parts(key, upload_id, page.parts[-1].number) or Parts((), more=False)
            yield from page.parts

    def finish(self, key: str, upload_id: str, parts: Sequence[ClientPart]) -> str | None:
        """Make the file visible. S3's own code where it does not take the parts, or knows no such upload (any more)."""
        completed: Any = [
            {"PartNumber": part.number, "ETag": f'"{part.etag}"'}
            | ({"ChecksumSHA256": part.sha256} if part.sha256 else {})
            for part in parts
        ]
        complete = partial(self._client.complete_multipart_upload, MultipartUpload={"Parts": completed})
        return self._refusal(_NOT_ACCEPTED, partial(complete, Bucket=self.name, Key=key, UploadId=upload_id), key)

    def arrived(self, key: str) -> Arrived | None:
        """What lies under the key, or None when nothing does."""
        look = partial(self._client.head_object, Bucket=self.name, Key=key, ChecksumMode="ENABLED")
        answer = self._ask_unless(_ABSENT, look, key)
        if answer is None:
            return None
        return Arrived(answer["ContentLength"], answer["ETag"].strip('"'), answer.get("ChecksumSHA256"))


@cache
def inbox() -> Inbox:
    """The landing bucket of this deployment."""
    return Inbox(clients.s3(), settings().landing_bucket)
