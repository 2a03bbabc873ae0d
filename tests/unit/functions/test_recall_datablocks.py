"""The step RecallDatablocks."""

import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import time_machine

from archiver.aws import clients
from archiver.errors import Code, ServiceRefused
from archiver.keys import Keys
from archiver.lts.polling import LONGEST_WAIT, SHORTEST_WAIT, wait_after
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.models.datablocks import WantedDatablock
from archiver.models.documents import Document
from archiver.models.states import RecallProgress
from archiver.retrieve.delivery import Refused
from archiver.retrieve.documents import REQUEST
from archiver.scicat import Job, JobDataset
from archiver.storage.documents import WANTED
from archiver.storage.run_folder import RunFolder
from functions.recall_datablocks.app import handler
from tests.support.account import LambdaContext, forget_what_processes_remember
from tests.support.archive import let_recalls_take, put_on_tape

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

LANE = {"job_id": "any-job", "run_id": "any-job-1", "pid": "any/a", "lane": 0, "lanes": 2, "done": True}
KEYS = tuple(Keys.datablock("any/a", "any-run-1", number) for number in (0, 1))


@pytest.fixture(autouse=True)
def tape(aws: "S3Client") -> None:
    """Two datablocks on tape, wanted by three runs."""
    for key in KEYS:
        put_on_tape(aws, key, b"any bytes")
    for run_id in ("any-job-1", "first-1", "second-1"):
        RunFolder(run_id).save(WANTED, [WantedDatablock(n, key, 9) for n, key in enumerate(KEYS)])


@pytest.fixture
def recalls() -> list[str]:
    """The keys that were asked for since ``note_recalls``."""
    return []


def note_recalls(recalls: list[str]) -> None:
    def note(params: dict[str, Any], **_: Any) -> None:
        recalls.append(params["Key"])

    clients.s3().meta.events.register("provide-client-params.s3.RestoreObject", note)


@pytest.fixture
def executions() -> dict[str, str]:
    """The ARNs of an execution that is ``running``, and of one that has ``ended``."""
    client = boto3.client("stepfunctions")

    def start(name: str, state: dict[str, Any]) -> str:
        machine = client.create_state_machine(
            name=name,
            definition=json.dumps({"StartAt": "Any", "States": {"Any": state}}),
            roleArn="arn:aws:iam::123456789012:role/any",
        )
        arn = client.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
        while name == "ended" and client.describe_execution(executionArn=arn)["status"] == "RUNNING":
            time.sleep(0.01)
        return arn

    return {
        "running": start("running", {"Type": "Wait", "Seconds": 3600, "End": True}),
        "ended": start("ended", {"Type": "Succeed"}),
    }


def look(run_id: str = "any-job-1", **progress: Any) -> RecallProgress:
    state = {"job_id": "any-job", "run_id": run_id, "pid": "any/a", "execution_arn": "any", "lanes": [0, 1]}
    return RecallProgress.model_validate(handler(state | progress, LambdaContext()))


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
    looks = [look(since=first.since) for _ in range(6)]

    assert [one.wait_seconds > 0 for one in looks] == sorted((one.wait_seconds > 0 for one in looks), reverse=True)
    assert looks[0].wait_seconds > 0
    assert looks[-1].wait_seconds == 0
    assert {one.since for one in looks if one.wait_seconds} == {first.since}
    assert looks[-1].since is None


def test_what_is_called_readable_and_was_not_read_is_waited_for_ever_longer(aws: "S3Client") -> None:
    for key in KEYS:
        aws.put_object(Bucket="lts", Key=key, Body=b"any bytes")
    begun = datetime.now(UTC)
    unread: dict[str, Any] = {"shares": {"done": json.dumps([LANE | {"on_tape": False}, LANE | {"on_tape": True}])}}
    waits: list[int] = []
    with time_machine.travel(begun, tick=False) as clock:
        progress = look(**unread)
        while sum(waits) < timedelta(hours=12).total_seconds():
            waits.append(progress.wait_seconds)
            clock.shift(progress.wait_seconds)
            again = look(**progress.model_dump())
            assert again.wait_seconds == 0
            progress = look(**again.model_dump() | unread)

    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (SHORTEST_WAIT.total_seconds(), LONGEST_WAIT.total_seconds())
    assert len(waits) < 100
    late = begun - timedelta(hours=25)
    with pytest.raises(ServiceRefused) as refused:
        look(**unread, unread_since=late)
    assert refused.value.reason.code is Code.RECALL_TIMEOUT


def test_a_copy_that_still_lies_in_the_retrieval_bucket_needs_no_recall(aws: "S3Client") -> None:
    for key in KEYS:
        aws.put_object(Bucket="retrieval", Key=key, Body=b"any bytes", ChecksumAlgorithm="CRC64NVME")

    assert look().wait_seconds == 0
    assert not any(is_asked_for(aws, key) for key in KEYS)


def test_a_datablock_that_the_storage_has_not_is_not_waited_for(aws: "S3Client") -> None:
    aws.delete_object(Bucket="lts", Key=KEYS[1])

    look()

    assert look().wait_seconds == 0


def test_the_wait_is_for_one_datablock_that_is_not_there_yet() -> None:
    waiting = look()

    assert waiting.wait_key in {Keys.wait(key, "any-job-1") for key in KEYS}


