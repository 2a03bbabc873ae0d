"""The Ingestor's conversation, in a process without S3 and SciCat of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import pytest
import requests

from archiver.scicat import catalogue
from archiver.settings import GIB
from archiver.uploads import quota
from tests.support import relion
from tests.support.archiver_api import Answer, Api, event
from tests.support.catalogue import PASSWORD, Scicat
from tests.support.ingestor import MIB, File, Ingestor, UploadFailed

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Files are sent to presigned addresses.
pytestmark = pytest.mark.usefixtures("wire")
CHUNK = 5 * MIB
FILES = [
    File("1-byte.txt", 1),
    File("empty.txt", 0),
    File("grids/one chunk.mrc", CHUNK),
    File("grids/größer als ein Stück.mrc", 2 * CHUNK + 1),
]
OTHERS = [
    {"path": "grids", "size": 4096, "time": "2026-11-23T08:00:00Z", "perm": "drwxr-xr-x"},
    {"path": "latest.mrc", "size": 12, "time": "2026-11-23T08:00:00Z", "perm": "Lrwxrwxrwx"},
]


@dataclass(frozen=True, slots=True)
class InProcess:
    """The archiver's API in this process, which answers one request at a time, as a process of Lambda does."""

    api: Api
    _busy: Lock = field(default_factory=Lock)

    def post(self, path: str, body: str, headers: Mapping[str, str]) -> Answer:
        with self._busy:
            return self.api.answer(event("POST", path, body, headers))


@pytest.fixture
def ingestor(api: Api, scicat: Scicat) -> Ingestor:
    """The Ingestor of user1, with small chunks."""
    return Ingestor(InProcess(api), scicat.url, "user1", PASSWORD, honours_required_headers=True, chunk=CHUNK)


@pytest.mark.parametrize("honours", [True, False])
def test_a_dataset_is_uploaded(ingestor: Ingestor, aws: "S3Client", scicat: Scicat, honours: bool) -> None:
    ingestor.honours_required_headers = honours

    pid, answer = ingestor.upload(FILES, others=OTHERS, archive=False)

    assert answer["dataset_id"] == pid
    assert uploaded(aws, pid) == {file.path: file.size for file in FILES}
    lifecycle = scicat.lifecycle(pid)
    assert (lifecycle["archiveStatusMessage"], lifecycle["archivable"]) == ("datasetCreated", True)


def test_a_relion_project_with_links_is_uploaded_and_taken_as_it_is(
    ingestor: Ingestor, aws: "S3Client", scicat: Scicat, tmp_path: Path
) -> None:
    files = relion.make_project(tmp_path / "project")

    pid, _ = ingestor.upload_folder(tmp_path / "project", archive=False)

    assert uploaded(aws, pid) == {path: len(body) for path, body in files.items()}
    assert scicat.lifecycle(pid)["archiveStatusMessage"] == "datasetCreated"
    listed = catalogue().files_of(pid, list)
    perms = {file.path: file.perm for file in listed}
    assert perms["Class2D/job012"] == "dgrwxrwx---"
    assert perms["Movies"] == "dtrwxrwxrwx"
    assert perms["Raw"] == "Lrwxrwxrwx"
    assert perms.keys() == files.keys() | relion.UNSENT_LINKS.keys() | set(relion.FOLDERS)
    assert catalogue().need_dataset(pid).totals.size == sum(file.size for file in listed)


def test_todays_client_asks_for_a_storage_class_that_nobody_signed(ingestor: Ingestor, aws: "S3Client") -> None:
    ingestor.honours_required_headers = False

    pid, _ = ingestor.upload(FILES, archive=False)

    key = f"openem-network/datasets/{pid}/raw_files/1-byte.txt"
    assert aws.head_object(Bucket="landing", Key=key)["StorageClass"] == "GLACIER"


def test_a_part_is_sent_again_until_it_arrives(ingestor: Ingestor, aws: "S3Client") -> None:
    sent: list[str] = []
    put = ingestor.put

    def failing(url: str, body: bytes, headers: Mapping[str, str]) -> requests.Response:
        sent.append(url)
        return unavailable() if len(sent) < 9 else put(url, body, headers)

    ingestor.put = failing
    pid, _ = ingestor.upload(FILES[-1:], archive=False)

    assert uploaded(aws, pid) == {FILES[-1].path: FILES[-1].size}


def unavailable() -> requests.Response:
    answer = requests.Response()
    answer.status_code = 503
    return answer


def test_a_file_that_fails_gives_the_dataset_up_and_leaves_nothing(ingestor: Ingestor, aws: "S3Client") -> None:
    put = ingestor.put

    def failing(url: str, body: bytes, headers: Mapping[str, str]) -> requests.Response:
        return unavailable() if "partNumber=2" in url else put(url, body, headers)

    ingestor.put = failing
    with pytest.raises(UploadFailed, match="S3 answered 503"):
        ingestor.upload(FILES)

    assert not aws.list_objects_v2(Bucket="landing").get("Contents")
    assert not aws.list_multipart_uploads(Bucket="landing").get("Uploads")


def test_a_user_who_cancels_leaves_nothing(ingestor: Ingestor, aws: "S3Client") -> None:
    put = ingestor.put

    def cancelling(url: str, body: bytes, headers: Mapping[str, str]) -> requests.Response:
        ingestor.cancelled.set()
        return put(url, body, headers)

    ingestor.put = cancelling
    with pytest.raises(UploadFailed, match="The user cancelled"):
        ingestor.upload(FILES)

    assert not aws.list_objects_v2(Bucket="landing").get("Contents")
    assert not aws.list_multipart_uploads(Bucket="landing").get("Uploads")


def test_b40_a_client_without_space_asks_until_there_is_some(
    ingestor: Ingestor, aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LANDING_BUDGET_GIB", "1")
    quota.grant("any/other", GIB, GIB)
    waited: list[int] = []

    def wait() -> None:
        waited.append(1)
        if len(waited) == 3:
            quota.release("any/other")

    ingestor.wait = wait
    pid, _ = ingestor.upload(FILES, archive=False)

    assert len(waited) == 3
    assert uploaded(aws, pid) == {file.path: file.size for file in FILES}


def uploaded(aws: "S3Client", pid: str) -> dict[str, int]:
    """What lies in the landing bucket: paths and sizes."""
    prefix = f"openem-network/datasets/{pid}/raw_files/"
    found = aws.list_objects_v2(Bucket="landing", Prefix=prefix).get("Contents", [])
    return {one["Key"].removeprefix(prefix): one["Size"] for one in found}
