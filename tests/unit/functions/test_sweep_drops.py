"""A dropped dataset.json that nobody answered is answered."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from archiver.aws import clients
from archiver.ingest import DropStatus, drop_folder
from archiver.models.files import Upload
from archiver.models.states import Lease
from archiver.storage import buckets, leases, sources
from functions.sweep_drops.app import handler
from tests.support import dropping
from tests.support.account import LambdaContext, state_machine_arn
from tests.support.catalogue import Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SWEEP = {"run_id": "any-sweep", "execution_arn": "arn:any:sweep"}


@pytest.fixture
def clock(an_execution: Callable[..., str]) -> Iterator[time_machine.Traveller]:
    """A clock that the test moves, in an account where ingests can be started."""
    an_execution("ingest", "any-other-drop", "SUCCEEDED")
    with time_machine.travel(datetime.now(UTC)) as traveller:
        yield traveller


def swept(context: LambdaContext | None = None, **state: Any) -> dict[str, Any]:
    told = handler(SWEEP | state, context or LambdaContext())
    assert told is not None
    return told


def a_report(**said: Any) -> bytes:
    """What the service said of a drop."""
    return (
        DropStatus(**{"status": "requested", "message": "any", "execution": "arn:any", **said})
        .model_dump_json()
        .encode()
    )


def reported(s3: "S3Client", **said: Any) -> None:
    s3.put_object(Bucket="landing", Key=f"{dropping.PREFIX}dataset.status.json", Body=a_report(**said))


def started() -> list[dict[str, Any]]:
    """The inputs of the ingests that sweeps started."""
    client = clients.stepfunctions()
    found = client.list_executions(stateMachineArn=state_machine_arn("ingest"))["executions"]
    inputs = (json.loads(client.describe_execution(executionArn=one["executionArn"])["input"]) for one in found)
    return [one for one in inputs if "prefix" in one]


def ingest_of(prefix: str = dropping.PREFIX) -> str:
    """The execution that takes in the drop as it lies in the bucket."""
    marker = next(found for found in buckets.landing().list(prefix) if found.key.endswith("dataset.json"))
    drop = drop_folder.drop_of(marker)
    assert drop is not None
    return drop.execution_arn


def exists(arn: str) -> bool:
    try:
        clients.stepfunctions().describe_execution(executionArn=arn)
    except clients.stepfunctions().exceptions.ExecutionDoesNotExist:
        return False
    return True


def test_a06_a_drop_without_an_answer_is_taken_in_after_ten_minutes(
    aws: "S3Client", clock: time_machine.Traveller
) -> None:
    dropping.drop(aws, dropping.some_files())
    swept()
    assert not exists(ingest_of())

    clock.shift(timedelta(minutes=11))
    assert swept()["done"] is True
    assert exists(ingest_of())


@pytest.mark.parametrize("key", ["incoming/any/a.mrc", "elsewhere/any/dataset.json"])
def test_what_is_no_finished_drop_is_left_alone(aws: "S3Client", clock: time_machine.Traveller, key: str) -> None:
    aws.put_object(Bucket="landing", Key=key, Body=b"{}")
    clock.shift(timedelta(minutes=11))
    assert swept()["done"] is True


def test_an_answered_drop_is_looked_at_once_an_hour(aws: "S3Client", clock: time_machine.Traveller) -> None:
    dropping.drop(aws, {})
    aws.put_object(Bucket="landing", Key=f"{dropping.PREFIX}dataset.status.json", Body=a_report())
    clock.shift(timedelta(minutes=11))
    listed: list[str] = []
    clients.s3().meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: listed.append(params["Prefix"])
    )

    for _ in range(3):
        swept()
    assert listed.count(f"{dropping.PREFIX}dataset.json") == 1
    assert not exists(ingest_of())

    clock.shift(timedelta(hours=1))
    swept()
    assert listed.count(f"{dropping.PREFIX}dataset.json") == 2


def test_a_drop_that_was_written_again_after_its_answer_is_taken_in(
    aws: "S3Client", clock: time_machine.Traveller
) -> None:
    aws.put_object(Bucket="landing", Key=f"{dropping.PREFIX}dataset.status.json", Body=b"{}")
    clock.shift(timedelta(minutes=1))
    dropping.drop(aws, {})
    clock.shift(timedelta(minutes=11))
    swept()
    assert exists(ingest_of())


def test_an_ingest_that_ended_without_an_answer_gets_a_lease_by_which_it_is_settled(
    aws: "S3Client", clock: time_machine.Traveller, an_execution: Callable[..., str]
) -> None:
    dropping.drop(aws, {})
    arn = an_execution("ingest", ingest_of().rpartition(":")[2], "ABORTED")
    clock.shift(timedelta(minutes=11))

    swept()

    lease = leases.read_lease(dropping.PREFIX)
    assert lease == Lease(run_id=arn.rpartition(":")[2], execution_arn=arn, subject=dropping.PREFIX)


def test_a_sweep_whose_time_is_up_says_where_it_stopped_and_goes_on_there(
    aws: "S3Client", clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a", "b ü", "c"]
    for name in names:
        dropping.drop(aws, {}, prefix=f"incoming/{name}/")
    clock.shift(timedelta(minutes=11))
    deadlines = iter([float("inf"), 0.0])
    monkeypatch.setattr("functions.sweep_drops.app.deadline", lambda: next(deadlines, float("inf")))

    first = swept()
    assert (first["done"], first["cursor"]) == (False, "incoming/a/")
    assert [exists(ingest_of(f"incoming/{name}/")) for name in names] == [True, False, False]
    assert swept(cursor=first["cursor"])["done"] is True
    assert all(exists(ingest_of(f"incoming/{name}/")) for name in names)


@pytest.mark.parametrize(
    ("said", "arrives"),
    [
        ({"code": "missing_files", "files": ("b", "c"), "count": 2}, ["b", "c"]),
        ({"code": "no_files"}, ["b"]),
    ],
)
def test_a_rejected_drop_is_taken_in_once_when_what_it_lacked_has_come(
    aws: "S3Client", clock: time_machine.Traveller, said: dict[str, Any], arrives: list[str]
) -> None:
    dropping.drop(aws, {})
    reported(aws, status="rejected", **said)
    swept()
    for name in arrives:
        assert started() == []
        aws.put_object(Bucket="landing", Key=dropping.PREFIX + name, Body=b"1")
        swept()
    swept()
    (drop,) = started()
    assert drop["prefix"] == dropping.PREFIX
    assert drop["execution_arn"] != ingest_of()
    assert clock


def test_a_drop_that_was_rejected_for_an_open_upload_is_taken_in_when_none_is_open(
    aws: "S3Client", clock: time_machine.Traveller
) -> None:
    dropping.drop(aws, {"a": b"1"})
    key = f"{dropping.PREFIX}b"
    upload = aws.create_multipart_upload(Bucket="landing", Key=key)["UploadId"]
    reported(aws, status="rejected", code="still_arriving", files=("b",), count=1)
    swept()
    assert started() == []
    aws.abort_multipart_upload(Bucket="landing", Key=key, UploadId=upload)
    swept()
    assert len(started()) == 1
    assert clock


def test_a_rejected_drop_costs_at_most_five_requests_a_sweep(aws: "S3Client", clock: time_machine.Traveller) -> None:
    dropping.drop(aws, {})
    asked: list[str] = []
    for call in ("ListObjectsV2", "GetObject", "HeadObject"):
        clients.s3().meta.events.register(
            f"provide-client-params.s3.{call}", lambda params, **_: asked.append(params.get("Key") or params["Prefix"])
        )
    reported(aws, status="rejected", code="missing_files", files=tuple("abcdef"), count=900)
    for _ in range(4):
        asked.clear()
        swept()
        assert 0 < sum(key.startswith(dropping.PREFIX) for key in asked) <= 5
    assert clock


def test_files_that_come_after_the_archive_are_named_in_the_status_and_in_scicat(
    aws: "S3Client", clock: time_machine.Traveller, scicat: Scicat
) -> None:
    pid = "20.500.11935/any"
    scicat.add_dataset(pid)
    sources.record_upload(pid, Upload(prefix=dropping.PREFIX, documents=("dataset.json", "dataset.status.json")))
    dropping.drop(aws, {})
    reported(aws, status="archived", pid=pid, job="any-job")
    swept()
    assert "archiveReturnMessage" not in scicat.lifecycle(pid)

    aws.put_object(Bucket="landing", Key=f"{dropping.PREFIX}late.mrc", Body=b"1")
    clock.shift(timedelta(hours=1))
    swept()

    status = dropping.the_status(aws)
    assert (status["status"], status["files"], status["count"], status["job"]) == (
        "archived",
        ["late.mrc"],
        1,
        "any-job",
    )
    (warning,) = scicat.lifecycle(pid)["archiveReturnMessage"]["warnings"]
    assert (warning["code"], warning["files"], warning["count"]) == ("left_behind", ["late.mrc"], 1)
    told = len(scicat.told)

    clock.shift(timedelta(hours=1))
    swept()
    assert len(scicat.told) == told

    aws.delete_object(Bucket="landing", Key=f"{dropping.PREFIX}late.mrc")
    clock.shift(timedelta(hours=1))
    swept()
    assert dropping.the_status(aws)["count"] == 0
    assert scicat.lifecycle(pid)["archiveReturnMessage"]["warnings"] == []


def test_what_another_folder_says_of_a_dataset_is_not_told_of_it(
    aws: "S3Client", clock: time_machine.Traveller, scicat: Scicat
) -> None:
    pid = "20.500.11935/any"
    scicat.add_dataset(pid)
    sources.record_upload(pid, Upload(prefix="incoming/its own/", documents=("dataset.json",)))
    aws.put_object(Bucket="landing", Key="incoming/its own/waits.mrc", Body=b"1")
    dropping.drop(aws, {})
    reported(aws, status="archived", pid=pid, job="any-job")

    clock.shift(timedelta(hours=1))
    swept()

    assert "archiveReturnMessage" not in scicat.lifecycle(pid)
    assert "Contents" not in aws.list_objects_v2(Bucket="landing", Prefix="incoming/its own/dataset.status.json")


@pytest.mark.parametrize(
    "key",
    [
        "incoming/dataset.json",
        "incoming/a/b/dataset.json",
        "incoming/a/b/c/dataset.json",
        "incoming/a/dAtAsEt.json",
        "incoming/a/dataset (1).json",
        "incoming/a/dataset.json.txt",
        "INcoming/a/dataset.json",
        "Incoming/dataset.json",
    ],
)
def test_what_was_meant_as_dataset_json_gets_an_answer_when_all_has_arrived(
    aws: "S3Client", clock: time_machine.Traveller, key: str
) -> None:
    aws.put_object(Bucket="landing", Key=key, Body=b"{}")
    clock.shift(timedelta(minutes=11))
    swept()
    (drop,) = started()
    assert (drop["misplaced"], drop["prefix"]) == (key, key.rpartition("/")[0] + "/")


def test_a_deeper_dataset_json_waits_for_its_folder_and_is_data_below_a_drop(
    aws: "S3Client", clock: time_machine.Traveller
) -> None:
    aws.put_object(Bucket="landing", Key=f"{dropping.PREFIX}b/dataset.json", Body=b"{}")
    clock.shift(timedelta(minutes=9))
    swept()
    aws.put_object(Bucket="landing", Key=f"{dropping.PREFIX}z.mrc", Body=b"1")
    clock.shift(timedelta(minutes=9))
    swept()
    dropping.drop(aws, {})
    clock.shift(timedelta(minutes=9))
    swept()
    assert started() == []


def test_a_misplaced_dataset_json_is_answered_once(aws: "S3Client", clock: time_machine.Traveller) -> None:
    aws.put_object(Bucket="landing", Key="incoming/a/b/dataset.json", Body=b"{}")
    clock.shift(timedelta(minutes=1))
    aws.put_object(Bucket="landing", Key="incoming/a/b/dataset.status.json", Body=a_report(code="misplaced_drop"))
    clock.shift(timedelta(minutes=11))
    swept()
    assert started() == []
