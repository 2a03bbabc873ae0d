"""What a caller may upload to: a dataset that is the caller's and still open, and one file of it."""

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

from archiver.http.auth import authentication, authorization
from archiver.http.auth.callers import Caller
from archiver.http.problems import Refusal, documented
from archiver.http.request_codes import RequestCode
from archiver.http.ttl_cache import Remembered
from archiver.keys import Keys
from archiver.models.catalogue import CatalogueDataset
from archiver.uploads import known_files, registry, rules
from archiver.uploads.known_files import Expected, FilesNoted
from archiver.uploads.registry import ClientUpload, DatasetUpload

# What a route that uploads may refuse with, unless it speaks to the Ingestor alone.
REFUSALS = documented(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)

# Clients ask for URLs file by file, and a URL works for hours anyway: so long nobody looks whether a dataset is open.
_OPEN_SECONDS, _OPEN_DATASETS = 2.0, 1_000
# A shard of a list of files has some 100 KB, and is never another one under its name.
_SHARD_SECONDS, _SHARDS = 600.0, 100


@dataclass(frozen=True, slots=True)
class File:
    """A file of a dataset that the caller may upload."""

    pid: str
    key: str

    def upload(self, upload_id: str) -> ClientUpload:
        """The multipart upload of the file, whoever began it. Refuses an unknown one (404)."""
        known = registry.upload_of(self.pid, self.key)
        if known is None or known.upload_id != upload_id:
            raise Refusal(HTTPStatus.NOT_FOUND, RequestCode.UPLOAD_UNKNOWN, "There is no such upload of this file.")
        return known


@dataclass(frozen=True, slots=True)
class ListedFile(File):
    """A file that SciCat lists, as it ``expected`` it when space was asked for."""

    expected: Expected


def dataset(pid: str) -> CatalogueDataset:
    """The dataset, as SciCat knows it now. Refuses callers who may not write it (403), and one that is closed (409)."""
    found = authorization.writable(authentication.caller(), pid, anew=True)
    refuse_others(authentication.caller(), found, _open(found))
    return found


def file(pid: str, object_name: str) -> File:
    """A file of such a dataset. Raises DatasetRejected(BAD_PATH) for a name that is not one of its files'."""
    key = rules.key_of(pid, object_name)
    return File(dataset(pid).pid, key)


def listed_file(pid: str, object_name: str, *, for_urls: bool = False) -> ListedFile:
    """A file that space is granted for, otherwise as ``file``. Refuses one that SciCat does not list (422).

    ``for_urls``: its dataset may have been closed 2 seconds ago.
    """
    key = rules.key_of(pid, object_name)
    found = authorization.writable(authentication.caller(), pid)
    upload = _open_datasets().get(found.pid, lambda: _open(found)) if for_urls else _open(found)
    return _listed(found, key, upload)


def forget(pid: str) -> None:
    """What the dataset's upload is, is asked anew: it was changed here."""
    _open_datasets().forget(pid)


def refuse_others(caller: Caller, found: CatalogueDataset, upload: DatasetUpload | None) -> None:
    """Refuse whoever is only in the dataset's access groups, where its owners upload it (403)."""
    if upload is not None and upload.by_owner and not authorization.owns(caller, found):
        raise Refusal(HTTPStatus.FORBIDDEN, RequestCode.FORBIDDEN, "The dataset is being uploaded by its owners.")


def _open(found: CatalogueDataset) -> DatasetUpload | None:
    """The dataset's upload, if there is one. Refuses when it is complete (409)."""
    authorization.refuse_locked(found)
    upload = registry.upload(found.pid)
    if upload is None or upload.state != "finalized":
        return upload
    if authorization.is_to_be_sent_again(found) and registry.reopen(found.pid, upload):
        return registry.upload(found.pid)
    raise Refusal(HTTPStatus.CONFLICT, RequestCode.DATASET_LOCKED, "The uploads of the dataset were declared complete.")


def _listed(found: CatalogueDataset, key: str, upload: DatasetUpload | None) -> ListedFile:
    refuse_others(authentication.caller(), found, upload)
    if upload is None or upload.listed is None or not upload.may_be_sent_to:
        raise _no_space()
    path = key.removeprefix(Keys.uploads(found.pid))
    expected = known_files.expected(path, _shard(found.pid, upload.listed, path))
    if expected is None:
        message = (
            "SciCat did not list this file with its size in bytes when space was asked for. "
            "If it does now, please ask for space again."
        )
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, RequestCode.FILE_NOT_LISTED, message, path)
    return ListedFile(found.pid, key, expected)


def _shard(pid: str, listed: FilesNoted, path: str) -> bytes:
    number = listed.shard_of(path)
    try:
        return _shards().get((pid, listed.name, number), lambda: known_files.shard(pid, listed, number))
    except LookupError:
        raise _no_space() from None  # given up at this moment


def _no_space() -> Refusal:
    message = "No space is granted for the dataset. Please ask for it first."
    return Refusal(HTTPStatus.CONFLICT, RequestCode.NO_SPACE_GRANTED, message)


@cache
def _open_datasets() -> Remembered[str, DatasetUpload | None]:
    """The uploads of datasets that were open a moment ago."""
    return Remembered(_OPEN_SECONDS, _OPEN_DATASETS)


@cache
def _shards() -> Remembered[tuple[str, str, int], bytes]:
    """Parts of the lists of files, by dataset, name and number."""
    return Remembered(_SHARD_SECONDS, _SHARDS)
