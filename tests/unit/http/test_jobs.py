"""SciCat starts jobs here, once each; whoever has the account sees how far they are."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from archiver import scicat as scicat_client
from archiver.http import patience
from archiver.models import JobBegun, JobKind, Run, RunOutcome, Snapshot
from archiver.scicat import JobStatus
from archiver.storage import RunFolder
from mocks.scicat.testing import RunningScicat
from tests.archiver_api import Api
from tests.catalogue_jobs import ScicatUser
from tests.conftest import state_machine_arn

UNKNOWN_JOB = "00000000-0000-4000-8000-000000000000"
PATHS = ["/archiver/jobs", "/jobs"]
WAITS = json.dumps({"StartAt": "DoSomething", "States": {"DoSomething": {"Type": "Pass", "End": True}}})


@pytest.fixture(autouse=True)
def machines(api: Api) -> Iterator[Any]:
    """State machines under the names of ours, which do nothing. Yields the client of Step Functions."""
    assert api
    client = boto3.client("stepfunctions")
    for name in ("archive", "retrieve", "archive_dataset", "retrieve_dataset"):
        client.create_state_machine(name=name, definition=WAITS, roleArn="arn:aws:iam::123456789012:role/any")
    return client


def started(machines: Any, kind: str) -> dict[str, Any]:
    """The input of every execution of a workflow, by the execution's name."""
    executions = machines.list_executions(stateMachineArn=state_machine_arn(kind))["executions"]
    describe = machines.describe_execution
    return {one["name"]: json.loads(describe(executionArn=one["executionArn"])["input"]) for one in executions}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["archive", "retrieve"])
def test_a_job_is_started_under_its_own_id(api: Api, user: ScicatUser, machines: Any, path: str, kind: str) -> None:
    job_id = user.job(kind)

    answer = api.post(path, {"id": job_id, "type": kind})

    assert (answer.status, answer.json) == (201, {"uuid": job_id, "name": job_id})
    assert started(machines, kind) == {job_id: {"job_id": job_id, "kind": kind}}


def test_a_job_that_is_posted_again_gets_the_same_answer_and_one_execution(
    api: Api, user: ScicatUser, machines: Any
) -> None:
    job_id = user.job()

    answers = [api.post("/archiver/jobs", {"id": job_id, "type": "archive"}) for _ in range(3)]

    assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
    assert list(started(machines, "archive")) == [job_id]


@pytest.mark.parametrize("status", [JobStatus.FINISHED, JobStatus.DATASET_ERRORS, JobStatus.FAILED])
def test_a_job_that_has_ended_is_answered_alike_but_not_started(
    api: Api, user: ScicatUser, machines: Any, status: JobStatus
) -> None:
    job_id = user.job()
    scicat_client.catalogue().update_job(job_id, status, "any message")

    answer = api.post("/archiver/jobs", {"id": job_id, "type": "archive"})

    assert (answer.status, answer.json) == (201, {"uuid": job_id, "name": job_id})
    assert not started(machines, "archive")


def test_the_whole_job_of_api_v3_is_as_good_as_its_id_and_type(api: Api, user: ScicatUser, machines: Any) -> None:
    job_id = user.job("retrieve")
    whole = {
        "id": job_id,
        "emailJobInitiator": "user1@your.site",
        "type": "retrieve",
        "creationTime": "2026-11-23T08:49:26.910Z",
        "jobParams": {"username": "user1", "destinationPath": "/archive/retrieve"},
        "jobStatusMessage": "jobSubmitted",
        "datasetList": [{"pid": "the/list-is-read-from-SciCat", "files": []}],
    }

    assert api.post("/archiver/jobs", json.dumps(whole, indent=3)).status == 201
    assert started(machines, "retrieve") == {job_id: {"job_id": job_id, "kind": "retrieve"}}


@pytest.mark.usefixtures("scicat")
def test_b07_a_job_that_scicat_does_not_know_is_not_found(api: Api, machines: Any) -> None:
    answer = api.post("/archiver/jobs", {"id": UNKNOWN_JOB, "type": "archive"})

    assert (answer.status, answer.json["code"]) == (404, "job_unknown")
    assert not started(machines, "archive")


