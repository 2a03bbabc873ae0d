"""The archive of a job's datasets: the real state machines and steps, told by what SciCat and S3 hold afterwards."""

import hashlib
import io
import tarfile
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import pytest

from archiver.errors import Code, ServiceRefused
from archiver.keys import Keys
from archiver.scicat import catalogue
from archiver.storage import buckets, leases
from functions.seal_datablock import app as seal_datablock
from tests.support.account import LambdaContext
from tests.support.catalogue import Scicat
from tests.support.dataset import ADataset
from tests.workflow.conftest import Workflows
from tests.workflow.story import ARCHIVED

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

FOREVER = float("inf")
FILES = {"big.mrc": bytes(range(256)) * 48 * 1024, "deep/ä ' 😀.txt": b"small", "deep/empty": b""}
MAIN_PATH = [
    "ArchiveVerified", "ClaimDataset", "IsArchived", "SnapshotDataset", "IsOnTape", "PlanDatablocks",
    "PackageDatablocks", "PackageDatablock", "IsPackaged", "PackageDatablockEnded",
    "SealDatablocks", "SealDatablock", "IsSealed", "SealDatablockEnded",
    "StoreDatablocks", "StoreDatablock", "IsStored", "StoreDatablockEnded",
    "VerifyDatablocks", "RegisterDatablocks", "CompleteDataset", "CleanUpDataset",
]  # fmt: skip


def records(dataset: ADataset) -> list[str]:
    """The archive ids of the datablocks that SciCat has of a dataset."""
    found = catalogue().recorded_dataset(dataset.pid)
    assert found is not None
    return [block.archive_id for block in found.datablocks]


def unpacked(tar: bytes) -> dict[str, bytes]:
    """The regular files of a tar."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return {member.name: body.read() for member in opened if (body := opened.extractfile(member)) is not None}


def archive(workflows: Workflows, scicat: Scicat, *datasets: ADataset) -> tuple[str, list[str]]:
    """Run a job over the datasets; returns its id and the states of the first dataset's execution."""
    for dataset in datasets:
        scicat.set_lifecycle(dataset.pid, archivable=True)
    job_id = scicat.add_job("archive", *(dataset.pid for dataset in datasets))
    scicat.told.clear()
    workflows.run("archive", {"job_id": job_id, "kind": "archive"}, job_id)
    (first,) = [arn for arn in workflows.executions("archive_dataset") if arn.endswith(f"{job_id}-1")]
    return job_id, workflows.states(first)


def test_a_dataset_is_archived_verified_registered_and_then_deleted_from_the_landing_zone(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat, files=FILES)

    job_id, states = archive(workflows, scicat, dataset)

    assert states == MAIN_PATH
    assert scicat.job(job_id)["statusCode"] == "finishedSuccessful"
    lifecycle = dataset.lifecycle
    assert lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, True)
    assert dataset.landing() == {dataset.prefix + "dataset.json"}

    key = Keys.datablock(dataset.pid, f"{job_id}-1", 1)
    head = aws.head_object(Bucket="lts", Key=key)
    assert head["StorageClass"] == "GLACIER"
    aws.restore_object(Bucket="lts", Key=key, RestoreRequest={"Days": 1})
    members = unpacked(aws.get_object(Bucket="lts", Key=key)["Body"].read())
    manifest = members.pop(".datablock/1/manifest-sha256.txt").decode()
    assert members == FILES
    assert set(manifest.splitlines()) == {f"{hashlib.sha256(body).hexdigest()}  {path}" for path, body in FILES.items()}
    assert [found.key for found in buckets.staging().list("openem-network/")] == []
    assert leases.read_lease(dataset.pid) is None


