"""The recall in ``retrieve_dataset``: waits and what ends them, deadlines, jobs at once, what is still there."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import time_machine
from botocore.exceptions import ClientError
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)

from archiver.aws import clients
from archiver.models.states import JobKind
from functions.deliver_datablocks.app import handler as deliver
from functions.end_wait.app import handler as end_wait
from functions.recall_datablocks.app import handler as recall
from functions.store_datablock.app import handler as store
from tests.support.account import LambdaContext, forget_what_processes_remember
from tests.support.archive import ANY_PID, an_archived_dataset
from tests.support.catalogue import Scicat
from tests.support.dataset import ADataset
from tests.workflow.conftest import Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

RECALLED = 'ongoing-request="false", expiry-date="Fri, 31 Dec 2100 00:00:00 GMT"'


@dataclass(slots=True)
class Tape:
    """The tape's say: what was asked for becomes readable when the test lets it."""

    # How often each key was asked for, and how many deliveries of it were begun.
    recalls: Counter[str] = field(default_factory=Counter)
    deliveries: Counter[str] = field(default_factory=Counter)
    readable: bool = False
    # The one that never comes.
    stuck: str = ""
    _recalled: set[str] = field(default_factory=set)

    def forget_recalls(self) -> None:
        """All goes back to tape."""
        self._recalled.clear()
        self.readable = False

    def note_recall(self, params: dict[str, Any], **_: Any) -> None:
        self.recalls[params["Key"]] += 1
        self._recalled.add(params["Key"])

    def note_delivery(self, params: dict[str, Any], **_: Any) -> None:
        self.deliveries[params["Key"]] += 1

    def note_look(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["looked_at"] = params["Key"]

    def tell(self, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if parsed.get("StorageClass") != "GLACIER":
            return
        parsed.pop("Restore", None)
        key = context["looked_at"]
        if key in self._recalled:
            parsed["Restore"] = RECALLED if self.readable and key != self.stuck else 'ongoing-request="true"'


@pytest.fixture
def tape(aws: "S3Client") -> Tape:
    assert aws
    tape = Tape()
    events = clients.s3().meta.events
    events.register("provide-client-params.s3.RestoreObject", tape.note_recall)
    events.register("provide-client-params.s3.CreateMultipartUpload", tape.note_delivery)
    events.register("before-parameter-build.s3.HeadObject", tape.note_look)
    events.register("after-call.s3.HeadObject", tape.tell)
    return tape


@pytest.fixture
def bulk(environment: pytest.MonkeyPatch) -> None:
    """The tier that may take 48 hours."""
    environment.setenv("LTS_RECALL_TIER", "Bulk")
    forget_what_processes_remember()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that the test moves; meanwhile it goes on."""
    with time_machine.travel(datetime.now(UTC)) as traveller:
        yield traveller


def start(workflows: Workflows, scicat: Scicat) -> tuple[str, str]:
    """Begin a retrieve job of the dataset; returns its id and the ARN of its execution."""
    job_id = scicat.add_job("retrieve", ANY_PID)
    return job_id, workflows.start("retrieve", {"job_id": job_id, "kind": JobKind.RETRIEVE}, name=job_id)


def run_of(workflows: Workflows, job_id: str) -> str:
    """The ARN of the execution that retrieves a job's dataset, as soon as it is there."""
    while True:
        found = [arn for arn in workflows.executions("retrieve_dataset") if arn.endswith(f":{job_id}-1")]
        if found:
            return found[0]
        time.sleep(0.01)


def await_wait(workflows: Workflows, job_id: str) -> None:
    """Until a job's execution waits for tape."""
    arn = run_of(workflows, job_id)
    while "WaitForTape" not in workflows.states(arn):
        time.sleep(0.01)


def waits(s3: "S3Client") -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket="staging", Prefix="waits/").get("Contents", [])]


def retrieved(s3: "S3Client") -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket="retrieval").get("Contents", [])
    return {one["Key"]: s3.get_object(Bucket="retrieval", Key=one["Key"])["Body"].read() for one in found}


def test_an_event_of_the_storage_ends_the_wait_early(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", tape: Tape
) -> None:
    tars = an_archived_dataset(aws, scicat)
    workflows.wait_seconds = 3600
    job_id, arn = start(workflows, scicat)
    await_wait(workflows, job_id)
    while not waits(aws):
        time.sleep(0.01)

    tape.readable = True
    for key in tars:
        end_wait({"detail": {"bucket": {"name": "lts"}, "object": {"key": key}}}, LambdaContext())

    assert workflows.wait(arn).status == "SUCCEEDED"
    assert retrieved(aws) == tars
    assert workflows.states(run_of(workflows, job_id)).count("WaitForTape") == 1
    assert waits(aws) == []


def test_without_an_event_the_wait_ends_by_itself(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", tape: Tape
) -> None:
    tars = an_archived_dataset(aws, scicat)
    job_id, arn = start(workflows, scicat)
    await_wait(workflows, job_id)

    tape.readable = True

    assert workflows.wait(arn).status == "SUCCEEDED"
    assert retrieved(aws) == tars


