"""Let a copy in the retrieval bucket live as long as one that is delivered today.

The bucket's rule counts an object's days from its last modification, and rounds them up to midnight UTC
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html). So S3 copies an older
object onto itself, and completes that only if the bytes still have the proven checksum.
"""

from datetime import UTC, datetime
from typing import Final

from archiver.aws.multipart import part_ranges, send_missing
from archiver.aws.s3 import Bucket
from archiver.aws.s3_requests import ObjectHead
from archiver.aws.s3_uploads import PinnedRange, UploadedPart
from archiver.errors import Code, ServiceRefused
from archiver.settings import MIB

_PART: Final = 256 * MIB
_AT_ONCE: Final = 8


def renew(key: str, bucket: Bucket, deadline: float) -> bool:
    """Let an object's days begin today. False when ``deadline`` (``time.monotonic()``) came first.

    The next call goes on then. Raises ServiceRefused: CORRUPT_DATABLOCK when the object is gone, PACK_DIGEST
    when its bytes are not those that were proven any more.
    """
    head = bucket.head(key)
    if head is None or head.crc64nvme is None:
        raise ServiceRefused(Code.CORRUPT_DATABLOCK, f"{key} was removed from the retrieval bucket.", [key])
    if head.modified.date() == datetime.now(UTC).date():
        return True
    # Only the one run that delivers the dataset does this, so an upload of this key is an earlier call's.
    begun = (upload_id for found, upload_id in bucket.uploads(key) if found == key)
    upload_id = next(begun, None) or bucket.create_upload(key)
    parts = _copy(key, head, bucket, upload_id, deadline)
    if parts is None:
        return False
    try:
        bucket.complete_upload(key, upload_id, parts, head.crc64nvme, replaces=head.etag)
    except ServiceRefused:
        bucket.abort_upload(key, upload_id)
        raise
    return True


def _copy(key: str, head: ObjectHead, bucket: Bucket, upload_id: str, deadline: float) -> list[UploadedPart] | None:
    """All parts, copied by S3 itself; None when the deadline came first."""
    there = {part.number: part for part in bucket.parts(key, upload_id)}

    def copy(number: int, start: int, length: int) -> UploadedPart:
        return bucket.copy_part(key, upload_id, number, PinnedRange(bucket, key, head.etag, start, length, key))

    return send_missing(part_ranges(head.size, _PART), there, copy, _AT_ONCE, deadline)
