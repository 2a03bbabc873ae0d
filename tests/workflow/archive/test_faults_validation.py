"""Drops, names and bytes that are wrong, odd, or change meanwhile: the dataset ends as it must, no byte is lost."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from archiver.aws import clients
from archiver.errors import Code
from archiver.keys import Keys
from archiver.models.catalogue import CatalogueFile
from archiver.scicat import JobStatus, catalogue
from archiver.storage import buckets, leases
from functions.start_ingest.app import handler as start_ingest
from tests.support import dropping
from tests.support.account import LambdaContext
from tests.support.catalogue import ANY_TIME, Scicat
from tests.support.dataset import ADataset
from tests.workflow.conftest import Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

COMPOSED, DECOMPOSED = "Z\u00fcrich.mrc", "Zu\u0308rich.mrc"
ODD_FILES = {
    COMPOSED: b"composed",
    DECOMPOSED: b"decomposed",
    "A.tif": b"upper",
    "a.tif": b"lower",
    "trailing. ": b"dot and space",
    "CON/a:b": b"not for Windows",
    "x" * 300: b"not for ext4",
    "right\u202eleft": b"bidirectional",
    "empty": b"",
}


def archive(workflows: Workflows, scicat: Scicat, *datasets: ADataset) -> dict[str, Any]:
    """Run an archive job over the datasets; returns the job as SciCat has it then."""
    for dataset in datasets:
        scicat.set_lifecycle(dataset.pid, archivable=True)
    job_id = scicat.add_job("archive", *(dataset.pid for dataset in datasets))
    workflows.run("archive", {"job_id": job_id, "kind": "archive"}, job_id)
    return scicat.job(job_id)


def archived_files(s3: "S3Client", pid: str) -> dict[str, bytes]:
    """What the long-term storage has of a dataset, by path."""
    found = catalogue().need_recorded_dataset(pid)
    files: dict[str, bytes] = {}
    for block in found.datablocks:
        s3.restore_object(Bucket="lts", Key=block.archive_id, RestoreRequest={"Days": 1})
        body = s3.get_object(Bucket="lts", Key=block.archive_id)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            files |= {one.name: opened.read() for one in tar if (opened := tar.extractfile(one)) is not None}
    return {path: body for path, body in files.items() if not path.startswith(".datablock/")}


def assert_refused(dataset: ADataset, code: Code, before: set[str]) -> dict[str, Any]:
    """A-USER, the landing zone as it was, and nothing left of the run; returns what SciCat says."""
    lifecycle = dataset.lifecycle
    assert (lifecycle["archiveStatusMessage"], lifecycle["archivable"], lifecycle["retrievable"]) == (
        "missingFilesError",
        False,
        False,
    )
    assert lifecycle["archiveReturnMessage"]["code"] == code
    assert dataset.landing() == before
    assert catalogue().need_recorded_dataset(dataset.pid).datablocks == ()
    assert list(buckets.staging().uploads("")) == []
    assert list(buckets.staging().list("openem-network/")) == []
    assert leases.read_lease(dataset.pid) is None
    told: dict[str, Any] = lifecycle["archiveReturnMessage"]
    return told


def do_before(workflows: Workflows, function: str, act: Callable[[], object]) -> None:
    """Let something happen right before a function's first call."""
    own, todo = workflows.handler(function), [act]

    def handler(event: Any, context: LambdaContext) -> Any:
        if todo:
            todo.pop()()
        return own(event, context)

    workflows.replace(function, handler)


# A. Events and starting


