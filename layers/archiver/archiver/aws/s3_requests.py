"""One bucket that is asked, and what each failure means."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import stamina
from botocore.exceptions import (
    ClientError,
    FlexibleChecksumError,
)

from archiver.aws.clients import SDK_ERRORS
from archiver.aws.s3_errors import (
    ABSENT,
    CHANGED,
    NO_CREDENTIALS,
    NOT_ANSWERED,
    OFFLINE,
    REFUSALS,
    SKEWED,
    TRY_LATER,
    WRONG_DIGEST,
    action_of,
    code_of,
    encryption_key_of,
    status_of,
)
from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


from typing import TYPE_CHECKING

# How often bytes that were altered on their way are asked for, or sent, before anybody is told.
READINGS = 3


def arrived_wrong(error: Exception) -> bool:
    """Whether S3 says that other bytes arrived than were sent."""
    return code_of(error) in WRONG_DIGEST


def sent[T](send: Callable[[], T], key: str) -> T:
    """The answer to bytes that are sent with their checksum, and sent again when S3 says that others arrived.

    Raises ServiceRefused(TRANSPORT_CORRUPTION) when they never arrive as they were sent.
    """
    try:
        return stamina.RetryingCaller(attempts=READINGS, timeout=60)(arrived_wrong, send)
    except ClientError as error:
        if not arrived_wrong(error):
            raise
        message = f"{key} was altered on its way to S3, {READINGS} times in a row."
        raise ServiceRefused(Code.TRANSPORT_CORRUPTION, message) from error


def unquoted(etag: str) -> str:
    """An ETag as we note it."""
    return etag.strip('"')


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


class Requests:
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
            etag=unquoted(answer["ETag"]),
            modified=answer["LastModified"],
            crc64nvme=answer.get("ChecksumCRC64NVME"),
            metadata=answer["Metadata"],
            storage_class=answer.get("StorageClass", "STANDARD"),
            restore=answer.get("Restore"),
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
