"""SciCat starts jobs here, once each; whoever has the account sees how far they are."""

import json
import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

import boto3
import pytest

from archiver import scicat as scicat_client
from archiver.http import timeouts
from archiver.http.auth import tokens
from archiver.http.auth.callers import Caller
from archiver.models.datablocks import WantedDatablock
from archiver.models.states import JobBegun, JobKind, Run, RunOutcome, Snapshot
from archiver.packaging.progress import PLAN
from archiver.scicat import Catalogue, JobStatus
from archiver.storage.documents import JOB, OUTCOME, SNAPSHOT, WANTED
from archiver.storage.run_folder import RunFolder
from archiver.tar.layout import PlannedDatablock
from tests.support.account import CODES_PAGE, state_machine_arn
from tests.support.archiver_api import JOB_API_ACCOUNT, Answer, Api, basic, bearer, event
from tests.support.catalogue import Scicat
from tests.support.state_machines import await_first_state

UNKNOWN_JOB = "00000000-0000-4000-8000-000000000000"
PID = "20.500.11935/any"
PATHS = ["/archiver/jobs", "/jobs"]
# One step, which moto does by itself.
CLAIM = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:any", "End": True}
WAIT = json.dumps({"StartAt": "Any", "States": {"Any": {"Type": "Wait", "Seconds": 600, "End": True}}})
AS_SCICAT = {"Authorization": basic(*JOB_API_ACCOUNT)}
DEFINITION = json.dumps({"StartAt": "ClaimDataset", "States": {"ClaimDataset": CLAIM}})


@pytest.fixture(autouse=True)
def machines(api: Api) -> Any:
    """State machines under the names of ours, which do nothing. Returns the client of Step Functions."""
    assert api
    client = boto3.client("stepfunctions")
    for name in ("archive", "retrieve", "archive_dataset", "retrieve_dataset"):
        client.create_state_machine(name=name, definition=DEFINITION, roleArn="arn:aws:iam::123456789012:role/any")
    return client


def started(machines: Any, kind: str) -> dict[str, Any]:
    """The input of every execution of a workflow, by the execution's name."""
    executions = machines.list_executions(stateMachineArn=state_machine_arn(kind))["executions"]
    describe = machines.describe_execution
    return {
        execution["name"]: json.loads(describe(executionArn=execution["executionArn"])["input"])
        for execution in executions
    }


def a_job(scicat: Scicat, kind: str = "archive") -> str:
    """A job in SciCat, over one dataset; returns its id."""
    scicat.add_dataset(PID, archivable=kind == "archive", retrievable=kind == "retrieve")
    return scicat.add_job(kind, PID)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["archive", "retrieve"])
def test_a_job_is_started_under_its_own_id(api: Api, scicat: Scicat, machines: Any, path: str, kind: str) -> None:
    job_id = a_job(scicat, kind)

    answer = api.post(path, {"id": job_id, "type": kind})

    assert (answer.status, answer.json) == (201, {"uuid": job_id, "name": job_id})
    assert started(machines, kind) == {job_id: {"job_id": job_id, "kind": kind, "owner_group": "group1"}}


def test_b01_a_job_that_is_posted_again_gets_the_same_answer_and_one_execution(
    api: Api, scicat: Scicat, machines: Any
) -> None:
    job_id = a_job(scicat)

    answers = [api.post("/archiver/jobs", {"id": job_id, "type": "archive"}) for _ in range(3)]

    assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
    assert list(started(machines, "archive")) == [job_id]


@pytest.mark.parametrize("status", [JobStatus.FINISHED, JobStatus.DATASET_ERRORS, JobStatus.FAILED])
def test_a_job_that_has_ended_is_answered_alike_but_not_started(
    api: Api, scicat: Scicat, machines: Any, status: JobStatus
) -> None:
    job_id = a_job(scicat)
    scicat_client.catalogue().update_job(job_id, status, "any message")

    answer = api.post("/archiver/jobs", {"id": job_id, "type": "archive"})

    assert (answer.status, answer.json) == (201, {"uuid": job_id, "name": job_id})
    assert not started(machines, "archive")


def test_b06_of_the_whole_job_of_api_v3_only_id_and_type_are_read(api: Api, scicat: Scicat, machines: Any) -> None:
    job_id = a_job(scicat, "retrieve")
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
    assert started(machines, "retrieve") == {job_id: {"job_id": job_id, "kind": "retrieve", "owner_group": "group1"}}