@pytest.mark.parametrize(("tier", "first", "second"), [("Standard", 12, 12), ("Expedited", 12, 12), ("Bulk", 48, 24)])
def test_g12_a_recall_is_asked_for_once_more_and_then_given_up(
    environment: pytest.MonkeyPatch, recalls: list[str], tier: str, first: int, second: int
) -> None:
    environment.setenv("LTS_RECALL_TIER", tier)
    forget_what_processes_remember()
    let_recalls_take(looks=1000)
    begin = look().since
    assert begin is not None
    note_recalls(recalls)

    with time_machine.travel(begin + timedelta(hours=first, minutes=-1)):
        assert look(since=begin).asked_again is None
        assert recalls == []
    with time_machine.travel(begin + timedelta(hours=first, minutes=1)):
        again = look(since=begin)
        assert again.wait_seconds == LONGEST_WAIT.total_seconds()
        assert sorted(recalls) == list(KEYS)
    waits: dict[str, Any] = {"since": begin, "asked_again": again.asked_again}
    with time_machine.travel(begin + timedelta(hours=first + second, minutes=-1)):
        assert look(**waits).asked_again == again.asked_again
        assert len(recalls) == len(KEYS)
    with time_machine.travel(begin + timedelta(hours=first + second, minutes=2)):
        with pytest.raises(ServiceRefused) as refused:
            look(**waits)
        assert (refused.value.reason.code, refused.value.reason.files) == (Code.RECALL_TIMEOUT, KEYS)


@pytest.fixture
def unreadable() -> set[str]:
    """The keys whose recalls end without a copy, by the next look."""
    keys: set[str] = set()

    def note_key(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["looked_at"] = params["Key"]

    def tell(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if context["looked_at"] in keys:
            parsed.pop("Restore", None)

    events = clients.s3().meta.events
    events.register("before-parameter-build.s3.HeadObject", note_key)
    events.register("after-call.s3.HeadObject", tell)
    return keys


def test_g13_a_failed_recall_is_asked_for_once_more_and_then_refused_while_the_others_go_on(
    recalls: list[str], unreadable: set[str]
) -> None:
    unreadable.add(KEYS[1])
    file = CatalogueFile(path="any.mrc", size=9, time="2024-01-01T00:00:00.000Z")
    folder = RunFolder("any-job-1")
    folder.save(
        Document("datablocks/000001.json", CatalogueDatablock), CatalogueDatablock(KEYS[1], 9, 9, None, "2", (file,))
    )
    note_recalls(recalls)

    assert [look().wait_seconds > 0 for _ in range(4)] == [True, True, False, False]

    assert Counter(recalls) == {KEYS[0]: 1, KEYS[1]: 2}
    assert folder.names("refused/") == ["refused/000001.json"]
    reason = folder.need(Document("refused/000001.json", Refused)).reason
    assert (reason.code, reason.files) == (Code.RECALL_FAILED, ("any.mrc",))


def test_g13_a_failed_recall_ends_the_job_that_names_files(unreadable: set[str]) -> None:
    asked = JobDataset("any/a", ("b.mrc",))
    RunFolder("any-job").save(REQUEST, Job("any-job", "retrieve", "any", (asked,), None, None, None))
    unreadable.add(KEYS[1])
    look()
    look()

    with pytest.raises(ServiceRefused) as refused:
        look()

    assert (refused.value.reason.code, refused.value.reason.files) == (Code.RECALL_FAILED, (KEYS[1],))


def test_g13_a_copy_that_was_readable_and_went_is_no_failed_recall(recalls: list[str], unreadable: set[str]) -> None:
    unreadable.add(KEYS[1])
    look()
    look()
    unreadable.clear()
    look()
    unreadable.add(KEYS[1])
    note_recalls(recalls)

    assert [look().wait_seconds > 0 for _ in range(2)] == [True, True]
    assert recalls == [KEYS[1], KEYS[1]]
    assert RunFolder("any-job-1").names("refused/") == []


def test_what_waited_for_nothing_any_more_has_its_whole_patience_again() -> None:
    look()
    done = look(since=datetime.now(UTC) - timedelta(hours=30), asked_again=datetime.now(UTC) - timedelta(hours=13))

    assert (done.wait_seconds, done.since, done.asked_again) == (0, None, None)


@pytest.mark.parametrize(("hours", "extended"), [(4, True), (6, False)])
def test_a_readable_copy_that_would_soon_go_is_kept(recalls: list[str], hours: int, *, extended: bool) -> None:
    look()
    expires = datetime.now(UTC) + timedelta(hours=hours)
    restored = f'ongoing-request="false", expiry-date="{expires:%a, %d %b %Y %H:%M:%S GMT}"'

    def soon(parsed: dict[str, Any], **_: Any) -> None:
        if "Restore" in parsed:
            parsed["Restore"] = restored

    clients.s3().meta.events.register("after-call.s3.HeadObject", soon)
    note_recalls(recalls)

    assert look().wait_seconds == 0
    assert sorted(recalls) == (list(KEYS) if extended else [])


def test_b09_a_second_run_waits_while_the_first_delivers_the_same_dataset(executions: dict[str, str]) -> None:
    look()
    assert look("first-1", execution_arn=executions["running"]).wait_seconds == 0
    waiting = look("second-1", execution_arn="any")

    assert waiting.wait_seconds > 0
    assert look("first-1", execution_arn=executions["running"]).wait_seconds == 0


def test_b09_a_second_run_goes_on_when_the_first_has_ended(executions: dict[str, str]) -> None:
    look()
    look("first-1", execution_arn=executions["ended"])

    assert look("second-1", execution_arn="any").wait_seconds == 0


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
