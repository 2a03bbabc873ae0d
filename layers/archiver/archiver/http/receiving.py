"""What a caller may upload to: a dataset that is the caller's and still open, and one file of it."""

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

from archiver import landing_zone, uploads
from archiver.http import access, auth
from archiver.http.errors import Refusal, documented
from archiver.http.remembered import Remembered
from archiver.landing_zone import ClientUpload
from archiver.models import CatalogueDataset

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


@dataclass(frozen=True, slots=True)
class File:
    """A file that the caller may upload."""

    pid: str
    key: str
    username: str

    def upload(self, upload_id: str) -> ClientUpload:
        """The caller's multipart upload of the file. Refuses another's and an unknown one (404)."""
        known = landing_zone.upload_of(self.pid, self.key, self.username)
        if known is None or known.upload_id != upload_id:
            raise Refusal(HTTPStatus.NOT_FOUND, "upload_unknown", "You have no such upload of this file.")
        return known


def dataset(pid: str) -> CatalogueDataset:
    """The dataset, without its files. Refuses callers who may not write it (403), and one that is closed (409)."""
    found = access.writable(auth.caller(), pid)
    _refuse_closed(found)
    return found


def file(pid: str, object_name: str) -> File:
    """A file of such a dataset. Raises DatasetRejected(BAD_PATH) for a name that is not one of its files'."""
    key = uploads.key_of(pid, object_name)
    return File(dataset(pid).pid, key, auth.caller().username)


def file_to_send(pid: str, object_name: str) -> File:
    """A file that URLs are asked for, otherwise as ``file``: its dataset may have been closed two seconds ago."""
    key = uploads.key_of(pid, object_name)
    found = access.writable(auth.caller(), pid)
    _open_datasets().get(found.pid, lambda: _refuse_closed(found))
    return File(found.pid, key, auth.caller().username)


def forget(pid: str) -> None:
    """Whether the dataset is open is asked anew: it was closed here."""
    _open_datasets().forget(pid)


def _refuse_closed(found: CatalogueDataset) -> None:
    access.refuse_locked(found)
    # What a failed archiving found wrong can be uploaded again.
    if found.lifecycle.get("archiveStatusMessage") != "missingFilesError" and landing_zone.is_finalized(found.pid):
        raise Refusal(HTTPStatus.CONFLICT, "dataset_locked", "The uploads of the dataset were declared complete.")


@cache
def _open_datasets() -> Remembered[str, None]:
    """Datasets that were open a moment ago."""
    return Remembered(_OPEN_SECONDS, _OPEN_DATASETS)
