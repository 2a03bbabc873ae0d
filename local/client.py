"""The running stack as its users see it: buckets to drop into, SciCat to ask, links to download from."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import ClientError

from local.configuration import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Login, StageFailed
from local.endpoints import Endpoints

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_ASK_SECONDS = 60.0
_LOOK_SECONDS = 1.0
_CHUNK = 1024**2


class Visitor:
    """Somebody with an account in SciCat and the right to write into the landing bucket."""

    def __init__(self, endpoints: Endpoints, user: Login, job_api: Login, lts: Login) -> None:
        self.endpoints = endpoints
        self.user = user
        self._job_api = job_api
        self._s3 = _s3(endpoints.aws, Login(ACCESS_KEY_ID, SECRET_ACCESS_KEY))
        self._lts = _s3(endpoints.lts, lts)
        self._http = httpx.Client(timeout=_ASK_SECONDS, trust_env=False)
        self._token = ""

    def close(self) -> None:
        """Close the connections."""
        for client in (self._http, self._s3, self._lts):
            client.close()

    # Buckets

    def upload(self, key: str, file: Path, sent: Callable[[int], None]) -> None:
        """Put a file into the landing bucket; ``sent`` hears of so many bytes more."""
        self._s3.upload_file(str(file), self._landing, key, Callback=sent)

    def write(self, key: str, body: bytes) -> None:
        """Put a document into the landing bucket."""
        self._s3.put_object(Bucket=self._landing, Key=key, Body=body)

    def read(self, key: str) -> bytes | None:
        """A document of the landing bucket, or None when it is not there (yet)."""
        try:
            return self._s3.get_object(Bucket=self._landing, Key=key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return None

    def drop_status(self, prefix: str) -> dict[str, Any] | None:
        """What the service says of a dropped folder (``dataset.status.json``); None while it waits for more files."""
        body = self.read(f"{prefix}dataset.status.json")
        told: dict[str, Any] | None = json.loads(body) if body else None
        return None if told is None or told["status"] == "waiting" else told

    def landing(self, prefix: str) -> list[str]:
        """The keys that lie under ``prefix`` in the landing bucket."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._landing, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def storage_class(self, archive_id: str) -> str:
        """In which class the long-term storage keeps a tar."""
        head = self._lts.head_object(Bucket=self.endpoints.buckets["lts"], Key=archive_id)
        return str(head.get("StorageClass", "STANDARD"))

    def is_readable(self, archive_id: str) -> bool:
        """Whether the long-term storage gives a tar out without a recall."""
        try:
            self._lts.get_object(Bucket=self.endpoints.buckets["lts"], Key=archive_id, Range="bytes=0-0")
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidObjectState":
                return False
            raise
        return True

    @property
    def _landing(self) -> str:
        return self.endpoints.buckets["landing"]

    # SciCat

    def dataset(self, pid: str) -> dict[str, Any]:
        """A dataset, with its datablocks."""
        filter_ = quote('{"include":[{"relation":"datablocks"}]}', safe="")
        found: dict[str, Any] = self._scicat("GET", f"/api/v3/datasets/{quote(pid, safe='')}?filter={filter_}")
        return found

    def create_dataset(self, dataset: Mapping[str, Any]) -> str:
        """Describe a dataset to SciCat; returns its PID."""
        return str(self._scicat("POST", "/api/v3/datasets", dataset)["pid"])

    def list_files(self, pid: str, files: Sequence[Mapping[str, Any]]) -> None:
        """List some files of a dataset in SciCat."""
        block = {"size": sum(file["size"] for file in files), "dataFileList": list(files)}
        self._scicat("POST", f"/api/v3/datasets/{quote(pid, safe='')}/origdatablocks", block)

    def job(self, job_id: str) -> dict[str, Any]:
        """A job, as api v4 shows it."""
        found: dict[str, Any] = self._scicat("GET", f"/api/v4/jobs/{job_id}")
        return found

    def finished_job(self, job_id: str) -> dict[str, Any] | None:
        """A job that has ended, well or not; None until then."""
        job = self.job(job_id)
        return job if job["statusCode"].startswith("finished") else None

    def ask_for(self, kind: str, pid: str) -> str:
        """Create a job as SciCat's frontend does; returns its id."""
        dataset = self.dataset(pid)
        body = {
            "type": kind,
            "datasetList": [{"pid": pid, "files": []}],
            "emailJobInitiator": dataset["contactEmail"],
            "jobParams": {"username": self.user.username, "destinationPath": "/archive/retrieve"},
        }
        return str(self._scicat("POST", "/api/v3/jobs", body)["id"])

    def progress(self, job_id: str) -> dict[str, Any] | None:
        """How far the archiver's API says that the job's only dataset is; None before it has begun."""
        login = (self._job_api.username, self._job_api.password)
        answer = self._http.get(f"{self.endpoints.api}/archiver/jobs/{job_id}", auth=login)
        datasets: list[dict[str, Any]] = answer.json()["datasets"] if answer.is_success else []
        return datasets[0] if datasets else None

    def log_in(self) -> str:
        """A new token of SciCat."""
        login = {"username": self.user.username, "password": self.user.password}
        answer = self._http.post(self.endpoints.scicat + "/api/v3/auth/login", json=login)
        if not answer.is_success:
            raise StageFailed(f"SciCat answered {answer.status_code} to the login: {answer.text[:200]}")
        return str(answer.json()["access_token"])

    def _scicat(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        answer = self._send(method, path, body)
        if answer.status_code == 401:
            self._token = self.log_in()
            answer = self._send(method, path, body)
        if not answer.is_success:
            raise StageFailed(f"SciCat answered {answer.status_code} to {method} {path}: {answer.text[:200]}")
        return answer.json()

    def _send(self, method: str, path: str, body: object) -> httpx.Response:
        if not self._token:
            return httpx.Response(401)
        headers = {"Authorization": f"Bearer {self._token}"}
        return self._http.request(method, self.endpoints.scicat + path, json=body, headers=headers)

    # Downloads

    def download(self, url: str, file: Path, received: Callable[[int], None]) -> None:
        """Follow a stable link of the archiver (302) and save what it leads to."""
        answer = self._http.get(url)
        if answer.status_code != 302:
            raise StageFailed(f"The link of the retrieve job answered {answer.status_code} in place of 302")
        with self._http.stream("GET", answer.headers["location"]) as body, file.open("wb") as output:
            body.raise_for_status()
            for chunk in body.iter_bytes(_CHUNK):
                output.write(chunk)
                received(len(chunk))


def wait_for[T](what: str, seconds: float, look: Callable[[], T | None]) -> T:
    """What ``look`` finds, asked once a second. Raises StageFailed when it is not there in time."""
    until = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > until:
            raise StageFailed(f"{what} did not come within {seconds:.0f} seconds")
        time.sleep(_LOOK_SECONDS)
    return found


def _s3(url: str, login: Login) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=login.username,
        aws_secret_access_key=login.password,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )
