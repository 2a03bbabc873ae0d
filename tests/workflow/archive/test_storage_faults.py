"""Archiving while S3, the long-term storage or Lambda itself fails: the right end, and nothing left behind."""

import json
import time
from datetime import timedelta
from io import StringIO
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from archiver.keys import Keys
from archiver.log import logger
from archiver.lts.long_term_storage import long_term_storage
from archiver.packaging import transfers
from archiver.scicat import catalogue
from archiver.settings import MIB
from archiver.storage import buckets, leases
from tests.support.account import SECRETS, LambdaContext
from tests.support.catalogue import Scicat
from tests.support.dataset import ADataset
from tests.support.s3_faults import ALWAYS, Exchange, S3Faults, S3Request, Send, WorkerKilled
from tests.support.template import RESOURCES
from tests.workflow.conftest import CRASHED, TIMED_OUT, LambdaFailure, Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BIG = bytes(range(256)) * 48 * 1024
KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/5d73d87c-e2c4-47bc-9266-7da5ece1a7b2"
STEPS = (
    "ClaimDataset", "SnapshotDataset", "PlanDatablocks", "PackageDatablock", "SealDatablock", "StoreDatablock",
    "VerifyDatablocks", "RegisterDatablocks", "CompleteDataset",
)  # fmt: skip


@pytest.fixture
def short_invocations(environment: pytest.MonkeyPatch) -> None:
    """No function works longer than a second at a time."""
    environment.setenv("SLICE_SECONDS", "1")


@pytest.fixture
def dataset(aws: "S3Client", scicat: Scicat, s3_faults: S3Faults) -> ADataset:
    """A dataset of one tar, with a part that S3 copies."""
    assert s3_faults
    return ADataset(aws, scicat, files={"big.mrc": BIG, "deep/small.txt": b"small"})


def archive(workflows: Workflows, dataset: ADataset) -> str:
    """Run a job over the dataset; returns its status."""
    job_id = dataset.scicat.add_job("archive", dataset.pid)
    workflows.run("archive", {"job_id": job_id, "kind": "archive"}, job_id)
    return str(dataset.scicat.job(job_id)["statusCode"])


def records(dataset: ADataset) -> list[str]:
    found = catalogue().recorded_dataset(dataset.pid)
    assert found is not None
    return [block.archive_id for block in found.datablocks]


def assert_nothing_is_left() -> None:
    """No upload, no staged tar, no lease."""
    assert list(chain(buckets.staging().uploads(""), long_term_storage().bucket.uploads(""))) == []
    assert list(buckets.staging().list("openem-network/")) == []
    assert list(buckets.staging().list("leases/")) == []


def assert_archived(workflows: Workflows, dataset: ADataset) -> None:
    """It is archived, by a job over it."""
    assert archive(workflows, dataset) == "finishedSuccessful"
    assert dataset.lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert len(records(dataset)) == 1
    assert dataset.landing() == {dataset.prefix + "dataset.json"}
    assert_nothing_is_left()


def assert_not_archived(workflows: Workflows, dataset: ADataset, code: str) -> str:
    """A job over it fails for this reason, and everything is as before; returns what the user is told."""
    before = dataset.landing()
    assert archive(workflows, dataset) == "finishedUnsuccessful"
    told = dataset.lifecycle
    assert told["archiveStatusMessage"] == "scheduleArchiveJobFailed"
    assert (told["archivable"], told["retrievable"]) == (True, False)
    assert told["archiveReturnMessage"]["code"] == code
    assert records(dataset) == []
    assert dataset.landing() == before
    assert_nothing_is_left()
    return str(told["archiveReturnMessage"]["message"])


# Packing


@pytest.mark.usefixtures("short_invocations")
def test_e03_a_dataset_that_takes_longer_than_an_invocation_is_archived_in_several(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults, environment: pytest.MonkeyPatch
) -> None:
    def slowly(_: S3Request, send: Send) -> Exchange:
        time.sleep(0.8)
        return send()

    environment.setattr(transfers, "READ_BYTES", 4 * MIB)
    environment.setattr(transfers, "READ_AHEAD_BYTES", 4 * MIB)
    s3_faults.intercept(slowly, "GetObject", bucket="landing")
    assert_archived(workflows, dataset)
    assert workflows.calls["PackageDatablock"] > 1
    read = [asked for asked in s3_faults.requests if (asked.operation, asked.bucket) == ("GetObject", "landing")]
    assert len(read) <= 3 + 1 + workflows.calls["PackageDatablock"], "what was read is not read again"


