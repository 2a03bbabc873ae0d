"""A client that uploads datasets as the Ingestor does: its order, headers, chunk sizes, quirks and retries."""

import base64
import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Event
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import requests

from tests.support import go_listing
from tests.support.catalogue import ANY_TIME, a_dataset
from tests.support.loopback import LOOPBACK

MIB = 1024**2
GIB = 1024**3
CLIENT_ID = "archiver-service-api"
_PUT_ATTEMPTS = 10
# Whatever else the archiver answers, the Ingestor takes for a success.
_ERRORS = {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR}


class UploadFailed(Exception):
    """The Ingestor tells its user that the dataset was not uploaded."""


class Answer(Protocol):
    """What the archiver answers."""

    @property
    def status(self) -> int: ...

    @property
    def json(self) -> Any: ...


class Archiver(Protocol):
    """The archiver's API, however it is reached; ``path`` is the one below ``/api/v1``."""

    def post(self, path: str, body: str, headers: Mapping[str, str]) -> Answer: ...


class Bytes(Protocol):
    """A file that is sent: its path in the dataset, and its ``size`` in bytes."""

    @property
    def path(self) -> str: ...

    @property
    def size(self) -> int: ...

    def read(self, start: int, length: int) -> bytes:
        """Some of its bytes; fewer at its end."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file in a local folder, or what a link there points to."""

    folder: Path
    path: str

    @property
    def size(self) -> int:
        """Of what is sent."""
        return (self.folder / self.path).stat().st_size

    def read(self, start: int, length: int) -> bytes:
        """Through links."""
        with (self.folder / self.path).open("rb") as file:
            file.seek(start)
            return file.read(length)


@dataclass(frozen=True, slots=True)
class File:
    """A file of any bytes, which are made as they are read; ``size`` in bytes."""

    path: str
    size: int

    def read(self, start: int, length: int) -> bytes:
        """The same bytes each time."""
        return random.Random(f"{self.path}/{start}").randbytes(min(length, self.size - start))

    def sha256(self, chunk: int) -> str:
        """Of the whole file, read in chunks of that size."""
        digest = hashlib.sha256()
        for start in range(0, self.size, chunk):
            digest.update(self.read(start, chunk))
        return digest.hexdigest()


