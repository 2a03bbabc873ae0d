"""The landing files go when everything is proven, by key, and only those that were read."""

from collections.abc import Callable, Iterable

import pytest

from archiver.alarms import Alarm
from archiver.aws.s3 import Bucket
from archiver.lts.long_term_storage import long_term_storage
from archiver.models.files import S3Object, Upload
from archiver.models.states import Lease
from archiver.packaging import sealed_datablocks
from archiver.reporting import archived
from archiver.scicat import catalogue
from archiver.storage import buckets, leases, sources
from archiver.uploads import quota
from functions.clean_up_dataset.app import handler
from tests.support import dropping
from tests.support.account import LambdaContext
from tests.support.dataset import TO_COMPLETE, TO_SEALED, TO_VERIFIED, ADataset, do_steps
from tests.support.permissions import as_function
from tests.support.template import RESOURCES


def test_j01_an_archived_dataset_leaves_its_documents_and_nothing_else_however_often_it_is_cleaned_up(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    quota.grant(dataset.pid, 1, budget=1)
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    for _ in range(2):
        handler(dataset.run, lambda_context)
    assert quota.grant("any/other", 1, budget=1) is None
    assert dataset.landing() == {dataset.prefix + "dataset.json"}
    assert list(buckets.staging().list("openem-network/")) == []
    assert leases.read_lease(dataset.pid) is None


def test_d02_d07_a_file_that_came_or_changed_since_stays(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    for path in ("a.mrc", "b-new.mrc"):
        dataset.s3.put_object(Bucket="landing", Key=dataset.prefix + path, Body=b"later")
    handler(dataset.run, lambda_context)
    left = ["a.mrc", "b-new.mrc"]
    assert dataset.landing() == {dataset.prefix + path for path in (*left, "dataset.json")}
    status = dropping.the_status(dataset.s3, dataset.prefix)
    assert (status["status"], status["pid"], status["job"]) == ("archived", dataset.pid, dataset.run["job_id"])
    assert (status["files"], status["count"]) == (left, 2)
    (warning,) = dataset.lifecycle["archiveReturnMessage"]["warnings"]
    assert (warning["code"], warning["files"], warning["count"]) == ("left_behind", left, 2)
    assert dataset.lifecycle["retrievable"] is True


def test_a_file_that_is_replaced_between_the_look_and_the_deletion_stays(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, environment: pytest.MonkeyPatch
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    delete = Bucket.delete_unchanged

    def replaced_first(bucket: Bucket, objects: Iterable[S3Object]) -> tuple[S3Object, ...]:
        listed = list(objects)
        dataset.s3.put_object(Bucket="landing", Key=dataset.prefix + "a.mrc", Body=b"later")
        return delete(bucket, listed)

    environment.setattr(Bucket, "delete_unchanged", replaced_first)
    handler(dataset.run, lambda_context)

    assert dataset.landing() == {dataset.prefix + path for path in ("a.mrc", "dataset.json")}
    assert dropping.the_status(dataset.s3, dataset.prefix)["files"] == ["a.mrc"]


def test_a_folder_that_is_empty_now_says_that_its_dataset_is_archived(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    handler(dataset.run, lambda_context)
    status = dropping.the_status(dataset.s3, dataset.prefix)
    assert (status["status"], status["message"], status["count"]) == ("archived", "The dataset is archived.", 0)
    assert "warnings" not in dataset.lifecycle.get("archiveReturnMessage", {})


def test_the_files_of_a_folder_that_is_another_datasets_now_stay(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    sources.record_upload("20.500.11935/another", Upload(prefix=dataset.prefix))
    before = dataset.landing()
    handler(dataset.run, lambda_context)
    assert dataset.landing() == before


def test_nothing_goes_before_scicat_says_that_it_is_archived(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    for number, steps in enumerate((TO_SEALED, TO_VERIFIED, (*TO_VERIFIED, "register_datablocks"))):
        dataset = a_dataset(pid=f"20.500.11935/{number}", run_id=f"job-{number}", prefix=f"incoming/{number}/")
        do_steps(dataset, *steps, context=lambda_context)
        before = dataset.landing()
        handler(dataset.run, lambda_context)
        assert dataset.landing() == before


def alarms(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was counted since the last look."""
    lines = capsys.readouterr().out.splitlines()
    return [name for line in lines for name in Alarm if f'"{name}":' in line and "_aws" in line]


def test_nothing_goes_when_the_long_term_storage_lost_a_tar_and_the_run_is_left_to_the_sweep(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    (sealed,) = sealed_datablocks(dataset.folder)
    dataset.s3.delete_object(Bucket="lts", Key=sealed.key)
    tar = dataset.s3.get_object(Bucket="staging", Key=sealed.key)["Body"].read()
    dataset.s3.delete_object(Bucket="staging", Key=sealed.key)
    before = dataset.landing()
    alarms(capsys)

    handler(dataset.run, lambda_context)

    assert dataset.landing() == before
    assert leases.holds_lease(dataset.pid, dataset.run_id)
    assert alarms(capsys) == [Alarm.CLEAN_UPS_REFUSED]
    # Once somebody has put it back, the next call cleans up.
    dataset.s3.put_object(Bucket="lts", Key=sealed.key, Body=tar, ChecksumAlgorithm="CRC64NVME")
    handler(dataset.run, lambda_context)
    assert dataset.landing() == {dataset.prefix + "dataset.json"}
    assert leases.read_lease(dataset.pid) is None
    assert alarms(capsys) == []


def test_a_tar_that_the_long_term_storage_lost_is_stored_again_while_it_lies_in_staging(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    (sealed,) = sealed_datablocks(dataset.folder)
    dataset.s3.delete_object(Bucket="lts", Key=sealed.key)
    as_function("CleanUpDataset", handler)(dataset.run, lambda_context)
    assert long_term_storage().holds(sealed)
    assert dataset.landing() == {dataset.prefix + "dataset.json"}
    assert list(buckets.staging().list("openem-network/")) == []


def test_a_dataset_whose_records_somebody_deleted_may_be_archived_anew(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    archived.take_back(dataset.pid, catalogue().need_recorded_dataset(dataset.pid).datablocks)
    before = dataset.landing()
    alarms(capsys)

    handler(dataset.run, lambda_context)

    assert dataset.landing() == before
    assert leases.read_lease(dataset.pid) is None
    assert alarms(capsys) == [Alarm.CLEAN_UPS_REFUSED]


def test_j06_a_run_that_lost_its_lease_deletes_nothing(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    leases.release_lease(dataset.pid, dataset.run_id)
    before = dataset.landing()
    other = Lease(run_id="another-run", execution_arn="arn:any:execution")
    assert leases.take_lease(dataset.pid, other, ended=lambda _: False) is None
    handler(dataset.run, lambda_context)
    assert dataset.landing() == before
    assert leases.holds_lease(dataset.pid, other.run_id)


@pytest.mark.usefixtures("wire")
def test_j03_where_versions_are_kept_the_bucket_forgets_them_by_rule(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    dataset.s3.put_bucket_versioning(Bucket="landing", VersioningConfiguration={"Status": "Enabled"})
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    handler(dataset.run, lambda_context)
    assert dataset.landing() == {dataset.prefix + "dataset.json"}
    versions = {found["Key"] for found in dataset.s3.list_object_versions(Bucket="landing")["Versions"]}
    assert versions > dataset.landing(), "a delete hides a version, and does not remove it"
    for bucket in ("LandingBucket", "StagingBucket"):
        rules = RESOURCES[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
        assert [rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in rules if "Noncurrent" in str(rule)]
