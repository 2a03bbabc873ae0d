"""The workflow ``retrieve`` over a tape library: HTTP, drives, queue, and both mocks' own records of what was when."""

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from archiver.keys import Keys
from archiver.models.states import JobKind
from mocks.lts.service import Options
from mocks.lts.tape import Hardware
from mocks.lts.testing import run_mock_lts
from tests.contract.lts.conftest import client_of
from tests.support.account import LambdaContext
from tests.support.archive import ANY_PID, an_archived_dataset, archive_id
from tests.support.catalogue import ANY_TIME, Scicat
from tests.support.loopback import LOOPBACK
from tests.workflow.conftest import Execution, Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# The storage behind the tape is moto's, and another service than the account.
pytestmark = pytest.mark.usefixtures("wire")
# Slow enough that a recall is never over when it is asked for, with one drive: one datablock after the other.
ONE_DRIVE = Hardware(migration_delay=60.0, drives=1, recall_delay=0.3)
FIVE_BLOCKS = tuple({f"{n}/movie.mrc": bytes([n]) * 3_000, f"{n}/notes.txt": b"any notes"} for n in range(5))


@dataclass
class Library:
    """The LTS mock, and the tars that lie on its tape."""

    url: str
    s3: "S3Client"
    tars: dict[str, bytes]

    def tell(self, route: str, body: Any) -> None:
        LOOPBACK.post(f"{self.url}/{route}", json=body).raise_for_status()

    def events(self, what: str) -> dict[str, float]:
        """When this happened to each object the first time."""
        events = LOOPBACK.get(f"{self.url}/__state").json()["events"]
        return {event["key"]: event["at"] for event in reversed(events) if event["what"] == what}

    def count(self, what: str) -> dict[str, int]:
        """How often this happened to each object."""
        events = LOOPBACK.get(f"{self.url}/__state").json()["events"]
        return Counter(event["key"] for event in events if event["what"] == what)


@pytest.fixture
def library(aws: "S3Client", scicat: Scicat, environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Library]:
    """A tape library with one dataset of five datablocks; the service under test uses it."""
    assert aws
    boto3.client("secretsmanager").create_secret(
        Name="lts", SecretString='{"access_key_id": "any", "secret_access_key": "any"}'
    )
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    options = Options(f"http://{host}:{port}", tmp_path / "lts", "lts", hardware=ONE_DRIVE)
    with run_mock_lts(options) as url:
        environment.setenv("LTS_ENDPOINT_URL", url)
        environment.setenv("LTS_SECRET", "lts")
        environment.setenv("FORMER_ARCHIVE_PREFIXES", "2019,archive/p12345/,20.500.11935-")
        s3 = client_of(url)
        library = Library(url, s3, an_archived_dataset(s3, scicat, blocks=FIVE_BLOCKS))
        library.tell("__clock", {"advance_s": 60})
        yield library
        s3.close()
    store.stop()


def retrieve(workflows: Workflows, scicat: Scicat, pid: str = ANY_PID) -> tuple[str, Execution]:
    job_id = scicat.add_job("retrieve", pid)
    return job_id, workflows.run("retrieve", {"job_id": job_id, "kind": JobKind.RETRIEVE}, name=job_id)


def retrieved(s3: "S3Client") -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket="retrieval").get("Contents", [])
    tars = (one["Key"] for one in found if one["Key"].endswith(".tar"))
    return {key: s3.get_object(Bucket="retrieval", Key=key)["Body"].read() for key in tars}