@pytest.mark.usefixtures("scicat")
def test_b07_a_job_that_scicat_does_not_know_is_not_found(api: Api, machines: Any) -> None:
    answer = api.post("/archiver/jobs", {"id": UNKNOWN_JOB, "type": "archive"})

    assert (answer.status, answer.json["code"]) == (404, "job_unknown")
    assert not started(machines, "archive")


def test_a_job_that_scicat_knows_as_another_type_is_refused(api: Api, scicat: Scicat, machines: Any) -> None:
    answer = api.post("/archiver/jobs", {"id": a_job(scicat, "archive"), "type": "retrieve"})

    assert answer.status == 422
    assert answer.json == {
        "detail": [
            {
                "loc": ["body", "type"],
                "msg": "SciCat knows this job as 'archive'.",
                "type": "job_type_mismatch",
                "url": f"{CODES_PAGE}#job_type_mismatch",
            }
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
        ({"id": UNKNOWN_JOB, "type": "public"}, ["body", "type"], "job_type_unknown"),
        ("", ["body"], "missing"),
        ("null", ["body"], "missing"),
        ("[]", ["body"], "model_attributes_type"),
        ('"text"', ["body"], "model_attributes_type"),
        ("1", ["body"], "model_attributes_type"),
        ("{", ["body", 1], "json_invalid"),
        ('{"id": NaN}', ["body", 7], "json_invalid"),
    ],
)
def test_b02_a_request_that_is_not_a_job_names_what_is_wrong(
    api: Api, body: object, loc: list[str | int], kind: str
) -> None:
    answer = api.post("/archiver/jobs", body)

    assert answer.status == 422
    (wrong,) = answer.json["detail"]
    assert {"loc", "msg", "type"} <= set(wrong) <= {"loc", "msg", "type", "url"}
    assert (wrong["loc"], wrong["type"]) == (loc, kind)


def test_json_nested_too_deeply_is_refused(api: Api) -> None:
    answer = api.post("/archiver/jobs", "[" * 100_000)

    assert (answer.status, answer.json["detail"][0]["type"]) == (422, "json_invalid")


def test_while_scicat_does_not_answer_the_caller_is_told_to_come_again(api: Api, machines: Any) -> None:
    answer = api.post("/archiver/jobs", {"id": UNKNOWN_JOB, "type": "archive"})

    assert (answer.status, answer.json["code"]) == (503, "scicat_unavailable")
    assert answer.headers["retry-after"] == "30"
    assert "127.0.0.1" not in answer.body
    assert not started(machines, "archive")