def test_a_job_that_scicat_knows_as_another_type_is_refused(api: Api, user: ScicatUser, machines: Any) -> None:
    answer = api.post("/archiver/jobs", {"id": user.job("archive"), "type": "retrieve"})

    assert answer.status == 422
    assert answer.json == {
        "detail": [
            {"loc": ["body", "type"], "msg": "SciCat knows this job as 'archive'.", "type": "job_type_mismatch"}
        ]
    }
    assert not started(machines, "retrieve")


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        ({"id": UNKNOWN_JOB}, ["body", "type"], "missing"),
        ({"type": "archive"}, ["body", "id"], "missing"),
        ({"id": "not-a-uuid", "type": "archive"}, ["body", "id"], "uuid_parsing"),
        ({"id": None, "type": "archive"}, ["body", "id"], "uuid_type"),
        ({"id": UNKNOWN_JOB, "type": "public"}, ["body", "type"], "enum"),
        ("", ["body"], "missing"),
        ("null", ["body"], "missing"),
        ("[]", ["body"], "model_attributes_type"),
        ('"text"', ["body"], "model_attributes_type"),
        ("1", ["body"], "model_attributes_type"),
        ("{", ["body", 1], "json_invalid"),
        ("[" * 100_000, ["body", 1024], "json_invalid"),
        ('{"id": NaN}', ["body", 7], "json_invalid"),
    ],
)
def test_b02_a_request_that_is_not_a_job_names_what_is_wrong(
    api: Api, body: object, loc: list[str | int], kind: str
) -> None:
    answer = api.post("/archiver/jobs", body)

    assert answer.status == 422
    (wrong,) = answer.json["detail"]
    assert set(wrong) == {"loc", "msg", "type"}
    assert (wrong["loc"], wrong["type"]) == (loc, kind)


def test_while_scicat_does_not_answer_the_caller_is_told_to_come_again(api: Api, machines: Any) -> None:
    answer = api.post("/archiver/jobs", {"id": UNKNOWN_JOB, "type": "archive"})

    assert (answer.status, answer.json["code"]) == (503, "scicat_unavailable")
    assert answer.headers["retry-after"] == "30"
    assert "127.0.0.1" not in answer.body
    assert not started(machines, "archive")


def test_b41_a_slow_scicat_does_not_keep_the_caller_waiting(
    api: Api, user: ScicatUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = user.job()
    monkeypatch.setattr(patience, "_SECONDS", 0.0)

    answer = api.post("/archiver/jobs", {"id": job_id, "type": "archive"})

    assert (answer.status, answer.json["code"]) == (503, "scicat_unavailable")


def test_when_scicat_refuses_our_account_the_caller_does_not_learn_why(
    api: Api, scicat: RunningScicat, environment: pytest.MonkeyPatch
) -> None:
    assert scicat
    boto3.client("secretsmanager").put_secret_value(
        SecretId="scicat", SecretString=json.dumps({"username": "archiver", "password": "any-wrong-password"})
    )
    assert environment

    answer = api.post("/archiver/jobs", {"id": UNKNOWN_JOB, "type": "archive"})

    assert (answer.status, answer.json["code"]) == (502, "scicat_forbidden")
    assert "login" not in answer.body


def begun(job_id: str, kind: JobKind = JobKind.ARCHIVE) -> Run:
    """Write down that a job began with one dataset; returns its run."""
    run = Run(job_id=job_id, run_id=f"{job_id}-1", pid="20.500.11935/any")
    RunFolder(job_id).save("job.json", JobBegun(job_id=job_id, kind=kind, runs=(run,)))
    return run


def execute(machines: Any, name: str, execution: str) -> None:
    machines.start_execution(stateMachineArn=state_machine_arn(name), name=execution, input="{}")


@pytest.mark.parametrize("kind", list(JobKind))
def test_a_job_that_has_not_begun_shows_no_datasets_yet(api: Api, machines: Any, kind: JobKind) -> None:
    execute(machines, kind, UNKNOWN_JOB)

    answer = api.show(UNKNOWN_JOB)

    assert answer.status == 200
    assert answer.json["type"] == kind
    assert answer.json["state"] in {"RUNNING", "SUCCEEDED"}
    assert answer.json["datasets"] == []


def test_a_job_that_runs_shows_how_far_each_dataset_is(api: Api, machines: Any) -> None:
    execute(machines, "archive", UNKNOWN_JOB)
    run = begun(UNKNOWN_JOB)
    RunFolder(run.run_id).save("snapshot.json", Snapshot(prefix="any/", files=3, size=4096, catalogue="any"))

    (dataset,) = api.show(UNKNOWN_JOB).json["datasets"]

    assert dataset["pid"] == run.pid
    assert dataset["run"] == run.run_id
    assert dataset["files"] == {"done": 0, "total": 3}
    assert dataset["bytes"] == {"done": 0, "total": 4096}
    assert dataset["code"] is None


def test_a_dataset_that_failed_shows_why(api: Api, machines: Any) -> None:
    execute(machines, "archive", UNKNOWN_JOB)
    run = begun(UNKNOWN_JOB)
    outcome = RunOutcome(pid=run.pid, outcome="rejected", code="missing_files", message="any.mrc is not there.")
    RunFolder(run.run_id).save("outcome.json", outcome)

    (dataset,) = api.show(UNKNOWN_JOB).json["datasets"]

    assert (dataset["code"], dataset["message"]) == ("missing_files", "any.mrc is not there.")


def test_a_job_that_was_never_started_is_not_found(api: Api) -> None:
    answer = api.show(UNKNOWN_JOB)

    assert (answer.status, answer.json["code"]) == (404, "job_unknown")


def test_what_is_not_a_job_id_is_refused(api: Api) -> None:
    answer = api.show("not-a-uuid")

    assert (answer.status, answer.json["detail"][0]["loc"]) == (422, ["path", "job_id"])