def test_a02_a_hundred_deliveries_of_one_event_at_once_start_one_execution(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    dropping.drop(aws, dropping.some_files())
    event = dropping.an_event(aws)

    with ThreadPoolExecutor(20) as deliveries:
        started = list(deliveries.map(lambda _: start_ingest(event, LambdaContext()), range(100)))

    assert len({json.dumps(one) for one in started}) == 1
    (execution,) = workflows.executions("ingest")
    assert workflows.wait(execution).status == "SUCCEEDED"
    assert sum(path.endswith("/jobs") for path, _ in scicat.told) == 1


def test_a05_a_file_that_comes_a_moment_after_dataset_json_belongs_to_the_drop(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    files = {"early.mrc": b"early", "late.mrc": b"late"}
    dropping.drop(aws, {"early.mrc": b"early"}, dropping.a_document(files=dropping.listed(files)))
    match = workflows.handler("MatchDrop")

    def match_then_deliver(event: Any, context: LambdaContext) -> Any:
        result = match(event, context)
        aws.put_object(Bucket="landing", Key=f"{dropping.PREFIX}late.mrc", Body=b"late")
        return result

    workflows.replace("MatchDrop", match_then_deliver)
    started = start_ingest(dropping.an_event(aws), LambdaContext())
    assert started is not None
    end = workflows.wait(started["execution_arn"])

    assert (end.status, end.states.count("MatchDrop")) == ("SUCCEEDED", 2)
    assert catalogue().files_of(the_pid(aws), lambda listed: {file.path for file in listed}) == set(files)
    assert sum(path.endswith("/origdatablocks") for path, _ in scicat.told) == 1


def the_pid(s3: "S3Client") -> str:
    """The dataset that the drop became."""
    return str(dropping.the_status(s3)["pid"])


def ingested(s3: "S3Client", workflows: Workflows) -> dict[str, Any]:
    """Let the event of the drop's dataset.json arrive; returns its dataset.status.json."""
    started = start_ingest(dropping.an_event(s3), LambdaContext())
    assert started is not None
    workflows.wait(started["execution_arn"])
    return dropping.the_status(s3)


def test_a_folder_that_is_being_archived_cannot_be_dropped_as_another_dataset(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    dropping.drop(aws, dropping.some_files(), dropping.a_document(datasetName="first"))
    first = ingested(aws, workflows)
    dropping.drop(aws, {}, dropping.a_document(datasetName="second"))

    second = ingested(aws, workflows)

    assert (second["status"], second["code"]) == ("rejected", "bad_drop")
    assert first["pid"] in second["message"]
    assert first["job"] in second["message"]
    workflows.run("archive", {"job_id": first["job"], "kind": "archive"}, first["job"])
    assert scicat.lifecycle(first["pid"])["retrievable"] is True
    assert archived_files(aws, first["pid"]) == dropping.some_files()


def test_a_folder_that_was_dropped_as_another_dataset_since_is_deleted_by_that_one_alone(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    dropping.drop(aws, dropping.some_files(), dropping.a_document(datasetName="first"))
    first = ingested(aws, workflows)
    catalogue().update_job(first["job"], JobStatus.FAILED, "any reason")
    dropping.drop(aws, {}, dropping.a_document(datasetName="second"))
    second = ingested(aws, workflows)
    before = dropping.landing_keys(aws)

    again = scicat.add_job("archive", first["pid"])
    workflows.run("archive", {"job_id": again, "kind": "archive"}, again)

    assert scicat.lifecycle(first["pid"])["archiveReturnMessage"]["code"] == "bad_drop"
    assert dropping.landing_keys(aws) == before
    workflows.run("archive", {"job_id": second["job"], "kind": "archive"}, second["job"])
    assert archived_files(aws, second["pid"]) == dropping.some_files()


def test_data_under_the_name_of_the_services_report_is_kept_and_told_in_scicat(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    own = b"measured, not reported"
    dropping.drop(aws, {"a.mrc": b"any", "dataset.status.json": own})

    started = start_ingest(dropping.an_event(aws), LambdaContext())

    assert started is not None
    end = workflows.wait(started["execution_arn"])
    assert (end.status, end.error) == ("FAILED", "bad_path")
    assert aws.get_object(Bucket="landing", Key=f"{dropping.PREFIX}dataset.status.json")["Body"].read() == own
    ((_, registered), *_) = scicat.told
    assert scicat.lifecycle(registered["pid"])["archiveReturnMessage"]["files"] == ["dataset.status.json"]


# C. Names, sizes, shapes


def test_c04_c06_c07_c08_c10_c12_c15_odd_names_are_archived_byte_for_byte_and_warned_of_in_scicat(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat, files=ODD_FILES)

    job = archive(workflows, scicat, dataset)

    assert job["statusCode"] == "finishedSuccessful"
    assert archived_files(aws, dataset.pid) == ODD_FILES
    told = dataset.lifecycle["archiveReturnMessage"]
    assert told["code"] == "archived"
    assert {one["code"]: one["count"] for one in told["warnings"]} == {
        "long_names": 1,
        "windows_names": 2,
        "unicode_twins": 1,
        "case_twins": 1,
    }


def test_c15_a_dataset_of_empty_files_is_archived(aws: "S3Client", workflows: Workflows, scicat: Scicat) -> None:
    dataset = ADataset(aws, scicat, files={"a": b"", "deep/b": b""})
    assert archive(workflows, scicat, dataset)["statusCode"] == "finishedSuccessful"
    assert archived_files(aws, dataset.pid) == dataset.files


def test_c19_a_dataset_that_lists_no_files_is_refused(aws: "S3Client", workflows: Workflows, scicat: Scicat) -> None:
    dataset = ADataset(aws, scicat, files={})
    before = dataset.landing()
    archive(workflows, scicat, dataset)
    assert_refused(dataset, Code.NO_FILES, before)


def test_c23_links_and_folders_of_the_list_need_no_bytes_and_no_link_is_written(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    links = [
        CatalogueFile("link", 7, ANY_TIME, perm="Lrwxrwxrwx"),
        CatalogueFile("folder", 4096, ANY_TIME, perm="drwxr-xr-x"),
    ]
    catalogue().add_origdatablock(dataset.pid, links, None)

    assert archive(workflows, scicat, dataset)["statusCode"] == "finishedSuccessful"

    assert archived_files(aws, dataset.pid) == dataset.files
    (block,) = catalogue().need_recorded_dataset(dataset.pid).datablocks
    body = aws.get_object(Bucket="lts", Key=block.archive_id)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert not [member for member in tar if member.issym() or member.islnk() or member.isdev()]
    assert {file.path for file in catalogue().datablock(dataset.pid, block).files} == {*dataset.files, "link", "folder"}


@pytest.mark.parametrize("pid", ["20.500.11935/a%b?c#d é/🧊", "x" * 300])
def test_c25_an_odd_pid_is_archived_like_any_other(
    aws: "S3Client", workflows: Workflows, scicat: Scicat, pid: str
) -> None:
    dataset = ADataset(aws, scicat, pid=pid)
    assert archive(workflows, scicat, dataset)["statusCode"] == "finishedSuccessful"
    assert archived_files(aws, pid) == dataset.files


# D. Validation against the bytes


def test_d02_files_that_the_catalogue_does_not_list_refuse_an_uploaded_dataset_and_stay(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat, prefix=Keys.uploads("20.500.11935/any-dataset"))
    aws.put_object(Bucket="landing", Key=f"{dataset.prefix}extra.mrc", Body=b"extra")
    before = dataset.landing()
    archive(workflows, scicat, dataset)
    assert assert_refused(dataset, Code.EXTRA_FILES, before)["files"] == ["extra.mrc"]


def test_d02_a_file_that_arrives_during_the_archiving_is_neither_archived_nor_deleted(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    late = f"{dataset.prefix}late.mrc"
    do_before(workflows, "SealDatablock", lambda: aws.put_object(Bucket="landing", Key=late, Body=b"late"))
    archive(workflows, scicat, dataset)
    assert dataset.lifecycle["retrievable"] is True
    assert dataset.landing() == {late, f"{dataset.prefix}dataset.json"}


def test_d03_a_file_of_another_size_refuses_the_dataset(aws: "S3Client", workflows: Workflows, scicat: Scicat) -> None:
    dataset = ADataset(aws, scicat)
    aws.put_object(Bucket="landing", Key=f"{dataset.prefix}a.mrc", Body=b"longer than first")
    before = dataset.landing()
    archive(workflows, scicat, dataset)
    assert_refused(dataset, Code.SIZE_MISMATCH, before)


@pytest.mark.parametrize("algorithm", ["md5", "sha256", "sha512"])
def test_d04_a_flipped_bit_refuses_the_dataset_naming_file_expected_and_actual(
    aws: "S3Client", workflows: Workflows, scicat: Scicat, algorithm: str
) -> None:
    dataset = ADataset(aws, scicat, files={})
    right = hashlib.new(algorithm, b"right").hexdigest()
    catalogue().add_origdatablock(dataset.pid, [CatalogueFile("a.mrc", 5, ANY_TIME, right)], algorithm)
    aws.put_object(Bucket="landing", Key=f"{dataset.prefix}a.mrc", Body=b"rigit")
    before = dataset.landing()
    archive(workflows, scicat, dataset)
    told = json.dumps(assert_refused(dataset, Code.CHECKSUM_MISMATCH, before))
    assert right in told
    assert hashlib.new(algorithm, b"rigit").hexdigest() in told


@pytest.mark.parametrize("function", ["PlanDatablocks", "PackageDatablock", "SealDatablock"])
def test_d06_a_file_deleted_after_it_was_matched_refuses_the_dataset(
    aws: "S3Client", workflows: Workflows, scicat: Scicat, function: str
) -> None:
    dataset = ADataset(aws, scicat)
    key = f"{dataset.prefix}deep/b.mrc"
    do_before(workflows, function, lambda: aws.delete_object(Bucket="landing", Key=key))
    before = dataset.landing()
    archive(workflows, scicat, dataset)
    assert_refused(dataset, Code.CHANGED_AFTER_VALIDATE, before - {key})


@pytest.mark.parametrize("size", [5, 12_000_000], ids=["small", "copied"])
def test_d07_a_file_replaced_by_one_of_the_same_size_refuses_the_dataset(
    aws: "S3Client", workflows: Workflows, scicat: Scicat, size: int
) -> None:
    dataset = ADataset(aws, scicat, files={"a.mrc": b"1" * size})
    key, other = f"{dataset.prefix}a.mrc", b"2" * size
    do_before(workflows, "PackageDatablock", lambda: aws.put_object(Bucket="landing", Key=key, Body=other))
    before = dataset.landing()
    archive(workflows, scicat, dataset)
    assert_refused(dataset, Code.CHANGED_AFTER_VALIDATE, before)
    assert aws.get_object(Bucket="landing", Key=key)["Body"].read() == other


def test_d09_a_list_that_changes_in_scicat_during_the_run_refuses_the_dataset(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    more = [CatalogueFile("more.mrc", 1, ANY_TIME)]
    do_before(workflows, "StoreDatablock", lambda: catalogue().add_origdatablock(dataset.pid, more, None))
    before = dataset.landing()
    archive(workflows, scicat, dataset)
    assert_refused(dataset, Code.CATALOGUE_CHANGED, before)


def test_d11_uploads_of_class_glacier_are_restored_first_and_then_archived(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    for path, body in dataset.files.items():
        aws.put_object(Bucket="landing", Key=dataset.prefix + path, Body=body, StorageClass="GLACIER")
    asked: list[str] = []
    clients.s3().meta.events.register(
        "before-parameter-build.s3.RestoreObject", lambda params, **_: asked.append(params["Key"])
    )

    job = archive(workflows, scicat, dataset)

    assert job["statusCode"] == "finishedSuccessful"
    assert sorted(asked) == sorted(dataset.prefix + path for path in dataset.files)
    assert archived_files(aws, dataset.pid) == dataset.files
    assert dataset.landing() == {f"{dataset.prefix}dataset.json"}


def test_d14_more_files_than_one_page_of_a_listing_has_are_all_archived(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat, files={f"{number:04}": b"%d" % number for number in range(1_003)})
    assert archive(workflows, scicat, dataset)["statusCode"] == "finishedSuccessful"
    assert archived_files(aws, dataset.pid) == dataset.files
    assert dataset.landing() == {f"{dataset.prefix}dataset.json"}
