"""Our own buckets.

Failures come out of ``s3.Bucket`` already translated (``ServiceUnavailable``, ``ServiceRefused``).
"""

from functools import cache

from archiver.aws import clients
from archiver.aws.s3 import Bucket
from archiver.errors import Code
from archiver.settings import MIB, settings

# No document is larger.
DOCUMENT_LIMIT = 64 * MIB


@cache
def landing() -> Bucket:
    """Where uploads and drops arrive."""
    return Bucket(clients.s3(), settings().landing_bucket)


@cache
def staging() -> Bucket:
    """Where tars are built, and where runs keep their notes."""
    return Bucket(clients.s3(), settings().staging_bucket, changed=Code.PACK_DIGEST)


@cache
def retrieval() -> Bucket:
    """Where recalled tars wait for their reader."""
    return Bucket(clients.s3(), settings().retrieval_bucket)
