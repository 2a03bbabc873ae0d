"""What S3 says when it refuses a request, sorted by what that means."""

import re

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as UnreachableError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from archiver.errors import Code

# What S3 says (an error code, or the bare status of a HEAD), sorted by what it means.
ABSENT = {"404", "NoSuchKey"}
CONDITION_FAILED = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
CHANGED = ABSENT | {"412", "PreconditionFailed", "416", "InvalidRange"}
NO_UPLOAD = {"NoSuchUpload"}
OFFLINE = {"InvalidObjectState", "ObjectNotInActiveTierError"}
NO_EXPEDITED = {"GlacierExpeditedRetrievalNotAvailable"}
# LocalStack says InvalidObjectState of an object that is not archived.
NOTHING_TO_RESTORE = {"RestoreAlreadyInProgress", "ObjectAlreadyInActiveTierError", "InvalidObjectState"}
# A list of keys that S3 cannot read.
UNREADABLE = {"MalformedXML"}
WRONG_DIGEST = {"BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}
SKEWED = {"RequestTimeTooSkewed"}
# What S3 services without end of space (AWS) and those with one say of a lack of it.
FULL = {"507", "InsufficientStorage", "InsufficientStorageSpace", "QuotaExceeded", "XMinioStorageFull"}
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: a key that is disabled, gone, or not for us.
NO_KEY = {
    "KMS.DisabledException",
    "KMS.InvalidKeyUsageException",
    "KMS.InvalidStateException",
    "KMS.KMSInvalidStateException",
    "KMS.NotFoundException",
}
FORBIDDEN = {
    "403",
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "InvalidAccessKeyId",
    "NoSuchBucket",
    "SignatureDoesNotMatch",
}
# A key that is not known (any more), or whose secret is another one; of a HEAD only the status is said.
KEY_REFUSED = {"403", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
# What is refused for good: what it means to us, and the sentence that says so.
REFUSALS = (
    (WRONG_DIGEST, Code.PACK_DIGEST, "The bytes do not have the promised checksum"),
    (FULL, Code.S3_FULL, "There is no space left"),
    (NO_KEY, Code.KMS, "The encryption key cannot be used"),
    (FORBIDDEN, Code.PERMISSION, "S3 does not allow it"),
)
TRY_LATER = {
    "409",
    "ConditionalRequestConflict",
    "ExpiredToken",
    "InvalidToken",
    "KMS.ThrottlingException",
    "NoSuchUpload",
    "OperationAborted",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "TokenRefreshRequired",
    "TooManyRequests",
}

NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
# Nothing, or nothing that can be read, came back: the next request may be answered.
NOT_ANSWERED = (UnreachableError, HTTPClientError, IncompleteReadError, ResponseParserError, HTTPError)


class ShortBodyError(HTTPClientError):
    """A good answer with fewer bytes than it had to have."""

    fmt = "The answer has {found} bytes instead of {wanted}"


# A body that breaks off after a good answer, or is another one than S3 has: botocore has returned by then and does not
# repeat the request.
BROKEN_BODY = (ResponseStreamingError, IncompleteReadError, ReadTimeoutError, FlexibleChecksumError, ShortBodyError)


def code_of(error: Exception) -> str:
    """What S3 calls it; nothing when it did not answer."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def action_of(error: Exception) -> str:
    """What S3 was asked to do, by the name of its API."""
    return f"{error.operation_name} of" if isinstance(error, ClientError) else "a request of"


def encryption_key_of(error: Exception) -> str:
    """The encryption key that S3 names, if any; the rest of what it says is not repeated."""
    named = re.search(r"arn:aws[\w-]*:kms:[\w:/-]+", str(error))
    return f" with {named[0]}" if named else ""


def status_of(error: Exception) -> int:
    """The HTTP status of the answer; 0 when there was none."""
    metadata = error.response.get("ResponseMetadata", {}) if isinstance(error, ClientError) else {}
    return int(metadata.get("HTTPStatusCode", 0))
