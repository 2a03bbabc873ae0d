"""What dead runs left behind is removed, and nothing else."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine

from archiver.keys import Keys
from archiver.lts.long_term_storage import long_term_storage
from archiver.models.states import Lease
from archiver.storage import buckets as storage
from archiver.storage import leases
from functions.sweep_staging.app import handler
from tests.support.account import LambdaContext

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PID = "20.500.11935/any"
RUN = "any-job-1"
SWEEP = {"run_id": "any-sweep", "execution_arn": "arn:any:sweep"}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime.now(UTC)) as traveller:
        yield traveller


def leave_behind(run_id: str = RUN) -> set[str]:
    """A tar and an upload in staging, an upload and a tar in the long-term storage; returns their keys."""
    keys = [Keys.datablock(PID, run_id, number) for number in range(4)]
    lts = long_term_storage().bucket
    storage.staging().put(keys[0], b"tar")
    storage.staging().create_upload(keys[1])
    lts.create_upload(keys[2])
    lts.put(keys[3], b"archived")
    return set(keys)


def left() -> set[str]:
    buckets = storage.staging(), long_term_storage().bucket
    objects = {found.key for bucket in buckets for found in bucket.list(Keys.UPLOADS)}
    return objects | {key for bucket in buckets for key, _ in bucket.uploads("")}


def sweep() -> bool:
    told = handler(SWEEP, LambdaContext())
    assert told is not None
    return bool(told["done"])


@pytest.mark.parametrize("status", ["ABORTED", "FAILED"])
def test_tars_and_uploads_of_a_run_that_failed_long_ago_go_and_the_archive_stays(
    an_execution: Callable[..., str], clock: time_machine.Traveller, status: str
) -> None:
    leave_behind()
    an_execution("archive_dataset", RUN, status)
    clock.shift(timedelta(minutes=21))
    assert sweep()
    assert left() == {Keys.datablock(PID, RUN, 3)}


def test_of_a_run_that_came_through_the_uploads_of_late_calls_go_and_tars_stay(
    an_execution: Callable[..., str], clock: time_machine.Traveller
) -> None:
    leave_behind()
    an_execution("archive_dataset", RUN, "SUCCEEDED")
    clock.shift(timedelta(minutes=21))
    assert sweep()
    assert left() == {Keys.datablock(PID, RUN, 0), Keys.datablock(PID, RUN, 3)}


@pytest.mark.parametrize(("status", "minutes"), [("ABORTED", 19), ("RUNNING", 600)], ids=["young", "running"])
def test_what_may_still_be_needed_stays(
    an_execution: Callable[..., str], clock: time_machine.Traveller, status: str, minutes: int
) -> None:
    before = leave_behind()
    an_execution("archive_dataset", RUN, status)
    clock.shift(timedelta(minutes=minutes))
    assert sweep()
    assert left() == before


def test_what_carries_the_id_of_no_execution_of_ours_stays(
    aws: "S3Client", an_execution: Callable[..., str], clock: time_machine.Traveller
) -> None:
    before = leave_behind("somebody-elses-1")
    an_execution("archive_dataset", RUN, "ABORTED")
    aws.put_object(Bucket="staging", Key=f"{Keys.UPLOADS}{PID}/elsewhere/{RUN}/any.tar", Body=b"any")
    clock.shift(timedelta(minutes=21))
    assert sweep()
    assert left() == before | {f"{Keys.UPLOADS}{PID}/elsewhere/{RUN}/any.tar"}


def test_a_run_that_is_not_settled_yet_keeps_what_it_made(
    an_execution: Callable[..., str], clock: time_machine.Traveller
) -> None:
    before = leave_behind()
    arn = an_execution("archive_dataset", RUN, "FAILED")
    leases.take_lease(PID, Lease(run_id=RUN, execution_arn=arn), ended=lambda _: False)
    clock.shift(timedelta(days=1))
    assert sweep()
    assert left() == before


def test_a_sweep_whose_time_is_up_is_called_again(
    an_execution: Callable[..., str], clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind()
    an_execution("archive_dataset", RUN, "ABORTED")
    clock.shift(timedelta(minutes=21))
    monkeypatch.setattr("functions.sweep_staging.app.deadline", lambda: 0.0)
    calls = 1
    while not sweep():
        calls += 1
    assert calls == 4
    assert left() == {Keys.datablock(PID, RUN, 3)}
