"""A dropped dataset.json that nobody answered is answered."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from archiver import clients, runs, storage
from archiver.models import Lease
from functions.sweep_drops.app import handler
from tests import dropping
from tests.account import LambdaContext

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


def ingest_of(prefix: str = dropping.PREFIX) -> str:
    """The execution that takes in the drop as it lies in the bucket."""
    marker = next(found for found in storage.landing().list(prefix) if found.key.endswith("dataset.json"))
    drop = runs.drop_of(marker)
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


@pytest.mark.parametrize("key", ["incoming/any/a.mrc", "incoming/dataset.json", "elsewhere/any/dataset.json"])
def test_what_is_no_finished_drop_is_left_alone(aws: "S3Client", clock: time_machine.Traveller, key: str) -> None:
    aws.put_object(Bucket="landing", Key=key, Body=b"{}")
    clock.shift(timedelta(minutes=11))
    assert swept()["done"] is True


def test_an_answered_drop_is_looked_at_once_an_hour(aws: "S3Client", clock: time_machine.Traveller) -> None:
    dropping.drop(aws, {})
    aws.put_object(Bucket="landing", Key=f"{dropping.PREFIX}dataset.status.json", Body=b"{}")
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

    lease = storage.read_lease(dropping.PREFIX)
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