def test_b41_a_slow_scicat_does_not_keep_the_caller_waiting(
    api: Api, scicat: Scicat, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = a_job(scicat)
    answers = Event()
    monkeypatch.setattr(Catalogue, "job", lambda *_: answers.wait())
    monkeypatch.setattr(timeouts, "_SECONDS", 0.0)

    answer = api.post("/archiver/jobs", {"id": job_id, "type": "archive"})
    answers.set()

    assert (answer.status, answer.json["code"]) == (503, "scicat_unavailable")


def test_f02_that_scicat_refuses_our_login_is_told_as_that_and_no_more(api: Api, scicat: Scicat) -> None:
    boto3.client("secretsmanager").put_secret_value(
        SecretId="scicat", SecretString=json.dumps({"username": "archiver", "password": "any-wrong-password"})
    )

    answer = api.post("/archiver/jobs", {"id": UNKNOWN_JOB, "type": "archive"})

    assert (answer.status, answer.json["code"]) == (503, "scicat_login")
    assert answer.json["message"] == "SciCat refuses the login of the archiver's own account. Its operator has to look."
    assert scicat.url not in answer.body


def test_f03_that_our_account_lacks_a_right_is_told_as_that_and_no_more(api: Api, scicat: Scicat) -> None:
    scicat.faults({"match": "^GET .*/jobs/", "status": 403, "body": '{"message": "Unauthorized to get this job."}'})

    answer = api.post("/archiver/jobs", {"id": UNKNOWN_JOB, "type": "archive"})

    assert (answer.status, answer.json["code"]) == (502, "scicat_forbidden")
    assert answer.json["message"] == "The archiver's own account lacks a right in SciCat. Its operator has to look."


def begun(job_id: str, kind: JobKind = JobKind.ARCHIVE) -> Run:
    """Write down that a job began with one dataset; returns its run."""
    run = Run(job_id=job_id, run_id=f"{job_id}-1", pid=PID)
    RunFolder(job_id).save(JOB, JobBegun(job_id=job_id, kind=kind, runs=(run,)))
    return run


def execute(machines: Any, name: str, execution: str) -> str:
    """Start an execution; returns its ARN when it is at work."""
    started = machines.start_execution(stateMachineArn=state_machine_arn(name), name=execution, input="{}")
    arn = str(started["executionArn"])
    await_first_state(machines, arn)
    return arn


@pytest.mark.parametrize("kind", list(JobKind))
def test_a_job_that_has_not_begun_shows_no_datasets_yet(api: Api, machines: Any, kind: JobKind) -> None:
    execute(machines, kind, UNKNOWN_JOB)

    answer = api.show(UNKNOWN_JOB)

    assert answer.status == 200
    assert answer.json["type"] == kind
    assert answer.json["state"] in {"RUNNING", "SUCCEEDED"}
    assert answer.json["datasets"] == []


@pytest.fixture
def archiving(machines: Any) -> RunFolder:
    """The folder of a run that archives three files of 4,096 bytes as two datablocks, the first of two slices."""
    execute(machines, "archive", UNKNOWN_JOB)
    folder = RunFolder(begun(UNKNOWN_JOB).run_id)
    folder.save(SNAPSHOT, Snapshot(prefix="any/", entries=3, files=3, size=12288, catalogue="any"))
    plan = [
        PlannedDatablock(number=1, first=0, entries=2, files=2, size=8192, packed_size=20480, parts=2, slices=2),
        PlannedDatablock(number=2, first=2, entries=1, files=1, size=4096, packed_size=10240, parts=1, slices=1),
    ]
    folder.save(PLAN, plan)
    return folder


@pytest.mark.parametrize(
    ("documents", "files", "size"),
    [
        ([], 0, 0),
        (["000001/upload.json"], 0, 0),
        (["000001/slices/000000.json"], 1, 4096),
        (["000001/slices/000000.json", "000001/slices/000001.json"], 2, 8192),
        (["000001/slices/000000.json", "000002/slices/000000.json"], 2, 8192),
        (["000001/sealed.json", "000002/slices/000000.json", "000002/sealed.json"], 3, 12288),
        # Packaged a second time, because S3 refused the bytes of the first.
        ([f"000001/slices/{piece}.json" for piece in ("000000", "000001", "000000-again", "000001-again")], 2, 8192),
    ],
)
def test_an_archiving_dataset_shows_what_was_packed(
    api: Api, archiving: RunFolder, documents: list[str], files: int, size: int
) -> None:
    for name in documents:
        archiving.write(f"datablocks/{name}", b"{}")

    (dataset,) = api.show(UNKNOWN_JOB).json["datasets"]

    assert (dataset["pid"], dataset["run"], dataset["code"]) == (PID, archiving.run_id, None)
    assert dataset["files"] == {"done": files, "total": 3}
    assert dataset["bytes"] == {"done": size, "total": 12288}


def test_a_retrieved_dataset_shows_what_was_delivered(api: Api, machines: Any) -> None:
    execute(machines, "retrieve", UNKNOWN_JOB)
    folder = RunFolder(begun(UNKNOWN_JOB, JobKind.RETRIEVE).run_id)
    folder.save(WANTED, [WantedDatablock(number, f"any_{number}.tar", 10240) for number in (0, 1)])
    folder.write("delivered/000001.json", b"{}")

    (dataset,) = api.show(UNKNOWN_JOB).json["datasets"]

    assert dataset["files"] == {"done": 1, "total": 2}
    assert dataset["bytes"] == {"done": 10240, "total": 20480}


def test_a_dataset_shows_the_step_that_its_execution_began_last(api: Api, machines: Any) -> None:
    execute(machines, "archive", UNKNOWN_JOB)
    run = begun(UNKNOWN_JOB)
    before = api.show(UNKNOWN_JOB).json["datasets"][0]["step"]
    execute(machines, "archive_dataset", run.run_id)

    assert before is None
    assert eventually(lambda: api.show(UNKNOWN_JOB).json["datasets"][0]["step"] == "ClaimDataset")


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds within five seconds."""
    deadline = time.monotonic() + 5
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


def test_a_job_over_many_datasets_shows_a_page_of_them(api: Api, machines: Any) -> None:
    execute(machines, "archive", UNKNOWN_JOB)
    runs = tuple(Run(job_id=UNKNOWN_JOB, run_id=f"{UNKNOWN_JOB}-{n}", pid=f"any/{n}") for n in range(5))
    RunFolder(UNKNOWN_JOB).save(JOB, JobBegun(job_id=UNKNOWN_JOB, kind=JobKind.ARCHIVE, runs=runs))

    answer = api.show(UNKNOWN_JOB, offset="1", limit="2")

    assert answer.json["total"] == 5
    assert [dataset["pid"] for dataset in answer.json["datasets"]] == ["any/1", "any/2"]


@pytest.mark.parametrize("query", [{"offset": "-1"}, {"limit": "0"}, {"limit": "101"}, {"limit": "many"}])
def test_a_page_that_cannot_be_is_refused(api: Api, query: dict[str, str]) -> None:
    answer = api.show(UNKNOWN_JOB, **query)

    assert (answer.status, answer.json["detail"][0]["loc"]) == (422, ["query", *query])


def test_a_dataset_that_failed_shows_why(api: Api, machines: Any) -> None:
    execute(machines, "archive", UNKNOWN_JOB)
    run = begun(UNKNOWN_JOB)
    outcome = RunOutcome(pid=run.pid, outcome="rejected", code="missing_files", message="any.mrc is not there.")
    RunFolder(run.run_id).save(OUTCOME, outcome)

    (dataset,) = api.show(UNKNOWN_JOB).json["datasets"]

    assert (dataset["code"], dataset["message"]) == ("missing_files", "any.mrc is not there.")


def test_a_job_that_was_never_started_is_not_found(api: Api) -> None:
    answers = [api.show(UNKNOWN_JOB), cancel(api)]

    assert [(answer.status, answer.json["code"]) for answer in answers] == [(404, "job_unknown")] * 2


def cancel(api: Api, job_id: str = UNKNOWN_JOB, headers: Mapping[str, str] | None = None) -> Answer:
    """Ask for the job's end, as SciCat unless the headers say otherwise."""
    return api.answer(event("POST", f"/archiver/jobs/{job_id}/cancel", headers=headers or AS_SCICAT))


@pytest.fixture
def waiting(api: Api) -> Any:
    """State machines whose executions do not end by themselves. Returns the client of Step Functions."""
    assert api
    client = boto3.client("stepfunctions")
    machines = client.list_state_machines()["stateMachines"]
    for machine in machines:
        client.update_state_machine(stateMachineArn=machine["stateMachineArn"], definition=WAIT)
    return client


def is_stopped(machines: Any, arn: str) -> bool:
    """Whether it is soon: moto's executions stop in threads of their own."""
    return eventually(lambda: machines.describe_execution(executionArn=arn)["status"] == "ABORTED")


@pytest.mark.parametrize("kind", list(JobKind))
def test_a_cancelled_job_is_stopped_with_the_runs_of_its_datasets(api: Api, waiting: Any, kind: JobKind) -> None:
    of_job = execute(waiting, kind, UNKNOWN_JOB)
    of_dataset = execute(waiting, f"{kind}_dataset", begun(UNKNOWN_JOB, kind).run_id)

    first = cancel(api)

    assert (first.status, first.json) == (202, {"uuid": UNKNOWN_JOB})
    assert is_stopped(waiting, of_job)
    assert is_stopped(waiting, of_dataset)
    second = cancel(api)
    assert (second.status, second.json["code"]) == (409, "job_ended")
    assert api.show(UNKNOWN_JOB).json["state"] == "ABORTED"


def test_a_job_that_has_not_begun_its_datasets_can_be_cancelled(api: Api, waiting: Any) -> None:
    arn = execute(waiting, "archive", UNKNOWN_JOB)

    assert cancel(api).status == 202
    assert is_stopped(waiting, arn)


def test_a_job_is_its_owners_to_see_and_to_cancel(api: Api, scicat: Scicat, waiting: Any) -> None:
    job_id = a_job(scicat)
    execute(waiting, "archive", job_id)
    owner, other = bearer(scicat.token("user1")), bearer(scicat.token("user2"))

    seen = [api.get(f"/archiver/jobs/{job_id}", headers).status for headers in (owner, other)]
    cancelled = [cancel(api, job_id, headers).status for headers in (other, owner)]

    assert (seen, cancelled) == ([200, 404], [404, 202])


def test_a_job_of_nobodys_is_not_whoevers_group_has_no_name(api: Api, scicat: Scicat, waiting: Any) -> None:
    job_id = a_job(scicat)
    execute(waiting, "archive", job_id)
    nobodys = scicat.job(job_id) | {"ownerUser": "", "ownerGroup": ""}
    scicat.faults({"match": f"^GET .*/jobs/{job_id}", "status": 200, "body": json.dumps(nobodys)})
    nameless = bearer(tokens.issue(Caller("nobody", frozenset({""}))).access_token)

    assert api.get(f"/archiver/jobs/{job_id}", nameless).status == 404
    assert cancel(api, job_id, nameless).status == 404


def test_what_is_not_a_job_id_is_refused(api: Api) -> None:
    answer = api.show("not-a-uuid")

    assert (answer.status, answer.json["detail"][0]["loc"]) == (422, ["path", "job_id"])
