"""Lists whose keys are asked for percent-encoded have every key that they should, and each of them encoded.

LocalStack compares encoded keys where it goes on after one, and so loses some; and it does not encode the keys of
uploads, of which one with a control character makes the whole list unreadable. Here a list is made of the keys as they
are, and encoded then.

Written for localstack-core 4.14: ``localstack.services.s3.provider``.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from localstack.aws.api.s3 import EncodingType  # type: ignore[import-not-found]
from localstack.services.s3.provider import S3Provider  # type: ignore[import-not-found]

type Answer = dict[str, Any]
type Listing = Callable[..., Answer]

# Where a list has names: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html and
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
_NAMES = ("Prefix", "Delimiter", "StartAfter", "KeyMarker", "NextKeyMarker")
_ROWS = (("Contents", "Key"), ("Uploads", "Key"), ("CommonPrefixes", "Prefix"))


def encode_whole_lists() -> None:
    """Encode what ``list_objects_v2`` and ``list_multipart_uploads`` answer; before the service is loaded."""
    S3Provider.list_objects_v2 = _encoded(S3Provider.list_objects_v2)
    S3Provider.list_multipart_uploads = _encoded(S3Provider.list_multipart_uploads)


def _encoded(listing: Listing) -> Listing:
    @wraps(listing)
    def listed(*given: object, encoding_type: str | None = None, **more: object) -> Answer:
        if encoding_type != EncodingType.url:
            return listing(*given, encoding_type=encoding_type, **more)
        answer = listing(*given, **more) | {"EncodingType": EncodingType.url}
        for name in _NAMES:
            if answer.get(name):
                answer[name] = quote(answer[name])
        for rows, name in _ROWS:
            for row in answer.get(rows, ()):
                row[name] = quote(row[name])
        return answer

    return listed
