"""Each run that left its lease is told how it ends, and may write no more."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest
import time_machine

from archiver.errors import Code, Reason, ServiceRefused
from archiver.ingest import DropStatus
from archiver.ingest.documents import DROP_OUTCOME
from archiver.models.states import Failure, Lease, RunOutcome
from archiver.reporting import failures, lifecycle
from archiver.storage import leases
from archiver.storage.documents import OUTCOME
from archiver.storage.run_folder import RunFolder
from functions.sweep_runs.app import MAX_RUNS, handler
from tests.support import dropping
from tests.support.account import LambdaContext

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PID = "20.500.11935/any"
RUN = "any-job-1"


@pytest.fixture
def sweep(an_execution: Callable[..., str]) -> dict[str, str]:
    """A sweep that runs."""
    return {"run_id": "any-sweep", "execution_arn": an_execution("sweep", "any-sweep", "RUNNING")}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime.now(UTC)) as traveller:
        yield traveller


def take_lease(arn: str, run_id: str = RUN, subject: str = PID) -> None:
    assert leases.take_lease(subject, Lease(run_id=run_id, execution_arn=arn), ended=lambda _: False) is None


def found(sweep: dict[str, str]) -> list[dict[str, Any]]:
    told = handler(sweep, LambdaContext())
    assert told is not None
    runs: list[dict[str, Any]] = told["runs"]
    return runs


def reason(run: dict[str, Any]) -> Reason:
    return failures.reason_of(Failure.model_validate(run["failure"]))


def test_a_run_that_goes_on_is_left_alone(an_execution: Callable[..., str], sweep: dict[str, str]) -> None:
    take_lease(an_execution("archive_dataset", RUN, "RUNNING"))
    assert found(sweep) == []
    leases.hold_lease(PID, RUN)


def test_a_run_that_was_stopped_is_rolled_back_when_its_last_call_must_be_over(
    an_execution: Callable[..., str], sweep: dict[str, str], clock: time_machine.Traveller
) -> None:
    take_lease(an_execution("archive_dataset", RUN, "ABORTED"))
    clock.shift(timedelta(seconds=50))

    (run,) = found(sweep)

    assert (run["ending"], run["run_id"], run["job_id"], run["pid"]) == ("roll_back", RUN, "any-job", PID)
    assert reason(run).code == "cancelled"
    assert 60 <= run["wait_seconds"] <= 70
    with pytest.raises(ServiceRefused, match="lease_lost"):
        leases.hold_lease(PID, RUN)
    assert leases.holds_lease(PID, RUN)
    # Another sweep does not take what this one settles.
    assert found(sweep) == []


def test_a_sweep_that_died_is_taken_over_from(an_execution: Callable[..., str], sweep: dict[str, str]) -> None:
    take_lease(an_execution("archive_dataset", RUN, "ABORTED"))
    found({"run_id": "dead-sweep", "execution_arn": an_execution("sweep", "dead-sweep", "FAILED")})
    assert [run["run_id"] for run in found(sweep)] == [RUN]


@pytest.mark.parametrize(
    ("outcome", "ending"), [("done", "clean_up"), ("rejected", "roll_back"), ("pending", "register")]
)
def test_a_run_ends_as_it_wrote_down(
    an_execution: Callable[..., str],
    sweep: dict[str, str],
    outcome: Literal["done", "rejected", "pending"],
    ending: str,
) -> None:
    take_lease(an_execution("archive_dataset", RUN, "FAILED"))
    written = RunOutcome(pid=PID, outcome=outcome, code="missing_files", message="Any.", files=("a", "b"), count=200)
    RunFolder(RUN).save(OUTCOME, written)

    (run,) = found(sweep)

    assert run["ending"] == ending
    if ending == "roll_back":
        assert reason(run) == Reason(Code.MISSING_FILES, "Any.", ("a", "b"), 200)
    # Whoever is to register is not kept from it.
    lease = leases.read_lease(PID)
    assert lease is not None
    assert bool(lease.swept_by) is (ending != "register")


def test_an_ingest_ends_as_its_status_says_or_as_its_execution(
    aws: "S3Client", an_execution: Callable[..., str], sweep: dict[str, str]
) -> None:
    names = ["stopped", "rejected", "requested"]
    for name in names:
        take_lease(an_execution("ingest", name, "ABORTED"), name, f"incoming/{name}/")
    arn = dropping.EXECUTION_ARN.replace(dropping.RUN_ID, "rejected")
    status = DropStatus(status="rejected", message="Any.", code="bad_path", execution=arn)
    aws.put_object(
        Bucket="landing", Key="incoming/rejected/dataset.status.json", Body=status.model_dump_json().encode()
    )
    RunFolder("requested").save(DROP_OUTCOME, DropStatus(status="requested", message="Any."))

    runs = {run["run_id"]: run for run in found(sweep)}

    assert {run["ending"] for run in runs.values()} == {"drop"}
    assert reason(runs["stopped"]).code == "cancelled"
    assert reason(runs["rejected"]).code == "bad_path"
    assert runs["requested"]["failure"] is None
    assert runs["requested"]["prefix"] == "incoming/requested/"


def test_a_few_runs_are_settled_at_a_time_and_none_is_forgotten(
    an_execution: Callable[..., str], sweep: dict[str, str]
) -> None:
    arn = an_execution("archive_dataset", RUN, "ABORTED")
    names = {f"job-{number}" for number in range(MAX_RUNS + 1)}
    for name in names:
        take_lease(arn, name, f"any/{name}")

    first = handler(sweep, LambdaContext())
    assert first is not None
    assert (first["done"], len(first["runs"])) == (False, MAX_RUNS)
    last = handler(sweep | {"cursor": first["cursor"]}, LambdaContext())
    assert last is not None
    assert last["done"] is True
    assert {run["run_id"] for run in [*first["runs"], *last["runs"]]} == names


def test_a_run_that_could_not_be_settled_for_an_hour_is_counted(
    an_execution: Callable[..., str],
    sweep: dict[str, str],
    clock: time_machine.Traveller,
    capsys: pytest.CaptureFixture[str],
) -> None:
    take_lease(an_execution("archive_dataset", RUN, "FAILED"))
    RunFolder(RUN).save(OUTCOME, lifecycle.pending_outcome(PID, Code.SCICAT_UNAVAILABLE))
    found(sweep)
    assert "OverdueRuns" not in capsys.readouterr().out

    clock.shift(timedelta(minutes=61))
    found(sweep)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metric,) = [line for line in lines if "OverdueRuns" in line]
    assert metric["OverdueRuns"] == [1.0]
    assert metric["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "any-stack"
    assert metric["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]
