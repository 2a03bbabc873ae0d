"""The catalogue breaks in every way while a dataset is archived: what SciCat is told in the end, word for word."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from archiver.keys import Keys
from archiver.scicat import catalogue
from archiver.storage import buckets, leases
from archiver.tar.layout import Limits
from tests.support.account import CODES_PAGE, LambdaContext
from tests.support.catalogue import Scicat
from tests.support.dataset import ADataset, a_datablock
from tests.support.s3_faults import S3Faults, WorkerKilled
from tests.workflow.conftest import Workflows
from tests.workflow.story import (
    ARCHIVED,
    JOB_DONE,
    JOB_STARTED,
    STARTED,
    archive,
    before,
    keys,
    records,
    story,
    system_error,
    user_error,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("no_pauses")

READ_JOB, TELL_JOB = "^GET .*/jobs/", "^PATCH .*/jobs/"
READ_FILES, READ_RECORDS = "^GET .*origdatablocks", "^GET .*%22datablocks"
TELL_DATASET, RECORD = "^PATCH .*/datasetlifecycle", "^POST .*/datablocks"
DOWN = {"match": "/api/", "status": 503}
NOTHING_SAID = {"match": "/api/", "status": 200, "body": "{}"}
A_PAGE = {"match": "/api/", "status": 403, "body": "<html>Maintenance</html>"}


@pytest.fixture
def one_file_each(environment: pytest.MonkeyPatch) -> None:
    """Every file is a datablock of its own."""
    environment.setattr("archiver.archive.runs.Limits", lambda **_: Limits(datablock_files=1))


TEN_FILES = {f"{number}.mrc": b"any bytes" for number in range(10)}

TRANSIENT: Mapping[str, dict[str, Any]] = {
    "f01-session-expired": {"status": 401, "body": '{"message": "SESSION_EXPIRED", "statusCode": 401}'},
    "f01-anonymous-in-an-older-release": {"status": 403, "body": '{"message": "Forbidden resource"}'},
    "f06-done-but-500": {"status": 500, "commit": True},
    "f08-throttled": {"status": 429, "headers": {"Retry-After": "0"}},
    "f08-throttled-without-a-time": {"status": 429},
    "f09-500": {"status": 500},
    "f09-502": {"status": 502},
    "f09-503": {"status": 503},
    "f09-504-but-done": {"status": 504, "commit": True},
    "f10-hung-up": {"drop": "before_commit"},
    "f10-hung-up-but-done": {"drop": "after_commit"},
    "d10-garbage": {"status": 200, "body": "<html>"},
    "d10-empty": {"status": 200, "body": ""},
    "d10-nothing-but-done": {"status": 200, "body": "{}", "commit": True},
    "d10-no-list": {"status": 200, "body": "[]"},
    "d10-null-but-done": {"status": 200, "body": "null", "commit": True},
    "d10-cut-off": {"cut": 20},
}


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
def test_f09_whatever_befalls_each_kind_of_request_once_the_dataset_is_archived(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, fault: dict[str, Any]
) -> None:
    dataset = ADataset(aws, scicat)
    each = (READ_JOB, TELL_JOB, READ_FILES, READ_RECORDS, TELL_DATASET, RECORD)
    scicat.faults(*({"match": match, "nth": 1} | fault for match in each))

    job_id = archive(workflows, scicat, dataset)

    assert [scicat.seen(number) > 0 for number in range(len(each))] == [True] * len(each)
    assert story(scicat) == [JOB_STARTED, STARTED, *keys(dataset, job_id), ARCHIVED, JOB_DONE]
    assert records(dataset) == keys(dataset, job_id)
    assert dataset.landing() == {dataset.prefix + "dataset.json"}


def test_f07_a_change_that_was_forestalled_is_made_again(workflows: Workflows, aws: "S3Client", scicat: Scicat) -> None:
    dataset = ADataset(aws, scicat)
    forestalled = {"nth": 1, "times": 4, "status": 412}
    scicat.faults({"match": TELL_DATASET} | forestalled, {"match": TELL_JOB} | forestalled)
    job_id = archive(workflows, scicat, dataset)
    assert story(scicat) == [JOB_STARTED, STARTED, *keys(dataset, job_id), ARCHIVED, JOB_DONE]


READING = "GET /api/v3/datasets/20.500.11935%2Fany-dataset"
RECORDING = "POST /api/v3/datasets/20.500.11935%2Fany-dataset/datablocks"
FINAL: Mapping[str, tuple[Mapping[str, Any], str, str]] = {
    "f03": (
        {"match": RECORD, "status": 403, "body": '{"message": "Forbidden resource"}'},
        "scicat_forbidden",
        f"403 to {RECORDING}: Forbidden resource. Is the account in a group of CREATE_DATASET_PRIVILEGED_GROUPS?",
    ),
    "f19": (
        {"match": RECORD, "status": 413, "body": "<html>"},
        "catalogue_entry_too_large",
        f"413 to {RECORDING} (BYTES bytes sent): no message",
    ),
    "f20": (
        {"match": RECORD, "status": 400, "body": '{"message": ["property foo should not exist"]}'},
        "scicat_rejected",
        f"400 to {RECORDING}: ['property foo should not exist']",
    ),
    "f14": (
        {"match": READ_FILES, "status": 200, "size": 65 * 1024**2, "gzip": True},
        "scicat_too_large",
        f"more than 64 MiB to {READING}.",
    ),
    "f09": (
        {"match": READ_FILES, "status": 502},
        "scicat_unavailable",
        f"502 to {READING}: A fault was asked for.",
    ),
    "b44": (
        {"match": READ_FILES, "status": 302, "headers": {"Location": "http://127.0.0.1:9/"}},
        "scicat_unavailable",
        f"302 to {READING}: A fault was asked for.",
    ),
}


@pytest.mark.parametrize("case", FINAL)
def test_f20_what_scicat_refuses_for_good_is_a_systems_error_with_its_own_words(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, case: str
) -> None:
    fault, code, words = FINAL[case]
    dataset = ADataset(aws, scicat)
    landed = dataset.landing()
    scicat.faults(fault)

    job_id = archive(workflows, scicat, dataset)

    sent = [entry for entry in story(scicat) if isinstance(entry, str)]
    bodies = (body for request, body in scicat.told if request.endswith("/datablocks"))
    size = len(json.dumps(next(bodies, None), separators=(",", ":")))
    message = "SciCat answered " + words.replace("BYTES", str(size))
    ended = ("finishedUnsuccessful", f"0 of 1 dataset archived. {dataset.pid}: {code}: {message} See {CODES_PAGE}")
    assert story(scicat) == [JOB_STARTED, STARTED, *sent, system_error(code, job_id, message), ended]
    assert records(dataset) == []
    assert dataset.landing() == landed
    assert leases.read_lease(dataset.pid) is None
    assert [found.key for found in buckets.staging().list("openem-network/")] == []


def test_f20_a_refusal_of_a_record_is_sent_once(workflows: Workflows, aws: "S3Client", scicat: Scicat) -> None:
    dataset = ADataset(aws, scicat)
    scicat.faults({"match": RECORD, "status": 400})
    archive(workflows, scicat, dataset)
    assert scicat.seen() == 1


def test_f04_a_dataset_that_is_deleted_before_the_hand_off_does_not_go_to_tape(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    landed = dataset.landing()
    before(workflows, "SealDatablock", lambda: scicat.delete_dataset(dataset.pid))
    archive(workflows, scicat, dataset)
    message = f"dataset_unknown: SciCat no longer knows the dataset {dataset.pid}."
    ended = ("finishedUnsuccessful", f"0 of 1 dataset archived. {dataset.pid}: {message} See {CODES_PAGE}")
    assert story(scicat) == [JOB_STARTED, STARTED, ended]
    assert "Contents" not in aws.list_objects_v2(Bucket="lts")
    assert dataset.landing() == landed
    assert [key for key, _ in buckets.staging().uploads("")] == []
    assert [found.key for found in buckets.staging().list("openem-network/")] == []


def test_f04_a_catalogue_that_is_down_before_the_hand_off_has_not_forgotten_the_dataset(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    before(workflows, "SealDatablock", lambda: scicat.faults(DOWN))
    before(workflows, "RegisterDatablocks", scicat.faults)
    job_id = archive(workflows, scicat, dataset)
    assert story(scicat) == [JOB_STARTED, STARTED, *keys(dataset, job_id), ARCHIVED, JOB_DONE]


def test_f04_a_dataset_that_is_deleted_after_the_hand_off_is_not_written_to_and_its_tars_stay(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    landed = dataset.landing()
    before(workflows, "RegisterDatablocks", lambda: scicat.delete_dataset(dataset.pid))

    job_id = archive(workflows, scicat, dataset)

    message = f"dataset_unknown: SciCat answered 404 to {READING}: dataset: {dataset.pid} not found"
    ended = ("finishedUnsuccessful", f"0 of 1 dataset archived. {dataset.pid}: {message} See {CODES_PAGE}")
    assert story(scicat) == [JOB_STARTED, STARTED, ended]
    assert dataset.landing() == landed
    assert [found["Key"] for found in aws.list_objects_v2(Bucket="lts")["Contents"]] == keys(dataset, job_id)
    assert leases.read_lease(dataset.pid) is None


def test_f05_a_record_of_another_tar_under_our_name_is_a_systems_error(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    verify = workflows.handler("VerifyDatablocks")

    def let_somebody_record(event: Any, context: LambdaContext) -> Any:
        catalogue().add_datablock(dataset.pid, a_datablock(Keys.datablock(dataset.pid, event["run_id"], 1)))
        scicat.told.clear()
        return verify(event, context)

    workflows.replace("VerifyDatablocks", let_somebody_record)
    job_id = archive(workflows, scicat, dataset)

    message = f"SciCat records another datablock as {keys(dataset, job_id)[0]}."
    deleted, reported, ended = story(scicat)
    assert reported == system_error("archive_id_conflict", job_id, message)
    assert ended == (
        "finishedUnsuccessful",
        f"0 of 1 dataset archived. {dataset.pid}: archive_id_conflict: {message} See {CODES_PAGE}",
    )
    assert isinstance(deleted, tuple)
    assert records(dataset) == []


@pytest.mark.usefixtures("one_file_each")
def test_f16_a_worker_that_dies_after_three_of_ten_records_is_followed_by_one_that_writes_the_other_seven(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, s3_faults: S3Faults
) -> None:
    dataset = ADataset(aws, scicat, files=TEN_FILES)

    def die(*_: object) -> Any:
        raise WorkerKilled

    # The lease is looked at once at the beginning, and then before each record.
    before(
        workflows, "RegisterDatablocks", lambda: s3_faults.intercept(die, "GetObject", key="leases/*", nth=5, times=1)
    )

    job_id = archive(workflows, scicat, dataset)

    assert workflows.calls["RegisterDatablocks"] == 2
    assert story(scicat) == [JOB_STARTED, STARTED, *keys(dataset, job_id, 10), ARCHIVED, JOB_DONE]
    assert len([request for request, _ in scicat.told if request.endswith("/datablocks")]) == 10
    assert scicat.dataset(dataset.pid)["numberOfFilesArchived"] == 10


@pytest.mark.usefixtures("one_file_each")
def test_f17_a_registration_that_fails_for_good_takes_back_exactly_its_own_three_records(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat, files=TEN_FILES)
    landed = dataset.landing()
    scicat.faults({"match": RECORD, "nth": 4, "times": 100, "status": 422})

    job_id = archive(workflows, scicat, dataset)

    told = story(scicat)
    assert told[:6] == [JOB_STARTED, STARTED, *keys(dataset, job_id, 4)]
    assert [entry[0] for entry in told[6:9] if isinstance(entry, tuple)] == ["deleted"] * 3
    message = "SciCat answered 422 to POST /api/v3/datasets/20.500.11935%2Fany-dataset/datablocks: "
    message += "A fault was asked for."
    ended = (
        "finishedUnsuccessful",
        f"0 of 1 dataset archived. {dataset.pid}: scicat_rejected: {message} See {CODES_PAGE}",
    )
    assert told[9:] == [system_error("scicat_rejected", job_id, message), ended]
    assert records(dataset) == []
    assert scicat.dataset(dataset.pid)["packedSize"] == 0
    assert {found["Key"] for found in aws.list_objects_v2(Bucket="lts")["Contents"]} == set(keys(dataset, job_id, 10))
    assert dataset.landing() == landed


@pytest.mark.usefixtures("one_file_each")
def test_j06_a_run_whose_lease_is_lost_between_two_records_writes_no_more(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, s3_faults: S3Faults
) -> None:
    dataset = ADataset(aws, scicat, files=TEN_FILES)

    def lose(_: object, send: Callable[[], Any]) -> Any:
        aws.delete_object(Bucket="staging", Key=Keys.lease(dataset.pid))
        return send()

    before(workflows, "RegisterDatablocks", lambda: s3_faults.intercept(lose, "GetObject", key="leases/*", nth=4))
    job_id = archive(workflows, scicat, dataset)
    assert [entry for entry in story(scicat) if isinstance(entry, str)] == keys(dataset, job_id, 2)
    assert dataset.lifecycle["retrievable"] is False
    assert scicat.job(job_id)["statusCode"] == "finishedUnsuccessful"


def test_f26_a_job_that_is_deleted_during_the_run_does_not_keep_the_dataset_from_being_archived(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    gone = {"match": "/jobs/", "status": 400, "body": '{"status": 400, "message": "Invalid job id."}'}
    before(workflows, "SnapshotDataset", lambda: scicat.faults(gone))
    job_id = archive(workflows, scicat, dataset)
    assert story(scicat) == [JOB_STARTED, STARTED, *keys(dataset, job_id), ARCHIVED, JOB_DONE]
    assert dataset.lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert dataset.landing() == {dataset.prefix + "dataset.json"}


@pytest.mark.parametrize("account", ["group1", "archivemanager"])
def test_f29_a_record_that_was_not_counted_is_kept_once_and_counted_if_the_account_may(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, account: str
) -> None:
    dataset = ADataset(aws, scicat)
    scicat.logins.join("archiver", account)
    scicat.faults({"match": RECORD, "nth": 1, "drop": "crash_between"})

    job_id = archive(workflows, scicat, dataset)

    size = aws.head_object(Bucket="lts", Key=keys(dataset, job_id)[0])["ContentLength"]
    totals = {"size": 11, "numberOfFiles": 2, "packedSize": size, "numberOfFilesArchived": 2}
    assert story(scicat) == [JOB_STARTED, STARTED, *keys(dataset, job_id), totals, ARCHIVED, JOB_DONE]
    assert records(dataset) == keys(dataset, job_id)
    assert scicat.dataset(dataset.pid)["packedSize"] == (size if account == "group1" else 0)


HOSTILE: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "climbs": ({"path": "../../etc/passwd", "size": 1}, "bad_path"),
    "absolute": ({"path": "/abs", "size": 1}, "bad_path"),
    "nul": ({"path": "a\0b", "size": 1}, "bad_path"),
    "newline": ({"path": "a\nb", "size": 1}, "bad_path"),
    "long": ({"path": "x" * 5_000, "size": 1}, "bad_path"),
    "negative": ({"path": "a.mrc", "size": -1}, "bad_size"),
    "huge": ({"path": "a.mrc", "size": 1e30}, "bad_size"),
}


@pytest.mark.parametrize(("file", "code"), HOSTILE.values(), ids=HOSTILE)
def test_f30_what_is_read_back_from_scicat_is_checked_like_what_a_client_sends(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, file: Mapping[str, Any], code: str
) -> None:
    dataset = ADataset(aws, scicat, files={})
    scicat.add_files(dataset.pid, file)
    job_id = archive(workflows, scicat, dataset)
    assert scicat.job(job_id)["statusCode"] == "finishedWithDatasetErrors"
    reported = dataset.lifecycle["archiveReturnMessage"]
    assert (reported["code"], reported["count"]) == (code, 1)
    assert story(scicat)[2] == user_error(code, reported["message"], reported["files"])
    assert "Contents" not in aws.list_objects_v2(Bucket="lts")


def test_f31_scicat_itself_refuses_a_second_job_from_the_start_on(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)

    def ask_again() -> None:
        with pytest.raises(AssertionError, match=r"400 .*Invalid value for 'datasetlifecycle\.archivable'"):
            scicat.add_job("archive", dataset.pid)

    before(workflows, "SnapshotDataset", ask_again)
    job_id = archive(workflows, scicat, dataset)
    assert story(scicat) == [JOB_STARTED, STARTED, *keys(dataset, job_id), ARCHIVED, JOB_DONE]


# The catalogue is away when the work is done.


def sweep(workflows: Workflows, scicat: Scicat, number: int = 1) -> None:
    """All is well again, and the sweep comes by."""
    scicat.faults()
    workflows.run("sweep", {}, name=f"sweep-{number}")


@pytest.mark.parametrize("function", ["RegisterDatablocks", "CompleteDataset", "CleanUpDataset"])
@pytest.mark.parametrize("fault", [DOWN, NOTHING_SAID, A_PAGE], ids=["503", "empty", "a page"])
def test_f23_d10_a_catalogue_that_is_down_when_the_work_is_done_is_told_when_it_is_back(
    workflows: Workflows, aws: "S3Client", scicat: Scicat, function: str, fault: dict[str, Any]
) -> None:
    dataset = ADataset(aws, scicat)
    landed = dataset.landing()
    before(workflows, function, lambda: scicat.faults(fault))

    job_id = archive(workflows, scicat, dataset)

    assert dataset.landing() == landed, "not a byte is lost"
    assert [found["Key"] for found in aws.list_objects_v2(Bucket="lts")["Contents"]] == keys(dataset, job_id)
    sweep(workflows, scicat)
    told = [entry for entry in story(scicat) if entry != JOB_STARTED]
    assert told == [STARTED, *keys(dataset, job_id), ARCHIVED, JOB_DONE]
    assert records(dataset) == keys(dataset, job_id)
    assert dataset.landing() == {dataset.prefix + "dataset.json"}
    assert leases.read_lease(dataset.pid) is None


def test_f02_a_password_that_is_changed_during_the_run_delays_only_what_scicat_is_told(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    landed = dataset.landing()
    expired = {"match": "^(GET|POST|PATCH|DELETE) /api/v./(users|datasets|jobs)", "status": 401}
    before(workflows, "RegisterDatablocks", lambda: scicat.faults({"match": "/auth/login", "status": 401}, expired))

    job_id = archive(workflows, scicat, dataset)

    assert dataset.landing() == landed
    assert scicat.job(job_id)["statusCode"] == "inProgress"
    sweep(workflows, scicat)
    assert story(scicat)[-2:] == [ARCHIVED, JOB_DONE]
    assert records(dataset) == keys(dataset, job_id)
    assert dataset.landing() == {dataset.prefix + "dataset.json"}
