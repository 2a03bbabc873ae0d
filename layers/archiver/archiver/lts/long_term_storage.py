"""Long-term storage: S3 with tape behind it. Stores datablocks, asks for them back, reads what is readable.

Rules and answers: Amazon S3 API reference, RestoreObject and HeadObject
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html). Any service that speaks this
protocol will do; without an endpoint it is a bucket of the same account.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from re import search
from typing import Final

from archiver.aws import clients, secrets
from archiver.aws.memory import reserve
from archiver.aws.multipart import part_ranges, send_missing
from archiver.aws.s3 import Bucket, BucketElsewhere
from archiver.aws.s3_requests import ObjectHead
from archiver.aws.s3_uploads import PinnedRange, UploadedPart
from archiver.checksums import crc64nvme
from archiver.errors import Code, ServiceRefused, ServiceUnavailable
from archiver.models.datablocks import SealedDatablock
from archiver.settings import MIB, settings

# What a streamed part takes of the memory, and how many are on their way at once: some 50 MiB together.
STREAMED_PART: Final = 8 * MIB
STREAMS: Final = 6
# S3 copies by itself: large parts, many at once. A function that is stopped loses at most one of each.
COPIED_PART: Final = 256 * MIB
_COPIES: Final = 8

_UNREADABLE_CLASSES: Final = {"GLACIER", "DEEP_ARCHIVE"}
# The metadata that travels with a datablock: its checksum as it was before the hand-off.
_CRC64NVME: Final = "crc64nvme"
_SIZE: Final = "size"


class TapeState(StrEnum):
    """Whether a datablock can be read."""

    ARCHIVED = "archived"
    RECALLING = "recalling"
    READABLE = "readable"


@dataclass(frozen=True, slots=True)
class StoredDatablock:
    """What the LTS says of a datablock: ``size`` in bytes, ``crc64nvme`` (base64) as the LTS itself computed it.

    ``recorded`` is the checksum that was written down before the hand-off. ``expiry`` is when a recalled
    copy is given up.
    """

    key: str
    size: int
    crc64nvme: str | None
    recorded: str | None
    state: TapeState
    expiry: datetime | None
    etag: str


class LongTermStorage:
    """One bucket of the LTS. Failures carry the codes of the LTS; those of ``staging`` its own."""

    def __init__(self, bucket: Bucket, *, storage_class: str, tier: str, same_account: bool) -> None:
        self._bucket = bucket
        self._storage_class = storage_class
        self._tier = tier
        self._same_account = same_account

    @property
    def bucket(self) -> Bucket:
        """Where the datablocks lie, for whoever reads ranges of many."""
        return self._bucket

    @property
    def same_account(self) -> bool:
        """Whether S3 can copy between this and our own buckets by itself."""
        return self._same_account

    def store(self, datablock: SealedDatablock, staging: Bucket, deadline: float, *, source: str | None = None) -> bool:
        """Bring a sealed datablock from staging into the LTS; never over anything that is there.

        ``source`` is its key in staging, where that is another one.

        False when ``deadline`` (``time.monotonic()``) came first: the next call goes on. The LTS completes
        the object only if its bytes have the checksum that was predicted when the tar was planned. Raises
        ServiceUnavailable(LTS_VERIFY) when they do not (what was sent is dropped, so that a retry sends it
        anew) and ServiceRefused(LTS_WRITE) when other bytes lie under the key.
        """
        if self._is_stored(datablock):
            return True
        if not self._same_account:
            reserve((STREAMS + 1) * STREAMED_PART)
        source = source or datablock.key
        there = staging.head(source)
        if there is None:
            raise ServiceRefused(Code.LTS_WRITE, f"{source} is not in staging any more.")
        hop = _Hop(datablock, staging, source, there.etag)
        upload_id = self._upload(datablock)
        parts = self._send(hop, upload_id, deadline)
        if parts is None:
            return False
        self._complete(datablock, upload_id, parts)
        return True

    def stored(self, key: str) -> StoredDatablock | None:
        """What the LTS has under ``key``, or None."""
        with _refusal_means(Code.LTS_VERIFY):
            head = self._bucket.head(key)
        if head is None:
            return None
        state, expiry = _tape_state(head)
        return StoredDatablock(key, head.size, head.crc64nvme, head.metadata.get(_CRC64NVME), state, expiry, head.etag)

    def holds(self, datablock: SealedDatablock) -> bool:
        """Whether the LTS has the datablock with the predicted size and, computed by itself, the predicted checksum.

        If it says none, it must be the object that was read back (``proven_etag``).
        """
        there = self.stored(datablock.key)
        if there is None or there.size != datablock.packed_size:
            return False
        if there.crc64nvme is None:
            return there.etag == datablock.proven_etag
        return there.crc64nvme == datablock.crc64nvme

    def ping(self) -> None:
        """Ask the LTS for anything. Raises ServiceUnavailable(LTS_UNAVAILABLE) when it does not answer."""
        next(self._bucket.list(""), None)

    def recall(self, key: str, days: int) -> None:
        """Ask for a readable copy for ``days``; asking again is fine, and moves the expiry of one that is there.

        Without capacity for the tier Expedited, Standard is asked for.
        """
        with _refusal_means(Code.RECALL_FAILED):
            self._bucket.restore(key, days, self._tier)

    def read(self, datablock: StoredDatablock, start: int, length: int) -> bytes | None:
        """``length`` bytes from ``start`` on; None when tape has not brought the datablock back, or has let it go.

        Raises ServiceRefused(CORRUPT_DATABLOCK) when it is gone, shorter or another one by now.
        """
        try:
            return self._bucket.get(datablock.key, datablock.etag, start, length)
        except ServiceRefused as refused:
            if refused.reason.code is Code.RECALL_FAILED:
                return None
            raise

    def _is_stored(self, datablock: SealedDatablock) -> bool:
        there = self.stored(datablock.key)
        if there is None:
            return False
        # A service that keeps no checksum still has the one that came with the object.
        if (there.size, there.crc64nvme or there.recorded) != (datablock.packed_size, datablock.crc64nvme):
            raise ServiceRefused(Code.LTS_WRITE, f"Other bytes lie under {datablock.key} in the LTS already.")
        return True

    def _upload(self, datablock: SealedDatablock) -> str:
        """The upload that an earlier call began, or a new one. The key is of one run only."""
        with _refusal_means(Code.LTS_WRITE):
            begun = (upload_id for key, upload_id in self._bucket.uploads(datablock.key) if key == datablock.key)
            return next(begun, None) or self._bucket.create_upload(
                datablock.key,
                storage_class=self._storage_class,
                metadata={_CRC64NVME: datablock.crc64nvme, _SIZE: str(datablock.packed_size)},
            )

    def _send(self, hop: "_Hop", upload_id: str, deadline: float) -> list[UploadedPart] | None:
        """Send the parts that are missing, several at once. None when the deadline came first."""
        send, at_once = (self._copied, _COPIES) if self._same_account else (self._streamed, STREAMS)
        ranges = part_ranges(hop.datablock.packed_size, COPIED_PART if self._same_account else STREAMED_PART)
        with _refusal_means(Code.LTS_WRITE):
            there = {part.number: part for part in self._bucket.parts(hop.datablock.key, upload_id)}
        return send_missing(ranges, there, lambda *part: send(hop, upload_id, *part), at_once, deadline)

    def _streamed(self, hop: "_Hop", upload_id: str, number: int, start: int, length: int) -> UploadedPart:
        body = hop.staging.get(hop.source, hop.etag, start, length)
        with _refusal_means(Code.LTS_WRITE):
            return self._bucket.upload_part(hop.datablock.key, upload_id, number, body, crc64nvme(body))

    def _copied(self, hop: "_Hop", upload_id: str, number: int, start: int, length: int) -> UploadedPart:
        source = PinnedRange(hop.staging, hop.source, hop.etag, start, length, hop.source)
        with _refusal_means(Code.LTS_WRITE):
            return self._bucket.copy_part(hop.datablock.key, upload_id, number, source)

    def _complete(self, datablock: SealedDatablock, upload_id: str, parts: list[UploadedPart]) -> None:
        try:
            with _refusal_means(Code.LTS_WRITE):
                self._bucket.complete_upload(datablock.key, upload_id, parts, datablock.crc64nvme)
        except ServiceUnavailable as error:
            if error.reason.code is Code.LTS_VERIFY:
                self._bucket.abort_upload(datablock.key, upload_id)
                self._is_stored(datablock)  # says so when it was another one's bytes that were in the way
            raise


@dataclass(frozen=True, slots=True)
class _Hop:
    """A datablock on its way: the staging object it comes from, pinned."""

    datablock: SealedDatablock
    staging: Bucket
    source: str
    etag: str


def long_term_storage() -> LongTermStorage:
    """The LTS of this deployment. Its credentials are looked up now and then, so that they can be changed."""
    chosen = settings()
    if chosen.lts_endpoint_url:
        given = secrets.fields(chosen.lts_secret)
        client = clients.s3_at(chosen.lts_endpoint_url, given["access_key_id"], given["secret_access_key"])
    else:
        client = clients.s3()
    kind = BucketElsewhere if chosen.lts_endpoint_url else Bucket
    bucket = kind(
        client,
        chosen.lts_bucket,
        Code.LTS_UNAVAILABLE,
        offline=Code.RECALL_FAILED,
        changed=Code.CORRUPT_DATABLOCK,
    )
    return LongTermStorage(
        bucket,
        storage_class=chosen.lts_storage_class,
        tier=chosen.lts_recall_tier,
        same_account=not chosen.lts_endpoint_url,
    )


def _tape_state(head: ObjectHead) -> tuple[TapeState, datetime | None]:
    """State and expiry, from the storage class and ``x-amz-restore``."""
    if head.storage_class not in _UNREADABLE_CLASSES:
        return TapeState.READABLE, None
    restore = head.restore or ""
    if 'ongoing-request="true"' in restore:
        return TapeState.RECALLING, None
    dated = search('expiry-date="([^"]+)"', restore)
    expiry = parsedate_to_datetime(dated[1]) if dated else None
    if expiry is None or expiry <= datetime.now(UTC):
        return TapeState.ARCHIVED, None
    return TapeState.READABLE, expiry


@contextmanager
def _refusal_means(code: Code) -> Iterator[None]:
    """Give what the S3 wire could not name its name here; bytes that arrived wrong are worth another try."""
    try:
        yield
    except ServiceRefused as refused:
        reason = refused.reason
        if reason.code is Code.PACK_DIGEST:
            raise ServiceUnavailable(Code.LTS_VERIFY, reason.message) from refused
        means = {Code.INTERNAL: code, Code.S3_FULL: Code.LTS_FULL}.get(reason.code, reason.code)
        raise ServiceRefused(means, reason.message, reason.files) from refused
