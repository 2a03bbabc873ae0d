"""Where a dataset's files lie in the landing bucket, and what lies there."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import orjson

from archiver.keys import Keys
from archiver.models.files import S3Object, Upload
from archiver.names import wrong_path
from archiver.storage import buckets

# S3 lists a thousand keys at a time, one page after the other: long lists are cut into shares of so many.
_LISTED_IN_A_ROW, _LISTERS = 5_000, 8


def upload_of(pid: str) -> Upload:
    """Where a dataset's files lie in the landing bucket: its drop, or the prefix of API uploads."""
    body = buckets.staging().read(Keys.source(pid), buckets.DOCUMENT_LIMIT)
    return Upload(prefix=Keys.uploads(pid)) if body is None else Upload.model_validate_json(body)


def record_upload(pid: str, upload: Upload) -> None:
    """Write down which drop a dataset came from. From then on the folder is this dataset's, and no other one's."""
    buckets.staging().put(Keys.source(pid), upload.model_dump_json().encode())
    buckets.staging().put(Keys.owner(upload.prefix), orjson.dumps(pid))


def owner_of(upload: Upload) -> str | None:
    """The pid of the dataset that a dropped folder belongs to, if any."""
    body = buckets.staging().read(Keys.owner(upload.prefix), buckets.DOCUMENT_LIMIT)
    return None if body is None else str(orjson.loads(body))


def owns_upload(pid: str, upload: Upload) -> bool:
    """Whether the files are this dataset's still: the folder may have been dropped as another one since."""
    return owner_of(upload) in {None, pid}


def uploaded(upload: Upload, after: str = "", until: str | None = None) -> Iterator[S3Object]:
    """The uploaded files, in the order of their keys' UTF-8 bytes; those behind the key ``after``, to ``until``.

    The drop's own documents and directory markers (empty objects that end with ``/``) are no files.
    """
    own = {upload.prefix + name for name in upload.documents}
    for found in buckets.landing().list(upload.prefix, after):
        if until is not None and found.key > until:
            return
        if found.key not in own and not (found.key.endswith("/") and found.size == 0):
            yield found
        if found.key == until:
            return


class GivenUpError(Exception):
    """Nobody waits for it any more."""


def uploaded_at_once(
    upload: Upload,
    paths: Sequence[str],
    share: int = _LISTED_IN_A_ROW,
    given_up: Callable[[], bool] = lambda: False,
) -> Iterator[S3Object]:
    """As ``uploaded``, in a fraction of the time: shares of ``paths``, which are probably there, are listed at once.

    ``paths`` stand in order; whatever else is there is found too. Raises GivenUpError when it is ``given_up``.
    """

    def listed(between: tuple[str, str | None]) -> list[S3Object]:
        objects, found = uploaded(upload, *between), list[S3Object]()
        while not given_up():
            one = next(objects, None)
            if one is None:
                return found
            found.append(one)
        raise GivenUpError

    ends = [upload.prefix + path for path in paths[share - 1 : -1 : share] if not wrong_path(path, upload.prefix)]
    with ThreadPoolExecutor(_LISTERS) as listers:
        for found in listers.map(listed, zip(["", *ends], [*ends, None], strict=True)):
            yield from found
