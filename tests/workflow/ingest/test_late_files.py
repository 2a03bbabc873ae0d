"""Uploads of 46 files at 12 MB/s, with dataset.json in any place of the order: all are archived, or somebody is told.

Time passes only while a workflow waits; meanwhile the upload goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest
import time_machine

from archiver.scicat import catalogue
from functions.start_ingest.app import handler as start_ingest
from tests.support import dropping
from tests.support.account import LambdaContext
from tests.support.catalogue import Scicat
from tests.support.dropping import PREFIX
from tests.workflow.conftest import Execution, Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("no_pauses")

BYTES_PER_SECOND = 12_000_000
# As they stand in the bucket they are small; so large they are on the wire. Two of them are sent in parts.
FILES = {f"Movies/{number:02}.mrc": f"movie {number}".encode() for number in range(46)}
SIZES = {path: 400_000_000 if number in {20, 44} else 7_000_000 for number, path in enumerate(FILES)}
_MULTIPART = 8 * 1024**2

type Order = Literal["first", "middle", "last"]
ORDERS: tuple[Order, ...] = ("first", "middle", "last")


@dataclass(slots=True)
class Sync:
    """What a client uploads, in this order, one after the other; ``stuck`` never ends, and holds nothing else up."""

    s3: "S3Client"
    todo: list[tuple[str, bytes]]
    stuck: str = ""
    seconds: float = 0.0
    _open: dict[str, str] = field(default_factory=dict)

    def go_on(self, seconds: float) -> None:
        """Upload for so long."""
        self.seconds += seconds
        while self.todo:
            path, body = self.todo[0]
            size = SIZES.get(path, len(body))
            if (size > _MULTIPART or path == self.stuck) and path not in self._open:
                upload = self.s3.create_multipart_upload(Bucket="landing", Key=PREFIX + path)
                self._open[path] = upload["UploadId"]
            if path == self.stuck:
                self.todo.pop(0)
                continue
            if size > self.seconds * BYTES_PER_SECOND:
                return
            self.seconds -= size / BYTES_PER_SECOND
            self.todo.pop(0)
            if path in self._open:
                self.s3.abort_multipart_upload(Bucket="landing", Key=PREFIX + path, UploadId=self._open.pop(path))
            self.s3.put_object(Bucket="landing", Key=PREFIX + path, Body=body)
            if path == "dataset.json":
                return

    def unstick(self) -> None:
        """Upload what was stuck."""
        self.s3.abort_multipart_upload(Bucket="landing", Key=PREFIX + self.stuck, UploadId=self._open.pop(self.stuck))
        self.s3.put_object(Bucket="landing", Key=PREFIX + self.stuck, Body=FILES[self.stuck])


def a_sync(s3: "S3Client", order: Order, *, list_in: str = "", stuck: str = "") -> Sync:
    """The upload of the 46 files and their dataset.json; the list is in the document ``list_in``, if there is one."""
    document = dropping.a_document(files=dropping.listed(FILES) if list_in == "dataset.json" else None)
    todo = list(FILES.items())
    todo.insert({"first": 0, "middle": 20, "last": 46}[order], ("dataset.json", dropping.json_of(document)))
    if list_in == "SHA256SUMS":
        todo.insert(30, (list_in, dropping.sha256sums(FILES)))
    return Sync(s3, todo, stuck)


@pytest.fixture
def take_in(aws: "S3Client", workflows: Workflows, scicat: Scicat) -> Callable[[Sync], Execution]:
    """Upload until dataset.json is there, let its event arrive, and go on uploading while the workflow waits."""
    assert scicat

    def run(sync: Sync) -> Execution:
        while any(path == "dataset.json" for path, _ in sync.todo):
            sync.go_on(1)
        workflows.meanwhile = sync.go_on
        started = start_ingest(dropping.an_event(aws), LambdaContext())
        assert started is not None
        return workflows.wait(started["execution_arn"])

    return run


def archive(workflows: Workflows, status: dict[str, Any]) -> list[str]:
    """Do the requested job; returns the paths of what is archived."""
    workflows.run("archive", {"job_id": status["job"], "kind": "archive"}, name=status["job"])
    dataset = catalogue().need_recorded_dataset(status["pid"])
    assert dataset.lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    datablocks = (catalogue().datablock(dataset.pid, record) for record in dataset.datablocks)
    return sorted(file.path for datablock in datablocks for file in datablock.files)


def sweep(workflows: Workflows) -> None:
    """Let a sweep come by, and what it starts end."""
    workflows.run("sweep", {}, name=f"sweep-{len(workflows.executions('sweep'))}")
    for arn in workflows.executions("ingest"):
        workflows.wait(arn)


@pytest.mark.parametrize("list_in", ["", "dataset.json", "SHA256SUMS"])
@pytest.mark.parametrize("order", ORDERS)
def test_all_46_files_are_archived_whatever_order_they_come_in(
    aws: "S3Client", workflows: Workflows, take_in: Callable[[Sync], Execution], order: Order, list_in: str
) -> None:
    end = take_in(a_sync(aws, order, list_in=list_in))

    assert end.status == "SUCCEEDED"
    status = dropping.the_status(aws)
    assert status["message"].startswith("46 files")
    assert archive(workflows, status) == sorted(FILES)
    said = dropping.the_status(aws)
    assert (said["status"], said["message"], said["job"]) == ("archived", "The dataset is archived.", status["job"])


@pytest.mark.parametrize("list_in", ["", "dataset.json"])
def test_an_upload_that_stays_open_is_named_and_the_drop_is_taken_in_when_it_is_complete(
    aws: "S3Client",
    workflows: Workflows,
    take_in: Callable[[Sync], Execution],
    monkeypatch: pytest.MonkeyPatch,
    list_in: str,
) -> None:
    monkeypatch.setattr("archiver.ingest.waiting.LONGEST_SECONDS", 900)
    sync = a_sync(aws, "first", list_in=list_in, stuck="Movies/17.mrc")

    end = take_in(sync)

    assert (end.status, end.error) == ("FAILED", "missing_files" if list_in else "still_arriving")
    status = dropping.the_status(aws)
    assert (status["status"], status["files"]) == ("rejected", ["Movies/17.mrc"])
    assert catalogue().need_dataset(status["pid"]).lifecycle["archiveReturnMessage"]["files"] == ["Movies/17.mrc"]
    sweep(workflows)
    assert dropping.the_status(aws)["status"] == "rejected"

    sync.unstick()
    sweep(workflows)

    assert archive(workflows, dropping.the_status(aws)) == sorted(FILES)


def test_files_that_come_when_the_archive_is_requested_are_not_lost_from_sight(
    aws: "S3Client", workflows: Workflows, scicat: Scicat, take_in: Callable[[Sync], Execution]
) -> None:
    take_in(a_sync(aws, "middle"))
    status = dropping.the_status(aws)
    for path in ("too late/1.mrc", "too late/2.mrc"):
        aws.put_object(Bucket="landing", Key=PREFIX + path, Body=b"late")

    assert archive(workflows, status) == sorted(FILES)

    said = dropping.the_status(aws)
    assert (said["files"], said["count"]) == (["too late/1.mrc", "too late/2.mrc"], 2)
    (warning,) = catalogue().need_dataset(status["pid"]).lifecycle["archiveReturnMessage"]["warnings"]
    assert (warning["code"], warning["files"], warning["count"]) == ("left_behind", said["files"], 2)
    assert scicat.job(status["job"])["statusCode"] == "finishedSuccessful"


@pytest.mark.parametrize("list_in", ["", "dataset.json"])
def test_the_same_upload_repeated_after_the_archive_is_named(
    aws: "S3Client", workflows: Workflows, take_in: Callable[[Sync], Execution], list_in: str
) -> None:
    take_in(a_sync(aws, "last", list_in=list_in))
    archive(workflows, dropping.the_status(aws))

    # The client finds dataset.json there already, and sends the others.
    repeated = a_sync(aws, "last", list_in=list_in)
    repeated.todo = [(path, body) for path, body in repeated.todo if path != "dataset.json"]
    repeated.go_on(3600)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1), tick=True):
        sweep(workflows)

    status = dropping.the_status(aws)
    assert (status["status"], status["count"], len(status["files"])) == ("archived", 46, 46)
    assert len(dropping.landing_keys(aws)) == 46 + 2