def test_scicat_hears_of_a_retrieval_only_after_the_drive_delivered_and_the_bytes_were_proven(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", library: Library
) -> None:
    proven_before: dict[str, bytes] = {}
    complete = workflows.handler("CompleteRetrieval")

    def look_and_complete(event: Any, context: LambdaContext) -> Any:
        proven_before.update(retrieved(aws))
        return complete(event, context)

    workflows.replace("CompleteRetrieval", look_and_complete)

    _, end = retrieve(workflows, scicat)

    assert end.status == "SUCCEEDED"
    # What lies in the retrieval bucket is proven: its upload is completed by the proof alone.
    assert proven_before == library.tars
    told_at = scicat.updated_at(ANY_PID)
    moves = ("recall asked for, accepted", "recalling", "online", "read")
    asked, recalling, online, read = (library.events(what) for what in moves)
    for key in library.tars:
        # On a busy machine the drive is looked at so late that it has fetched and delivered meanwhile.
        assert asked[key] <= recalling[key] <= online[key] < read[key] < told_at
    lifecycle = scicat.lifecycle(ANY_PID)
    assert (lifecycle["retrieveStatusMessage"], lifecycle["retrieveIntegrityCheck"]) == ("datasetRetrieved", True)


def test_g06_of_five_datablocks_one_is_damaged_it_is_named_and_the_job_offers_the_other_four(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", library: Library
) -> None:
    damaged = archive_id(3)
    library.tell("__flip", {"key": damaged, "offset": 700})

    job_id, end = retrieve(workflows, scicat)

    told = assert_all_others_are_offered(scicat, aws, library, job_id, damaged)
    assert (told["code"], told["files"], told["count"]) == ("corrupt_datablock", ["3/movie.mrc"], 1)
    assert told["message"].startswith(f"1 of 5 datablocks refused, 4 can be downloaded. {damaged} could not be proven.")
    assert (end.status, end.error) == ("FAILED", scicat.job(job_id)["statusCode"])


def assert_all_others_are_offered(
    scicat: Scicat, aws: "S3Client", library: Library, job_id: str, refused: str
) -> dict[str, Any]:
    """Of the dataset's datablocks one is refused, by name, and all others can be downloaded.

    Returns what SciCat was told of the dataset.
    """
    others = {key: tar for key, tar in library.tars.items() if key != refused}
    assert retrieved(aws) == others
    job = scicat.job(job_id)
    assert refused in job["statusMessage"]
    assert [one["archiveId"] for one in job["jobResultObject"]["result"]] == list(others)
    lifecycle = scicat.lifecycle(ANY_PID)
    assert lifecycle["retrieveStatusMessage"] == "scheduleRetrieveJobFailed"
    assert lifecycle["retrieveIntegrityCheck"] is False
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, True)
    told: dict[str, Any] = lifecycle["retrieveReturnMessage"]
    return told


@pytest.mark.parametrize(
    ("route", "damage"),
    [("__truncate", {"size": 1024}), ("__truncate", {"size": 0}), ("__lose", {})],
    ids=["truncated", "emptied", "lost"],
)
def test_g07_truncated_or_lost_datablock_is_named_with_its_files_and_the_others_are_offered(
    workflows: Workflows, scicat: Scicat, library: Library, route: str, damage: dict[str, int]
) -> None:
    library.tell(route, {"key": archive_id(2)} | damage)

    job_id, _ = retrieve(workflows, scicat)

    told = scicat.lifecycle(ANY_PID)["retrieveReturnMessage"]
    assert archive_id(2) in told["message"]
    assert (told["code"], told["files"]) == ("corrupt_datablock", ["2/movie.mrc", "2/notes.txt"])
    assert len(scicat.job(job_id)["jobResultObject"]["result"]) == 4


def test_g13_recall_that_fails_once_is_asked_for_again_and_nobody_hears_of_it(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", library: Library
) -> None:
    library.tell("__fail", {"key": archive_id(2), "fails": 1})

    _, end = retrieve(workflows, scicat)

    assert end.status == "SUCCEEDED"
    assert retrieved(aws) == library.tars
    assert library.count("recall failed") == {archive_id(2): 1}


def test_g13_recall_that_fails_twice_is_given_up_it_is_named_and_the_job_offers_the_others(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", library: Library
) -> None:
    unreadable = archive_id(2)
    library.tell("__fail", {"key": unreadable, "fails": 1000})

    job_id, end = retrieve(workflows, scicat)

    assert library.count("recall failed") == {unreadable: 2}
    told = assert_all_others_are_offered(scicat, aws, library, job_id, unreadable)
    assert (told["code"], told["files"]) == ("recall_failed", ["2/movie.mrc", "2/notes.txt"])
    assert told["message"].startswith(f"1 of 5 datablocks refused, 4 can be downloaded. {unreadable} could not be")
    assert (end.status, end.error) == ("FAILED", scicat.job(job_id)["statusCode"])