def test_scicat_is_told_in_this_order(workflows: Workflows, aws: "S3Client", scicat: Scicat) -> None:
    dataset = ADataset(aws, scicat)
    archive(workflows, scicat, dataset)
    told = [(path.rpartition("/")[2], body) for path, body in scicat.told]
    (_, begun), (_, started), (records, record), (_, archived), (_, finished) = told
    assert begun["statusCode"] == "inProgress"
    assert started == {"archiveStatusMessage": "started", "archivable": False, "retrievable": False}
    assert records == "datablocks"
    assert {file["path"]: file["chk"] for file in record["dataFileList"]} == {
        path: hashlib.sha256(body).hexdigest() for path, body in dataset.files.items()
    }
    assert archived == {"archiveStatusMessage": "datasetOnArchiveDisk", "archivable": False, "retrievable": True}
    assert finished["statusCode"] == "finishedSuccessful"


def test_a07_a_second_job_for_an_archived_dataset_succeeds_and_restores_what_its_owner_changed(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    archive(workflows, scicat, dataset)
    before = records(dataset)

    job_id, states = archive(workflows, scicat, dataset)  # its owner set the flag once more

    assert states == ["ArchiveVerified", "ClaimDataset", "IsArchived", "NothingToDo", "CleanUpDataset"]
    assert scicat.job(job_id)["statusCode"] == "finishedSuccessful"
    assert [body for path, body in scicat.told if "/jobs/" not in path] == [ARCHIVED]
    assert records(dataset) == before


def test_d01_a_missing_file_is_named_in_scicat_and_nothing_is_deleted(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    aws.delete_object(Bucket="landing", Key=dataset.prefix + "deep/b.mrc")
    before = dataset.landing()
    job_id, states = archive(workflows, scicat, dataset)
    assert states[-3:] == ["IsArchivedAfterAll", "ReportDataset", "DatasetNotArchived"]
    assert scicat.job(job_id)["statusCode"] == "finishedWithDatasetErrors"
    assert dataset.lifecycle["archiveStatusMessage"] == "missingFilesError"
    assert dataset.lifecycle["archiveReturnMessage"]["files"] == ["deep/b.mrc"]
    assert dataset.landing() == before


def test_d07_a_file_that_changes_after_it_was_matched_rejects_the_dataset(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    plan = workflows.handler("PlanDatablocks")

    def replace_then_plan(event: Any, context: LambdaContext) -> Any:
        aws.put_object(Bucket="landing", Key=dataset.prefix + "a.mrc", Body=b"other")
        return plan(event, context)

    workflows.replace("PlanDatablocks", replace_then_plan)
    job_id, _ = archive(workflows, scicat, dataset)
    assert scicat.job(job_id)["statusCode"] == "finishedWithDatasetErrors"
    assert dataset.lifecycle["archiveReturnMessage"]["code"] == "changed_after_validate"
    assert [key for key, _ in buckets.staging().uploads("")] == []
    assert aws.get_object(Bucket="landing", Key=dataset.prefix + "a.mrc")["Body"].read() == b"other"


def test_a_file_that_changes_after_it_was_archived_is_not_deleted(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    complete = workflows.handler("CompleteDataset")

    def complete_then_replace(event: Any, context: LambdaContext) -> Any:
        result = complete(event, context)
        aws.put_object(Bucket="landing", Key=dataset.prefix + "a.mrc", Body=b"newer")
        return result

    workflows.replace("CompleteDataset", complete_then_replace)
    archive(workflows, scicat, dataset)
    assert dataset.landing() == {dataset.prefix + "dataset.json", dataset.prefix + "a.mrc"}


def test_a_run_that_failed_after_scicat_called_it_archived_is_a_success(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    complete = workflows.handler("CompleteDataset")

    def complete_then_lose_the_answer(event: Any, context: LambdaContext) -> Any:
        complete(event, context)
        aws.delete_object(Bucket="staging", Key=Keys.run(event["run_id"], "outcome.json"))
        raise ServiceRefused(Code.SCICAT_REJECTED, "The answer was lost.")

    workflows.replace("CompleteDataset", complete_then_lose_the_answer)
    job_id, states = archive(workflows, scicat, dataset)
    assert states[-3:] == ["RollBackDataset", "IsArchivedAfterAll", "CleanUpDataset"]
    assert scicat.job(job_id)["statusCode"] == "finishedSuccessful"
    assert dataset.lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert dataset.landing() == {dataset.prefix + "dataset.json"}


def test_a_second_job_that_fails_at_once_leaves_an_archived_dataset_archived(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    archive(workflows, scicat, dataset)

    def refuse(_event: Any, _context: LambdaContext) -> Any:
        raise ServiceRefused(Code.SCICAT_FORBIDDEN, "Nothing could be asked.")

    workflows.replace("ClaimDataset", refuse)
    job_id, _ = archive(workflows, scicat, dataset)
    assert scicat.job(job_id)["statusCode"] == "finishedSuccessful"
    assert ARCHIVED.items() <= dataset.lifecycle.items()


def test_one_bad_dataset_does_not_stop_the_others(workflows: Workflows, aws: "S3Client", scicat: Scicat) -> None:
    good, bad = (
        ADataset(aws, scicat, pid=f"20.500.11935/{name}", prefix=f"incoming/{name}/") for name in ("good", "bad")
    )
    aws.delete_object(Bucket="landing", Key=bad.prefix + "a.mrc")
    job_id, _ = archive(workflows, scicat, bad, good)
    assert scicat.job(job_id)["statusCode"] == "finishedWithDatasetErrors"
    assert good.lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert bad.lifecycle["archiveStatusMessage"] == "missingFilesError"


def test_c25_a_pid_that_cannot_be_archived_does_not_stop_the_others(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    good, bad = ADataset(aws, scicat), ADataset(aws, scicat, pid="20.500.11935/" + "x" * 300, prefix="incoming/bad/")
    job_id, _ = archive(workflows, scicat, bad, good)
    assert "must have 1 to 300 characters" in scicat.job(job_id)["statusMessage"]
    assert good.lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert bad.lifecycle["archiveReturnMessage"]["code"] == "bad_path"
    assert {bad.prefix + path for path in bad.files} <= bad.landing()


def test_e03_a_worker_that_runs_out_of_time_goes_on_where_it_stopped(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("DATABLOCK_BYTES", str(10 * 1024**2))
    environment.setenv("LANES", "1")
    files = {f"{n}.mrc": bytes([n]) * (9 * 1024**2) for n in range(3)}
    dataset = ADataset(aws, scicat, files=files)
    # The first call asks twice for each tar: it seals one and finds its time up. The second goes on with the rest.
    deadlines = chain([FOREVER, FOREVER, 0.0], repeat(FOREVER))
    environment.setattr(seal_datablock, "deadline", lambda: next(deadlines))

    job_id, _ = archive(workflows, scicat, dataset)

    assert scicat.job(job_id)["statusCode"] == "finishedSuccessful"
    assert len(records(dataset)) == 3
    assert workflows.calls["SealDatablock"] == 2


def test_g07_a_storage_that_lost_a_tar_leaves_the_landing_zone_as_it_is(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    store = workflows.handler("StoreDatablock")

    def store_then_lose(event: Any, context: LambdaContext) -> Any:
        result = store(event, context)
        for found in aws.list_objects_v2(Bucket="lts")["Contents"]:
            aws.delete_object(Bucket="lts", Key=found["Key"])
        return result

    workflows.replace("StoreDatablock", store_then_lose)
    before = dataset.landing()
    job_id, _ = archive(workflows, scicat, dataset)
    assert scicat.job(job_id)["statusCode"] == "finishedUnsuccessful"
    assert dataset.lifecycle["archiveReturnMessage"]["code"] == "lts_verify"
    assert (dataset.lifecycle["archivable"], dataset.lifecycle["retrievable"]) == (True, False)
    assert records(dataset) == []
    assert dataset.landing() == before
