"""What `make sweep` prints."""

import json
from typing import Any

from local.sweeping import failures, lines, told_by

NOTHING: dict[str, Any] = {"part": "drops", "did": {}, "failed": 0}


def told(*parts: dict[str, Any]) -> str:
    return json.dumps([list(parts)])


def test_a_sweep_that_had_nothing_to_do_says_so() -> None:
    assert list(lines(told(NOTHING, NOTHING | {"part": "jobs"}))) == ["There was nothing to put right."]


def test_a_sweep_beside_another_one_says_so() -> None:
    output = json.dumps({"told": {"parts": json.dumps([{"alone": False, "run_id": "any"}])}})
    assert list(lines(told_by(output))) == ["Another sweep runs, and does the work."]


def test_a_sweep_says_what_it_did_and_what_it_could_not_do() -> None:
    parts = (
        NOTHING | {"did": {"drops taken in": 2}},
        NOTHING | {"part": "jobs", "failed": 1},
        NOTHING | {"part": "datasets", "failure": "ServiceUnavailable"},
    )
    assert list(lines(told(*parts))) == [
        "drops taken in: 2",
        "jobs that could not be put right: 1 (the log says which, and why)",
        "datasets were not swept to the end: ServiceUnavailable",
    ]


def test_why_functions_failed_is_told_once() -> None:
    reason = json.dumps({"code": "scicat_unavailable", "message": "SciCat did not answer."})
    cause = json.dumps({"errorMessage": reason, "errorType": "ServiceUnavailable"})
    failed = {"lambdaFunctionFailedEventDetails": {"error": "ServiceUnavailable", "cause": cause}}
    crashed = {"lambdaFunctionFailedEventDetails": {"error": "Runtime.ExitError", "cause": "{}"}}
    assert failures([{"type": "any"}, failed, failed, crashed]) == ["SciCat did not answer.", "Runtime.ExitError."]