def test_a_wait_that_cannot_be_written_down_is_only_not_ended_early(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", tape: Tape, environment: pytest.MonkeyPatch
) -> None:
    an_archived_dataset(aws, scicat)

    def refuse(*_: Any, **__: Any) -> None:
        tape.readable = True
        answer: Any = {"Error": {"Code": "SlowDown", "Message": "any"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
        answer["ResponseMetadata"]["RequestId"] = "any"
        raise ClientError(answer, "PutObject")

    environment.setattr(StateTaskServiceAwsSdk, "_eval_service_task", refuse)

    job_id, arn = start(workflows, scicat)

    assert workflows.wait(arn).status == "SUCCEEDED"
    assert workflows.states(run_of(workflows, job_id)).count("WaitTheTimeOut") == 1


@pytest.mark.usefixtures("bulk")
def test_a_recall_of_48_hours_takes_few_events(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", tape: Tape, clock: time_machine.Traveller
) -> None:
    tars = an_archived_dataset(aws, scicat, blocks=({"a.mrc": b"any"},))
    workflows.wait_seconds = 0.001
    begin = datetime.now(UTC)
    waited: list[int] = []

    def look(progress: Any, context: LambdaContext) -> Any:
        tape.readable = datetime.now(UTC) - begin >= timedelta(hours=47)
        after = recall(progress, context)
        assert after is not None
        waited.append(after["wait_seconds"])
        clock.shift(after["wait_seconds"])
        return after

    workflows.replace("RecallDatablocks", look)

    job_id, arn = start(workflows, scicat)

    assert workflows.wait(arn).status == "SUCCEEDED"
    assert retrieved(aws) == tars
    assert sum(waited) >= 47 * 3600
    assert (waited[0], max(waited)) == (2, 600)
    assert tape.recalls == dict.fromkeys(tars, 1)
    pages = boto3.client("stepfunctions").get_paginator("get_execution_history")
    events = [event for page in pages.paginate(executionArn=run_of(workflows, job_id)) for event in page["events"]]
    assert len(events) < 5_000


def let_hours_pass(workflows: Workflows, clock: time_machine.Traveller, hours: int) -> None:
    """Move the clock so far after each look at the tape."""

    def look(progress: Any, context: LambdaContext) -> Any:
        after = recall(progress, context)
        clock.shift(timedelta(hours=hours))
        return after

    workflows.replace("RecallDatablocks", look)


def test_g12_a_recall_that_never_completes_is_asked_for_once_more_and_then_told_to_scicat(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", tape: Tape, clock: time_machine.Traveller
) -> None:
    tars = an_archived_dataset(aws, scicat)
    let_hours_pass(workflows, clock, 5)

    job_id, arn = start(workflows, scicat)

    assert workflows.wait(arn).error == "finishedUnsuccessful"
    assert tape.recalls == dict.fromkeys(tars, 2)
    lifecycle = scicat.lifecycle(ANY_PID)
    assert lifecycle["retrieveStatusMessage"] == "scheduleRetrieveJobFailed"
    assert lifecycle["retrieveReturnMessage"]["code"] == "recall_timeout"
    assert lifecycle["retrieveReturnMessage"]["files"] == list(tars)
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, True)
    assert "recall_timeout" in scicat.job(job_id)["statusMessage"]


def test_g14_what_was_recalled_stays_and_is_not_asked_for_again_when_one_datablock_never_came(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", tape: Tape, clock: time_machine.Traveller
) -> None:
    tars = an_archived_dataset(aws, scicat)
    stuck = next(iter(tars))
    tape.readable, tape.stuck = True, stuck
    let_hours_pass(workflows, clock, 8)
    _, arn = start(workflows, scicat)
    assert workflows.wait(arn).status == "FAILED"
    assert scicat.lifecycle(ANY_PID)["retrieveReturnMessage"]["files"] == [stuck]

    tape.stuck = ""
    _, arn = start(workflows, scicat)

    assert workflows.wait(arn).status == "SUCCEEDED"
    assert tape.recalls == dict.fromkeys(tars, 1) | {stuck: 2}
    assert retrieved(aws) == tars


def test_b09_two_jobs_for_one_dataset_share_recall_and_transfer_and_both_succeed(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", tape: Tape
) -> None:
    tars = an_archived_dataset(aws, scicat)
    first, first_arn = start(workflows, scicat)
    await_wait(workflows, first)
    second, second_arn = start(workflows, scicat)
    await_wait(workflows, second)

    tape.readable = True

    assert [workflows.wait(arn).status for arn in (first_arn, second_arn)] == ["SUCCEEDED", "SUCCEEDED"]
    assert tape.recalls == dict.fromkeys(tars, 1)
    assert tape.deliveries == dict.fromkeys(tars, 1)
    for job_id in (first, second):
        job = scicat.job(job_id)
        assert job["statusCode"] == "finishedSuccessful"
        assert len(job["jobResultObject"]["result"]) == len(tars)
    assert retrieved(aws) == tars


def test_b09_a_job_goes_on_where_the_one_it_waited_for_was_stopped_while_it_delivered(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", tape: Tape
) -> None:
    tars = an_archived_dataset(aws, scicat)
    tape.readable = True
    stopped: list[str] = []

    def stop(work: Any, context: LambdaContext) -> Any:
        if not stopped:
            stopped.append(run_of(workflows, work["job_id"]))
            boto3.client("stepfunctions").stop_execution(executionArn=stopped[0])
        return deliver(work, context)

    workflows.replace("DeliverDatablocks", stop)
    first, first_arn = start(workflows, scicat)
    assert workflows.wait(first_arn).status == "FAILED"

    second, second_arn = start(workflows, scicat)

    assert workflows.wait(second_arn).status == "SUCCEEDED"
    assert [scicat.job(job)["statusCode"] for job in (first, second)] == ["finishedUnsuccessful", "finishedSuccessful"]
    assert retrieved(aws) == tars


def test_b13_a_retrieval_stopped_while_tape_works_leaves_its_recall_to_the_next(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", tape: Tape
) -> None:
    tars = an_archived_dataset(aws, scicat)
    first, first_arn = start(workflows, scicat)
    await_wait(workflows, first)
    boto3.client("stepfunctions").stop_execution(executionArn=run_of(workflows, first))
    assert workflows.wait(first_arn).error == "finishedUnsuccessful"
    assert scicat.job(first)["statusCode"] == "finishedUnsuccessful"
    assert f"{ANY_PID}: cancelled: " in scicat.job(first)["statusMessage"]
    assert retrieved(aws) == {}

    second, second_arn = start(workflows, scicat)
    await_wait(workflows, second)
    tape.readable = True

    assert workflows.wait(second_arn).status == "SUCCEEDED"
    assert tape.recalls == dict.fromkeys(tars, 1)
    assert retrieved(aws) == tars


def test_b08_a_retrieval_of_what_is_being_archived_is_refused_and_the_archiving_goes_on(
    workflows: Workflows, aws: "S3Client", scicat: Scicat
) -> None:
    dataset = ADataset(aws, scicat)
    scicat.set_lifecycle(dataset.pid, archivable=True, retrievable=True)
    archive_job = scicat.add_job("archive", dataset.pid)
    retrieve_job = scicat.add_job("retrieve", dataset.pid)

    def store_while_it_is_retrieved(work: Any, context: LambdaContext) -> Any:
        if workflows.calls["StoreDatablock"] == 1:
            end = workflows.run("retrieve", {"job_id": retrieve_job, "kind": JobKind.RETRIEVE}, name=retrieve_job)
            assert end.error == "finishedWithDatasetErrors"
        return store(work, context)

    workflows.replace("StoreDatablock", store_while_it_is_retrieved)

    workflows.run("archive", {"job_id": archive_job, "kind": JobKind.ARCHIVE}, name=archive_job)

    assert "not_archived" in scicat.job(retrieve_job)["statusMessage"]
    assert scicat.job(archive_job)["statusCode"] == "finishedSuccessful"
    lifecycle = scicat.lifecycle(dataset.pid)
    assert lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, True)
    assert lifecycle["retrieveReturnMessage"]["code"] == "not_archived"


