"""Two sweeps never overlap."""

from collections.abc import Callable
from typing import Any

from functions.claim_sweep.app import handler
from tests.support.account import LambdaContext


def claimed(run_id: str, arn: str) -> Any:
    told = handler({"run_id": run_id, "execution_arn": arn}, LambdaContext())
    assert told is not None
    return told["alone"]


def test_j10_while_a_sweep_runs_another_one_is_told_so(an_execution: Callable[..., str]) -> None:
    first, second = (an_execution("sweep", name, "RUNNING") for name in ("sweep-1", "sweep-2"))
    assert claimed("sweep-1", first) is True
    assert claimed("sweep-1", first) is True
    assert claimed("sweep-2", second) is False


def test_the_next_sweep_takes_over_from_one_that_ended(an_execution: Callable[..., str]) -> None:
    first, second = an_execution("sweep", "sweep-1", "FAILED"), an_execution("sweep", "sweep-2", "RUNNING")
    assert claimed("sweep-1", first) is True
    assert claimed("sweep-2", second) is True
    assert claimed("sweep-1", first) is False