@pytest.mark.parametrize(("step", "bucket"), [("SealDatablock", "staging"), ("StoreDatablock", "lts")])
def test_e06_of_two_workers_at_the_same_datablock_the_slower_finds_it_done(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults, step: str, bucket: str
) -> None:
    handler = workflows.handler(step)

    def beside_another(event: Any, context: LambdaContext) -> Any:
        def be_faster(_: S3Request, send: Send) -> Exchange:
            handler(event, context)
            return send()

        s3_faults.intercept(be_faster, "CompleteMultipartUpload", bucket=bucket, times=1)
        return handler(event, context)

    workflows.replace(step, beside_another)
    assert_archived(workflows, dataset)


@pytest.mark.parametrize("bucket", ["staging", "lts"])
def test_e06_a_conflict_with_the_same_bytes_is_success(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults, bucket: str
) -> None:
    s3_faults.refuse(
        "CompleteMultipartUpload", "ConditionalRequestConflict", 409, bucket=bucket, times=5, after_commit=True
    )
    assert_archived(workflows, dataset)


def test_e07_a_tar_that_s3_refuses_once_is_built_again(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults
) -> None:
    s3_faults.refuse("CompleteMultipartUpload", "BadDigest", 400, bucket="staging")
    assert_archived(workflows, dataset)


def test_e07_a_tar_that_s3_refuses_twice_is_a_failure(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults
) -> None:
    s3_faults.refuse("CompleteMultipartUpload", "BadDigest", 400, bucket="staging", times=2)
    assert_not_archived(workflows, dataset, "pack_digest")
    assert workflows.calls["SealDatablock"] == 1


@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("InternalError", 500), ("RequestTimeout", 400)])
def test_e10_an_s3_that_is_overloaded_costs_time_and_nothing_else(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults, code: str, status: int
) -> None:
    for operation in ("UploadPartCopy", "UploadPart", "CompleteMultipartUpload", "GetObject", "PutObject"):
        s3_faults.refuse(operation, code, status, nth=2, times=7)
    assert_archived(workflows, dataset)


def test_e11_a_throttled_encryption_key_is_waited_for(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults
) -> None:
    s3_faults.refuse("UploadPartCopy", "KMS.ThrottlingException", 400, times=3)
    assert_archived(workflows, dataset)


def test_e11_a_disabled_encryption_key_is_named_at_once(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults
) -> None:
    said = f"{KMS_KEY} is disabled."
    s3_faults.refuse("GetObject", "KMS.DisabledException", 400, bucket="landing", times=ALWAYS, message=said)
    assert KMS_KEY in assert_not_archived(workflows, dataset, "kms")
    assert workflows.calls["PackageDatablock"] == 1


def test_j11_a_permission_that_was_taken_away_is_named_at_once_by_action_and_resource(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults
) -> None:
    s3_faults.refuse("UploadPartCopy", "AccessDenied", 403, bucket="staging", times=ALWAYS)
    told = assert_not_archived(workflows, dataset, "permission")
    assert "UploadPartCopy of s3://staging/openem-network/" in told
    assert f"from s3://landing/{dataset.prefix}big.mrc" in told
    assert workflows.calls["PackageDatablock"] == 1


def test_e17_a_wrong_clock_is_named_when_waiting_does_not_help(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults
) -> None:
    s3_faults.refuse("UploadPartCopy", "RequestTimeTooSkewed", 403, times=ALWAYS)
    assert "clock is wrong" in assert_not_archived(workflows, dataset, "s3_unavailable")


def test_e13_a_worker_that_fails_for_good_ends_the_run_beside_the_others(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, s3_faults: S3Faults, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("DATABLOCK_BYTES", str(10 * MIB))
    dataset = ADataset(aws, scicat, files={f"{number}.mrc": BIG for number in range(3)})
    s3_faults.refuse("UploadPartCopy", "InvalidRequest", 400, key="*_2.tar", times=ALWAYS)
    assert_not_archived(workflows, dataset, "internal")


# Lambda's own ends


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (CRASHED, "out_of_memory"),
        (TIMED_OUT, "timeout"),
        (LambdaFailure("Lambda.Unknown"), "internal"),
    ],
    ids=["killed", "timed out", "unknown"],
)
@pytest.mark.parametrize("step", ["PackageDatablock", "StoreDatablock", "RegisterDatablocks"])
def test_e04_a_step_that_lambda_ends_again_and_again_is_reported_and_tidied_up(
    workflows: Workflows, dataset: ADataset, step: str, end: LambdaFailure, code: str
) -> None:
    workflows.fail(step, end, times=ALWAYS, after_the_work=True)
    assert_not_archived(workflows, dataset, code)


