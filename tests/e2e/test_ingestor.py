"""The Ingestor uploads datasets through API Gateway, and they end archived."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from local.client import Visitor, wait_for
from tests.e2e.conftest import RunningStack
from tests.support import relion
from tests.support.ingestor import MIB, File, Ingestor, UploadFailed

FILES = [
    File("1-byte.txt", 1),
    File("empty.txt", 0),
    File("grids/exactly one chunk.mrc", 128 * MIB),
    File("grids/größer.mrc", 300 * MIB),
    *(File(f"grids/small {number}.tiff", 10_000 * number) for number in range(1, 9)),
]
OTHERS = [
    {"path": "grids", "size": 4096, "time": "2026-11-23T08:00:00Z", "perm": "drwxr-xr-x"},
    {"path": "latest.mrc", "size": 12, "time": "2026-11-23T08:00:00Z", "perm": "Lrwxrwxrwx"},
]


@dataclass(frozen=True, slots=True)
class Reply:
    """What API Gateway sends."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return httpx.Response(self.status, text=self.text).json()


@dataclass(frozen=True, slots=True)
class Gateway:
    """The archiver's API behind API Gateway."""

    url: str

    def post(self, path: str, body: str, headers: Mapping[str, str]) -> Reply:
        answer = httpx.post(self.url + path, content=body.encode(), headers=dict(headers), timeout=30, trust_env=False)
        return Reply(answer.status_code, answer.text)


def an_ingestor(stack: RunningStack, *, honours_required_headers: bool) -> Ingestor:
    """The Ingestor of user1."""
    user = stack.accounts["user1"]
    return Ingestor(
        Gateway(stack.endpoints.api),
        stack.endpoints.scicat,
        user.username,
        user.password,
        honours_required_headers=honours_required_headers,
    )


@pytest.fixture
def visitor(stack: RunningStack) -> Iterator[Visitor]:
    """Someone of group1."""
    with closing(a_visitor(stack)) as visitor:
        yield visitor


def a_visitor(stack: RunningStack) -> Visitor:
    return Visitor(stack.endpoints, stack.accounts["user1"], stack.job_api, stack.configuration.lts_login)


def lifecycle_at_the_end(visitor: Visitor, pid: str) -> dict[str, Any]:
    """The dataset's lifecycle when its archiving has ended."""

    def look() -> dict[str, Any] | None:
        lifecycle: dict[str, Any] = visitor.dataset(pid)["datasetlifecycle"]
        return None if lifecycle["archiveStatusMessage"] in {"datasetCreated", "started"} else lifecycle

    return wait_for("the end of the archiving", 240, look)


def test_b37_a_dataset_uploaded_with_the_required_headers_is_archived_where_s3_is_strict(
    stack: RunningStack, visitor: Visitor
) -> None:
    ingestor = an_ingestor(stack, honours_required_headers=True)

    pid, answer = ingestor.upload(FILES, others=OTHERS)

    assert answer["dataset_id"] == pid
    assert lifecycle_at_the_end(visitor, pid)["archiveStatusMessage"] == "datasetOnArchiveDisk"
    prefix = f"openem-network/datasets/{pid}/"
    assert wait_for("the end of the cleaning up", 60, lambda: visitor.landing(prefix) == [] or None)
    (datablock,) = visitor.dataset(pid)["datablocks"]
    checksums = {file["path"]: file["chk"] for file in datablock["dataFileList"] if file.get("chk")}
    assert checksums == {file.path: file.sha256(ingestor.chunk) for file in FILES}
    assert ingestor.finalize(pid) == answer


def test_b37_todays_client_is_refused_clearly_where_s3_is_strict(stack: RunningStack) -> None:
    ingestor = an_ingestor(stack, honours_required_headers=False)

    with pytest.raises(UploadFailed, match="S3 answered 403"):
        ingestor.upload(FILES[:1])


def test_b37_a_relion_project_of_todays_client_is_archived_where_s3_takes_unsigned_headers(
    tolerant_stack: RunningStack, tmp_path: Path
) -> None:
    ingestor = an_ingestor(tolerant_stack, honours_required_headers=False)
    sizes = {path: len(body) for path, body in relion.make_project(tmp_path).items()} | {"Movies/large.mrc": 300 * MIB}
    with (tmp_path / "Movies/large.mrc").open("wb") as large:
        large.truncate(300 * MIB)

    pid, _ = ingestor.upload_folder(tmp_path)

    with closing(a_visitor(tolerant_stack)) as visitor:
        lifecycle = lifecycle_at_the_end(visitor, pid)
        (datablock,) = visitor.dataset(pid)["datablocks"]
    assert lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert lifecycle["archiveReturnMessage"]["message"] == "9 files in 1 datablock"
    assert [warning["code"] for warning in lifecycle["archiveReturnMessage"]["warnings"]] == ["links_not_sent"]
    assert {file["path"]: file["size"] for file in datablock["dataFileList"] if file.get("chk")} == sizes


def test_a_dataset_whose_file_fails_is_given_up_and_leaves_nothing(stack: RunningStack, visitor: Visitor) -> None:
    ingestor = an_ingestor(stack, honours_required_headers=True)
    large, before = File("large.mrc", 129 * MIB), visitor.landing("openem-network/")

    def put(url: str, body: bytes, headers: Mapping[str, str]) -> requests.Response:
        """The second part arrives with other bytes each time."""
        sent = body if len(body) != MIB else bytes(MIB)
        return requests.put(url, data=sent, headers=dict(headers), timeout=300)

    ingestor.put = put
    with pytest.raises(UploadFailed, match="S3 answered 400"):
        ingestor.upload([large, *FILES[:2]])

    assert visitor.landing("openem-network/") == before
    uploads = stack.clients.s3.list_multipart_uploads(Bucket=stack.buckets["landing"])
    assert not uploads.get("Uploads")