def test_g23_two_datablocks_that_were_swapped_are_both_named(
    workflows: Workflows, scicat: Scicat, library: Library
) -> None:
    first, second = archive_id(0), archive_id(1)
    for key, other in ((first, second), (second, first)):
        LOOPBACK.get(f"{library.url}/delete/{key}").raise_for_status()
        library.s3.put_object(Bucket="lts", Key=key, Body=library.tars[other])
    library.tell("__clock", {"advance_s": 60})

    job_id, _ = retrieve(workflows, scicat)

    told = scicat.lifecycle(ANY_PID)["retrieveReturnMessage"]
    assert first in told["message"]
    assert second in told["message"]
    assert told["files"] == ["0/movie.mrc", "0/notes.txt", "1/movie.mrc", "1/notes.txt"]
    assert len(scicat.job(job_id)["jobResultObject"]["result"]) == 3


@pytest.mark.parametrize(
    "archive_id", ["2019-raw_0001.tar", "archive/p12345/2019/ü b+c.tar", "20.500.11935-5d73_0.tar"]
)
def test_datablock_that_another_archiver_wrote_is_recalled_and_proven_by_the_md5_of_its_files(
    workflows: Workflows,
    scicat: Scicat,
    aws: "S3Client",
    library: Library,
    archive_id: str,
) -> None:
    files = {"deep/a.mrc": b"first" * 500, "b.txt": b"second"}
    tar = a_foreign_tar(files)
    library.s3.put_object(Bucket="lts", Key=archive_id, Body=tar)
    library.tell("__clock", {"advance_s": 60})
    scicat.add_archived_dataset("any/foreign", [a_foreign_record(archive_id, tar, files)])

    job_id, end = retrieve(workflows, scicat, "any/foreign")

    assert end.status == "SUCCEEDED"
    assert retrieved(aws) == {Keys.copy("any/foreign", archive_id): tar}
    assert scicat.lifecycle("any/foreign")["retrieveIntegrityCheck"] is True
    assert [one["archiveId"] for one in scicat.job(job_id)["jobResultObject"]["result"]] == [archive_id]


def test_g25_file_that_differs_in_what_another_archiver_wrote_is_named(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", library: Library
) -> None:
    files = {"deep/a.mrc": b"first" * 500, "b.txt": b"second"}
    tar = a_foreign_tar(files | {"b.txt": b"sec0nd"})
    library.s3.put_object(Bucket="lts", Key="2019.tar", Body=tar)
    library.tell("__clock", {"advance_s": 60})
    scicat.add_archived_dataset("any/foreign", [a_foreign_record("2019.tar", tar, files)])

    retrieve(workflows, scicat, "any/foreign")

    told = scicat.lifecycle("any/foreign")["retrieveReturnMessage"]
    assert (told["code"], told["files"]) == ("corrupt_datablock", ["b.txt"])
    assert retrieved(aws) == {}


def a_foreign_tar(files: dict[str, bytes]) -> bytes:
    """A ustar with a folder and a leading ``./``, without a manifest."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folder = tarfile.TarInfo("./deep")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for path, body in files.items():
            member = tarfile.TarInfo(f"./{path}")
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return made.getvalue()


def a_foreign_record(archive_id: str, tar: bytes, files: dict[str, bytes]) -> dict[str, Any]:
    entries = [
        {"path": path, "size": len(body), "time": ANY_TIME, "chk": hashlib.md5(body).hexdigest()}
        for path, body in files.items()
    ]
    size = sum(map(len, files.values()))
    record = {"archiveId": archive_id, "size": size, "packedSize": len(tar), "chkAlg": "md5", "version": "0.1.0"}
    return record | {"dataFileList": entries}
