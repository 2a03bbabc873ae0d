"""A step's input is typed, its output is plain JSON, and it stops in time."""

import io
import json
import time

import pytest
from pydantic import ValidationError

from archiver.aws import metering
from archiver.deadline import deadline
from archiver.log import logger
from archiver.models.states import Failure, Run, RunFailed
from archiver.step import step
from tests.support.account import LambdaContext

RUN = {"job_id": "any-job", "run_id": "any-job-1", "pid": "any/pid"}


@step
def say_it_again(run: Run) -> Run:
    return run


@step
def take_note(run: RunFailed) -> RunFailed:
    return run


@step
def tell_nothing(run: Run) -> None:
    assert run.pid


@pytest.mark.usefixtures("environment")
class TestStep:
    def test_other_fields_of_the_state_are_left_behind(self, lambda_context: LambdaContext) -> None:
        assert say_it_again(RUN | {"other": 1}, lambda_context) == RUN

    def test_a_failure_is_passed_on_as_a_catch_wrote_it(self, lambda_context: LambdaContext) -> None:
        event = RUN | {"execution_arn": "arn:any", "failure": {"Error": "Any", "Cause": "because"}}
        assert take_note(event, lambda_context) == event
        assert Failure(error="Any").model_dump() == {"Error": "Any", "Cause": ""}

    def test_a_step_may_tell_nothing(self, lambda_context: LambdaContext) -> None:
        assert tell_nothing(RUN, lambda_context) is None

    @pytest.mark.parametrize("run_id", ["", "a/b", "a" * 81, "ä"])
    def test_an_input_that_is_none_is_refused(self, lambda_context: LambdaContext, run_id: str) -> None:
        with pytest.raises(ValidationError):
            say_it_again(RUN | {"run_id": run_id}, lambda_context)

    @pytest.mark.parametrize(("remaining", "slice_seconds", "at_most"), [(900, 5, 5), (60, 600, 30), (2, 600, 1)])
    def test_work_stops_before_lambda_stops_it(
        self, environment: pytest.MonkeyPatch, remaining: int, slice_seconds: int, at_most: int
    ) -> None:
        environment.setenv("SLICE_SECONDS", str(slice_seconds))
        left = []

        @step
        def measure(_: Run) -> None:
            left.append(deadline() - time.monotonic())

        measure(RUN, LambdaContext(seconds=remaining))
        assert at_most - 1 < left[0] <= at_most

    def test_the_log_tells_what_the_step_asked_of_s3(self, monkeypatch: pytest.MonkeyPatch) -> None:
        log = io.StringIO()
        monkeypatch.setattr(logger.registered_handler, "stream", log)

        @step
        def ask(_: Run) -> None:
            metering.count("read", 10)
            metering.counter_of("s3")(event_name="before-send.s3.GetObject", request=None)

        ask(RUN, LambdaContext())
        told = json.loads(log.getvalue())
        assert (told["bytes"], told["requests"]) == ({"read": 10}, {"s3 GetObject": 1})
        assert told["request_id"] == LambdaContext().aws_request_id

    def test_the_log_names_the_run_and_the_step(self, monkeypatch: pytest.MonkeyPatch) -> None:
        log = io.StringIO()
        monkeypatch.setattr(logger.registered_handler, "stream", log)
        say_it_again(RUN, LambdaContext(function_name="AnyStep"))
        said = json.loads(log.getvalue())
        assert {name: said[name] for name in ("run_id", "pid", "step")} == {
            "run_id": "any-job-1",
            "pid": "any/pid",
            "step": "AnyStep",
        }
