"""The step RecallDatablocks."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from archiver.errors import Code, ServiceRefused
from archiver.models import RecallProgress, WantedDatablock
from archiver.storage import RunFolder
from functions.recall_datablocks.app import LONGEST_WAIT, SHORTEST_WAIT, handler, wait_after
from tests.account import LambdaContext, forget_what_processes_remember
from tests.archive import let_recalls_take, put_on_tape

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

KEYS = ("any/0.tar", "any/1.tar")


@pytest.fixture(autouse=True)
def tape(aws: "S3Client") -> None:
    """Two datablocks on tape, wanted by a run."""
    for key in KEYS:
        put_on_tape(aws, key, b"any bytes")
    RunFolder("any-job-1").save("datablocks.json", [WantedDatablock(n, key, 9) for n, key in enumerate(KEYS)])


def look(since: datetime | None = None) -> RecallProgress:
    state = {"job_id": "any-job", "run_id": "any-job-1", "pid": "any/a", "lanes": [0, 1], "since": since}
    return RecallProgress.model_validate(handler(state, LambdaContext()))


def is_asked_for(s3: "S3Client", key: str) -> bool:
    return "Restore" in s3.head_object(Bucket="lts", Key=key)


def test_what_lies_on_tape_is_asked_for_and_soon_looked_at_again(aws: "S3Client") -> None:
    asked = look()

    assert asked.wait_seconds == SHORTEST_WAIT.total_seconds()
    assert asked.since is not None
    assert all(is_asked_for(aws, key) for key in KEYS)


def test_looking_goes_on_until_all_can_be_read() -> None:
    let_recalls_take(looks=3)
    first = look()
    looks = [look(first.since) for _ in range(6)]

    assert [one.wait_seconds > 0 for one in looks] == sorted((one.wait_seconds > 0 for one in looks), reverse=True)
    assert looks[0].wait_seconds > 0
    assert looks[-1].wait_seconds == 0
    assert {one.since for one in looks} == {first.since}


def test_a_copy_that_still_lies_in_the_retrieval_bucket_needs_no_recall(aws: "S3Client") -> None:
    for key in KEYS:
        aws.put_object(Bucket="retrieval", Key=key, Body=b"any bytes", ChecksumAlgorithm="CRC64NVME")

    assert look().wait_seconds == 0
    assert not any(is_asked_for(aws, key) for key in KEYS)


def test_a_datablock_that_the_storage_has_not_is_refused(aws: "S3Client") -> None:
    aws.delete_object(Bucket="lts", Key=KEYS[1])

    with pytest.raises(ServiceRefused) as refused:
        look()

    assert (refused.value.reason.code, refused.value.reason.files) == (Code.RECALL_FAILED, (KEYS[1],))


@pytest.mark.parametrize(("tier", "hours"), [("Standard", 24), ("Expedited", 24), ("Bulk", 72)])
def test_a_recall_is_given_up_at_the_deadline_of_its_tier(
    environment: pytest.MonkeyPatch, tier: str, hours: int
) -> None:
    environment.setenv("LTS_RECALL_TIER", tier)
    forget_what_processes_remember()
    let_recalls_take(looks=1000)
    now = datetime.now(UTC)

    assert look(now - timedelta(hours=hours - 1)).wait_seconds == LONGEST_WAIT.total_seconds()
    with pytest.raises(ServiceRefused) as refused:
        look(now - timedelta(hours=hours, minutes=1))

    assert (refused.value.reason.code, refused.value.reason.files) == (Code.RECALL_TIMEOUT, KEYS)


def test_waits_grow_so_that_three_days_take_few_looks() -> None:
    waited, looks = timedelta(), 0
    while waited < timedelta(hours=72):
        wait = wait_after(waited)
        assert SHORTEST_WAIT <= wait <= LONGEST_WAIT
        assert waited < timedelta(seconds=10) or wait <= waited / 4
        waited, looks = waited + wait, looks + 1

    assert looks < 500


def test_a_recall_of_seconds_is_noticed_within_seconds() -> None:
    waits: Any = [wait_after(timedelta(seconds=seconds)) for seconds in (0, 2, 4, 6)]

    assert sum(waits, timedelta()) <= timedelta(seconds=8)
