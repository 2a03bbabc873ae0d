"""A retrieve job that names files is given just these, out of the datablocks that hold them."""

import io
import random
import tarfile
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from archiver.aws import clients, metering
from archiver.models.catalogue import CatalogueFile
from archiver.models.states import JobKind
from archiver.scicat import catalogue
from tests.support.archive import (
    ANY_FILES,
    ANY_PID,
    FORMER_PREFIX,
    an_archived_dataset,
    archive_id,
    flipped,
    let_recalls_take,
    put_on_tape,
)
from tests.support.catalogue import ANY_TIME, Scicat
from tests.workflow.conftest import TIMED_OUT, Execution, Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MIB = 1024**2


@pytest.fixture(autouse=True)
def slow_tape(aws: "S3Client", environment: pytest.MonkeyPatch) -> None:
    assert aws
    environment.setenv("FORMER_ARCHIVE_PREFIXES", FORMER_PREFIX)
    let_recalls_take(looks=2)


@pytest.fixture
def recalled(aws: "S3Client") -> Counter[str]:
    """How often each datablock was asked for."""
    assert aws
    asked: Counter[str] = Counter()

    def note(params: dict[str, Any], **_: Any) -> None:
        asked[params["Key"]] += 1

    clients.s3().meta.events.register("provide-client-params.s3.RestoreObject", note)
    return asked


def retrieve(workflows: Workflows, scicat: Scicat, *files: str) -> tuple[str, Execution]:
    """Run a retrieve job for these files of the dataset; returns its id and its end.

    SciCat takes only names that stand in the list of the dataset's files.
    """
    catalogue().add_origdatablock(ANY_PID, [CatalogueFile(path=path, size=1, time=ANY_TIME) for path in files], None)
    job_id = scicat.add_job("retrieve", ANY_PID, files=files)
    return job_id, workflows.run("retrieve", {"job_id": job_id, "kind": JobKind.RETRIEVE}, name=job_id)


def handed_over(s3: "S3Client", scicat: Scicat, job_id: str) -> dict[str, bytes]:
    """The files in the one tar that the job has a link to."""
    (download,) = scicat.job(job_id)["jobResultObject"]["result"]
    tar = s3.get_object(Bucket="retrieval", Key=download["archiveId"])["Body"].read()
    assert len(tar) == download["size"]
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        files = {member.name: opened.extractfile(member) for member in opened}
        bodies = {path: body.read() for path, body in files.items() if body}
    assert download["unpackedSize"] == sum(
        len(body) for path, body in bodies.items() if not path.startswith(".datablock/")
    )
    return bodies


def without_manifest(files: dict[str, bytes]) -> tuple[dict[str, bytes], bytes]:
    """The selected files, and the list of their checksums in the tar's own folder."""
    (own,) = (path for path in files if path.startswith(".datablock/selection-"))
    assert own.endswith("/manifest-sha256.txt")
    return {path: body for path, body in files.items() if path != own}, files[own]


@pytest.mark.parametrize("version", ["2", "1", "1.0"])
def test_h04_three_files_of_three_thousand_cost_one_recall_and_few_bytes(
    workflows: Workflows,
    scicat: Scicat,
    aws: "S3Client",
    recalled: Counter[str],
    version: str,
) -> None:
    body = random.Random(1).randbytes
    blocks = tuple({f"movies/{block}/{n:03d} 'ü'.mrc": body(10_000) for n in range(300)} for block in range(10))
    tars = an_archived_dataset(aws, scicat, blocks=blocks, version=version)
    wanted = {path: blocks[6][path] for path in list(blocks[6])[100:103]}
    before = metering.moved()

    job_id, end = retrieve(workflows, scicat, *wanted)

    moved = metering.moved() - before
    files, manifest = without_manifest(handed_over(aws, scicat, job_id))
    assert (end.status, manifest.count(b"\n")) == ("SUCCEEDED", 3)
    assert files == wanted
    assert recalled == {sorted(tars)[6]: 1}
    assert moved.total() < 0.05 * sum(map(len, tars.values())) * (3 if version == "1.0" else 1)
    assert scicat.lifecycle(ANY_PID)["retrieveStatusMessage"] == "datasetRetrieved"


def test_h04_files_of_several_datablocks_come_in_one_tar(workflows: Workflows, scicat: Scicat, aws: "S3Client") -> None:
    an_archived_dataset(aws, scicat)

    job_id, _ = retrieve(workflows, scicat, "ü.mrc", "a.mrc")

    files, _ = without_manifest(handed_over(aws, scicat, job_id))
    assert list(files) == ["a.mrc", "ü.mrc"]
    assert files["ü.mrc"] == ANY_FILES[2]["ü.mrc"]


def test_the_bytes_of_a_large_file_are_copied_by_s3_itself(
    workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    large = random.Random(2).randbytes(12 * MIB)
    an_archived_dataset(aws, scicat, blocks=({"large": large, "other": b"any"},), version="2")
    before = metering.moved()

    job_id, _ = retrieve(workflows, scicat, "large")

    moved = metering.moved() - before
    assert handed_over(aws, scicat, job_id)["large"] == large
    assert moved["copied"] > moved["sent"]


def test_h04_unknown_names_are_refused_and_listed_before_anything_is_recalled(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", recalled: Counter[str]
) -> None:
    an_archived_dataset(aws, scicat)

    _, end = retrieve(workflows, scicat, "a.mrc", "no/such.mrc")

    assert (end.status, end.error) == ("FAILED", "finishedWithDatasetErrors")
    told = scicat.lifecycle(ANY_PID)
    assert told["retrieveStatusMessage"] == "scheduleRetrieveJobFailed"
    assert told["retrieveReturnMessage"]["code"] == "unknown_files"
    assert told["retrieveReturnMessage"]["files"] == ["no/such.mrc"]
    assert (told["retrievable"], told["archivable"]) == (True, False)
    assert "jobResultObject" not in scicat.told[-1][1]
    assert not recalled


def test_a_selected_file_that_reads_back_damaged_is_named_and_not_given(
    workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    tars = an_archived_dataset(aws, scicat, version="2")
    damaged = archive_id(1)
    put_on_tape(aws, damaged, flipped(tars[damaged]), recorded=tars[damaged])

    _, end = retrieve(workflows, scicat, "a.mrc", "c.mrc")

    assert end.error == "finishedUnsuccessful"
    told = scicat.lifecycle(ANY_PID)["retrieveReturnMessage"]
    assert (told["code"], told["files"]) == ("corrupt_datablock", ["c.mrc"])
    assert "jobResultObject" not in scicat.told[-1][1]
    assert aws.list_objects_v2(Bucket="retrieval").get("KeyCount") == 0


def test_a_file_of_a_damaged_datablock_that_is_sound_itself_is_given(
    workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    tars = an_archived_dataset(aws, scicat, version="2")
    damaged = archive_id(0)
    put_on_tape(aws, damaged, flipped(tars[damaged]), recorded=tars[damaged])

    job_id, end = retrieve(workflows, scicat, "deep/b.mrc")

    assert end.status == "SUCCEEDED"
    assert handed_over(aws, scicat, job_id)["deep/b.mrc"] == b"second"


def test_a_worker_that_is_stopped_after_its_work_changes_nothing(
    workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    an_archived_dataset(aws, scicat)
    workflows.fail("DeliverDatablocks", TIMED_OUT, after_the_work=True)

    job_id, end = retrieve(workflows, scicat, "c.mrc")

    assert end.status == "SUCCEEDED"
    files, _ = without_manifest(handed_over(aws, scicat, job_id))
    assert set(files) == {"c.mrc"}