@dataclass(slots=True)
class Ingestor:
    """The Ingestor with a user's account in SciCat.

    ``honours_required_headers``: it states its checksums and sends what it is told to; today's client sends headers
    that nobody signed. ``put`` sends bytes to S3, ``wait`` sleeps until space is asked for again.
    """

    archiver: Archiver
    scicat_url: str
    username: str
    password: str
    honours_required_headers: bool
    chunk: int = 128 * MIB
    parallel: int = 4
    put: Callable[[str, bytes, Mapping[str, str]], requests.Response] = field(
        default=lambda url, body, headers: requests.put(url, data=body, headers=dict(headers), timeout=300)
    )
    wait: Callable[[], None] = field(default=lambda: None)
    cancelled: Event = field(default_factory=Event)
    _token: str = ""

    def upload(
        self, files: Sequence[File], *, others: Sequence[Mapping[str, Any]] = (), archive: bool = True
    ) -> tuple[str, dict[str, Any]]:
        """Register and upload a dataset; returns its pid and what finalizing it was answered.

        ``others`` are listed and not sent: folders, and links to folders. Raises UploadFailed after it gave the
        upload up, as the Ingestor does: when a file failed, or the user cancelled.
        """
        usual = [{"path": file.path, "size": file.size, "time": ANY_TIME, "perm": "-rw-r--r--"} for file in files]
        return self._upload([*usual, *others], files, archive=archive)

    def upload_folder(self, folder: Path, *, archive: bool = True) -> tuple[str, dict[str, Any]]:
        """The same with a local folder, and all that is in it."""
        files = [LocalFile(folder, path) for path in go_listing.sent(folder)]
        return self._upload(list(go_listing.listed(folder)), files, archive=archive)

    def _upload(
        self, listed: Sequence[Mapping[str, Any]], files: Sequence[Bytes], *, archive: bool
    ) -> tuple[str, dict[str, Any]]:
        pid = self._register(listed)
        self._login()
        self._ask_for_space(pid, files)
        with ThreadPoolExecutor(self.parallel) as uploads:
            outcomes = [uploads.submit(self._send, pid, file) for file in files]
        failed = [str(one.exception()) for one in outcomes if one.exception()]
        if failed:
            self._post("/s3/abortDatasetUpload", {"dataset_id": pid})
            raise UploadFailed("; ".join(failed))
        return pid, self.finalize(pid, archive=archive)

    def finalize(self, pid: str, *, archive: bool = True) -> dict[str, Any]:
        """Declare the upload complete; returns the answer. Raises UploadFailed with what was wrong."""
        answer: dict[str, Any] = self._post(
            "/s3/finalizeDatasetUpload",
            {
                "dataset_id": pid,
                "create_archiving_job": archive,
                "owner_group": "group1",
                "owner_user": self.username,
                "contact_email": "user1@your.site",
            },
        )
        return answer

    def _register(self, listed: Sequence[Mapping[str, Any]]) -> str:
        lifecycle = {"archiveStatusMessage": "filesNotYetAvailable", "archivable": False}
        dataset = a_dataset(datasetlifecycle=lifecycle)
        pid = str(self._scicat("/api/v3/datasets", dataset)["pid"])
        # Folders and links are counted with the sizes that they have themselves.
        block = {"size": sum(entry["size"] for entry in listed), "dataFileList": list(listed)}
        self._scicat(f"/api/v3/datasets/{quote(pid, safe='')}/origdatablocks", block)
        return pid

    def _scicat(self, path: str, body: object) -> Any:
        headers = {"Authorization": f"Bearer {self._scicat_token()}"}
        answer = LOOPBACK.post(self.scicat_url + path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    def _scicat_token(self) -> str:
        login = {"username": self.username, "password": self.password}
        answer = LOOPBACK.post(f"{self.scicat_url}/api/v3/auth/login", json=login)
        return str(answer.json()["access_token"])

    def _login(self) -> None:
        """The archiver's token for SciCat's; its first use always refreshes it."""
        issued = self.archiver.post("/token", "", {"Authorization": f"Bearer {self._scicat_token()}"})
        assert issued.status == HTTPStatus.CREATED
        assert issued.json["expires_in"] > 0
        form = urlencode({"grant_type": "refresh_token", "refresh_token": issued.json["refresh_token"]})
        client = base64.b64encode(f"{CLIENT_ID}:".encode()).decode()
        headers = {"Authorization": f"Basic {client}", "Content-Type": "application/x-www-form-urlencoded"}
        refreshed = self.archiver.post("/token/refresh", form, headers)
        assert refreshed.status == HTTPStatus.OK
        self._token = refreshed.json["access_token"]

    def _ask_for_space(self, pid: str, files: Sequence[Bytes]) -> None:
        """GiB are rounded down; 507 means to wait and to ask again."""
        body = {"dataset_id": pid, "dataset_size_gib": sum(file.size for file in files) // GIB}
        while self._answer("/s3/requestDatasetUpload", body).status == HTTPStatus.INSUFFICIENT_STORAGE:
            self.wait()

    def _send(self, pid: str, file: Bytes) -> None:
        """Send one file; its multipart upload is aborted when a part fails. All its URLs are asked for at once."""
        name = f"openem-network/datasets/{pid}/raw_files/{file.path}"
        starts = range(0, max(file.size, 1), self.chunk)
        asked: dict[str, Any] = {"dataset_id": pid, "object_name": name, "parts": len(starts)}
        if self.honours_required_headers:
            asked["checksums_sha256"] = [_sha256(file.read(start, self.chunk)) for start in starts]
        urls = self._post("/s3/presignedUrls", asked)
        required = urls.get("required_headers") or [{}] * len(starts)
        try:
            parts = [
                self._send_part(base64.b64decode(url).decode(), number, file.read(start, self.chunk), headers)
                for number, (start, url, headers) in enumerate(
                    zip(starts, urls["urls"], required, strict=True), start=1
                )
            ]
        except UploadFailed:
            self._post(
                "/s3/abortMultipartUpload", {"dataset_id": "", "object_name": name, "upload_id": urls["upload_id"]}
            )
            raise
        if file.size < self.chunk:
            return
        digests = b"".join(base64.b64decode(part["checksum_sha256"]) for part in parts)
        self._post(
            "/s3/completeUpload",
            {
                "dataset_id": pid,
                "object_name": name,
                "upload_id": urls["upload_id"],
                "parts": parts,
                "checksum_sha256": _sha256(digests),
            },
        )

    def _send_part(self, url: str, number: int, body: bytes, required: Mapping[str, str]) -> dict[str, Any]:
        checksum = _sha256(body)
        unsigned = {"x-amz-checksum-sha256": checksum, "x-amz-storage-class": "GLACIER"}
        headers = {"Content-Type": "", **(required if self.honours_required_headers else unsigned)}
        for _ in range(_PUT_ATTEMPTS):
            if self.cancelled.is_set():
                raise UploadFailed("The user cancelled.")
            answer = self.put(url, body, headers)
            if answer.status_code == HTTPStatus.OK and "ETag" in answer.headers:
                etag = answer.headers["ETag"].strip('"')
                return {"part_number": number, "etag": etag, "checksum_sha256": checksum}
        raise UploadFailed(f"S3 answered {answer.status_code}: {answer.text[:500]}")

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        answer = self._answer(path, body)
        if answer.status in _ERRORS:
            told = answer.json
            raise UploadFailed(f"{told['code']}: {told['message']} {told['details']}")
        return answer.json

    def _answer(self, path: str, body: Mapping[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        return self.archiver.post(path, json.dumps(body), headers)


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()