def test_e19_the_number_of_writers_is_limited_by_lambda_which_frees_the_place_of_one_that_dies() -> None:
    assert RESOURCES["StoreDatablock"]["Properties"]["ReservedConcurrentExecutions"] > 0


# The long-term storage


def test_g05_a_second_copy_is_registered_and_the_wrong_one_left_alone(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults
) -> None:
    def keep_other_bytes(asked: S3Request, send: Send) -> Exchange:
        answer = send()
        dataset.s3.put_object(Bucket="lts", Key=asked.key, Body=b"other", ChecksumAlgorithm="CRC64NVME")
        return answer

    s3_faults.intercept(keep_other_bytes, "CompleteMultipartUpload", bucket="lts", times=1)
    assert_archived(workflows, dataset)
    (registered,) = records(dataset)
    stored = {found.key for found in long_term_storage().bucket.list("")}
    assert len(stored) == 2
    assert registered in {Keys.second_copy(key) for key in stored}


def test_g05_two_wrong_copies_leave_everything_as_it_was(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults
) -> None:
    s3_faults.refuse("CompleteMultipartUpload", "BadDigest", 400, bucket="lts", times=ALWAYS)
    assert_not_archived(workflows, dataset, "lts_verify")


def test_g08_a_full_storage_leaves_everything_as_it_was(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults
) -> None:
    s3_faults.refuse("UploadPartCopy", "InsufficientStorage", 507, bucket="lts", times=ALWAYS)
    assert_not_archived(workflows, dataset, "lts_full")
    assert workflows.calls["StoreDatablock"] == 1


def test_g10_a_storage_that_comes_back_after_days_gets_the_dataset(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults
) -> None:
    s3_faults.refuse("*", "ServiceUnavailable", 503, bucket="lts", times=100)
    assert_archived(workflows, dataset)
    assert workflows.calls["StoreDatablock"] > 10, "more often than a failure is retried"


def test_g10_a_storage_that_does_not_come_back_ends_the_run(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr("archiver.archive.storing.HAND_OVER_TIMEOUT", timedelta())
    s3_faults.refuse("*", "ServiceUnavailable", 503, bucket="lts", times=ALWAYS)
    before = dataset.landing()
    assert archive(workflows, dataset) == "finishedUnsuccessful"
    assert dataset.lifecycle["archiveReturnMessage"]["code"] == "lts_deadline"
    assert dataset.landing() == before
    assert leases.read_lease(dataset.pid) is None


def test_g22_what_a_failed_run_handed_over_stays_in_the_storage_without_a_record(
    workflows: Workflows, dataset: ADataset
) -> None:
    workflows.fail("RegisterDatablocks", TIMED_OUT, times=7)
    assert_not_archived(workflows, dataset, "timeout")
    (orphan,) = long_term_storage().bucket.list("")
    dataset.scicat.set_lifecycle(dataset.pid, archivable=True)
    assert_archived(workflows, dataset)
    (registered,) = records(dataset)
    assert {found.key for found in long_term_storage().bucket.list("")} == {orphan.key, registered}
    assert registered != orphan.key


# Operations


def test_j01_a_clean_up_that_is_killed_half_way_is_finished(
    workflows: Workflows, dataset: ADataset, s3_faults: S3Faults
) -> None:
    def die(_: S3Request, send: Send) -> Exchange:
        send()
        raise WorkerKilled

    s3_faults.intercept(die, "DeleteObjects", bucket="landing", times=1)
    s3_faults.intercept(die, "DeleteObjects", bucket="staging", times=1)
    assert_archived(workflows, dataset)
    assert workflows.calls["CleanUpDataset"] == 3


def test_j07_no_secret_and_no_line_break_stands_in_the_log_of_a_run(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, s3_faults: S3Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    name = "any\u202e file \u00e4\\n.mrc"
    dataset = ADataset(aws, scicat, files={name: b"any"}, pid="20.500.11935/any\\npid")
    for _ in range(2):
        s3_faults.refuse("CompleteMultipartUpload", "BadDigest", 400, times=ALWAYS)
        assert archive(workflows, dataset) == "finishedUnsuccessful"
        scicat.set_lifecycle(dataset.pid, archivable=True)
    text = written.getvalue()
    assert text.count("step finished") > 10
    for secret in (SECRETS["job-api"]["password"], SECRETS["link"]["key"], "Bearer", "eyJ", "X-Amz-Signature"):
        assert secret not in text
    logged = [json.loads(line) for line in text.splitlines()]
    assert dataset.pid in {line.get("pid") for line in logged}