def test_what_tape_took_back_before_it_was_read_is_recalled_once_more(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", tape: Tape, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LANES", "1")
    tars = an_archived_dataset(aws, scicat)
    tape.readable = True

    def too_late(work: Any, context: LambdaContext) -> Any:
        if workflows.calls["DeliverDatablocks"] == 1:
            tape.forget_recalls()
            done = deliver(work, context)
            tape.readable = True
            return done
        return deliver(work, context)

    workflows.replace("DeliverDatablocks", too_late)

    job_id, arn = start(workflows, scicat)

    assert workflows.wait(arn).status == "SUCCEEDED"
    assert retrieved(aws) == tars
    assert tape.recalls == dict.fromkeys(tars, 2)
    states = workflows.states(run_of(workflows, job_id))
    assert states.count("ShareDatablocks") == 2


def test_copies_that_are_still_there_are_reused_and_live_as_long_as_new_ones(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", tape: Tape, clock: time_machine.Traveller
) -> None:
    tars = an_archived_dataset(aws, scicat)
    tape.readable = True
    _, arn = start(workflows, scicat)
    workflows.wait(arn)
    tape.forget_recalls()
    clock.shift(timedelta(days=5))

    job_id, arn = start(workflows, scicat)

    assert workflows.wait(arn).status == "SUCCEEDED"
    assert "WaitForTape" not in workflows.states(run_of(workflows, job_id))
    assert tape.recalls == dict.fromkeys(tars, 1)
    assert retrieved(aws) == tars
    modified = {one["LastModified"].date() for one in aws.list_objects_v2(Bucket="retrieval")["Contents"]}
    assert modified == {datetime.now(UTC).date()}
