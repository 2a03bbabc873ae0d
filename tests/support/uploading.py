"""Callers of the upload routes, in a test's own process."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from archiver.http.auth import tokens
from archiver.http.auth.callers import Caller
from tests.support.archiver_api import Answer, Api, bearer, event
from tests.support.catalogue import Scicat

PID = "20.500.11935/any"
PREFIX = f"openem-network/datasets/{PID}/raw_files/"


@dataclass(frozen=True, slots=True)
class User:
    """A user of the API: by SciCat's token of the account, or by one of ours that names the ``groups``."""

    api: Api
    scicat: Scicat
    account: str
    groups: frozenset[str] = frozenset()

    @property
    def _token(self) -> str:
        if self.groups:
            return tokens.issue(Caller(self.account, self.groups)).access_token
        return self.scicat.token(self.account)

    def post(self, path: str, **body: Any) -> Answer:
        """POST of a JSON object."""
        headers = {"Content-Type": "application/json"} | bearer(self._token)
        return self.api.answer(event("POST", path, json.dumps(body), headers))

    def get(self, path: str, **query: str) -> Answer:
        """GET with a query."""
        request = event("GET", path, headers=bearer(self._token))
        many = {name: [value] for name, value in query.items()}
        return self.api.answer(request | {"queryStringParameters": query, "multiValueQueryStringParameters": many})

    def lists(self, sizes: Mapping[str, int | None], pid: str = PID) -> None:
        """List files of a dataset in SciCat, by path and size; without a size a link, whose target may have any."""
        link = {"perm": "Lrwxrwxrwx", "size": 5}
        files = [
            {"path": path} | (link if size is None else {"perm": "-rw-r--r--", "size": size})
            for path, size in sizes.items()
        ]
        self.scicat.add_files(pid, *files)

    def presign(self, path: str = "any.mrc", parts: int = 1, **more: Any) -> Answer:
        """Ask for the URLs of a file of the dataset."""
        return self.post("/s3/presignedUrls", dataset_id=PID, object_name=PREFIX + path, parts=parts, **more)

    def parts(self, upload_id: str, path: str = "any.mrc", **query: str) -> Answer:
        """Ask which parts of a file are stored."""
        return self.get(f"/s3/uploads/{upload_id}/parts", dataset_id=PID, object_name=PREFIX + path, **query)

    def complete(self, upload_id: str, path: str = "any.mrc", **more: Any) -> Answer:
        """Say that all parts of a file are sent."""
        return self.post("/s3/completeUpload", dataset_id=PID, object_name=PREFIX + path, upload_id=upload_id, **more)

    def abort(self, upload_id: str, path: str = "any.mrc", dataset_id: str = "") -> Answer:
        """Say that a file will not be completed."""
        body = {"dataset_id": dataset_id, "object_name": PREFIX + path, "upload_id": upload_id}
        return self.post("/s3/abortMultipartUpload", **body)

    def finalize(self, **more: Any) -> Answer:
        """Say that every file of the dataset is uploaded."""
        return self.post("/s3/finalizeDatasetUpload", dataset_id=PID, **({"create_archiving_job": False} | more))

    def ask_for_space(self, gib: int = 0, pid: str = PID) -> Answer:
        """Ask whether there is space for a dataset."""
        return self.post("/s3/requestDatasetUpload", dataset_id=pid, dataset_size_gib=gib)

    def give_up(self) -> Answer:
        """Say that the dataset will not be uploaded."""
        return self.post("/s3/abortDatasetUpload", dataset_id=PID)


def decoded(urls: list[str]) -> list[str]:
    """URLs as a client uses them."""
    return [base64.b64decode(url).decode() for url in urls]


def send(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> str:
    """PUT some bytes to a presigned URL; returns the ETag."""
    answer = requests.put(url, data=body, headers={"Content-Type": "", **(headers or {})}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"].strip('"')
