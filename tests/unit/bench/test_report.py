"""Figures are read from logs and histories, and told as they are."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.harness.execution_histories import summary
from bench.harness.invocations import Watch, peak_memory
from bench.measure import growth

BEGUN = datetime(2026, 11, 23, tzinfo=UTC)


def a_call(request_id: str, memory_mb: int, milliseconds: float) -> list[str]:
    """What a step and Lambda write of one call."""
    said = {
        "message": "step finished",
        "step": "any-stack-PackageDatablock-5d90",
        "request_id": request_id,
        "run_id": "any-run",
        "seconds": 1.5,
        "bytes": {"read": 10},
        "requests": {"s3 GetObject": 2},
    }
    billed = f"Duration: {milliseconds} ms\tBilled Duration: {milliseconds:.0f} ms"
    return [
        json.dumps(said),
        f"REPORT RequestId: {request_id}\t{billed}\tMemory Size: 512 MB\tMax Memory Used: {memory_mb} MB\t",
    ]


def test_a_log_tells_of_each_call_that_ended_since_one_watches(tmp_path: Path) -> None:
    log = tmp_path / "any.log"
    log.write_text("\n".join(a_call("a-1", 300, 9_000)) + "\n")
    watch = Watch(tmp_path)
    others = [*a_call("b-2", 140, 2_000.5), *a_call("c-3", 90, 1.0), "REPORT RequestId: d-4\tDuration: 1.0 ms"]
    with log.open("a") as file:
        file.write("\n".join(others) + "\n")
    calls = watch.invocations()
    assert [(call.function, call.run_id, call.seconds) for call in calls] == [
        ("PackageDatablock", "any-run", 2.0005),
        ("PackageDatablock", "any-run", 0.001),
    ]
    assert peak_memory(calls) == {"PackageDatablock": 140}


def an_entry(name: str, after: float, kind: str, **details: Any) -> dict[str, Any]:
    """One event of a history."""
    entered = kind.endswith("Entered")
    key = "stateEnteredEventDetails" if entered else "stateExitedEventDetails"
    return {"type": kind, "timestamp": BEGUN + timedelta(seconds=after), key: {"name": name} | details}


def test_a_history_tells_how_long_each_step_took_from_its_first_call_to_its_last() -> None:
    history = summary(
        [
            an_entry("Package", 0, "TaskStateEntered", input="x" * 70),
            an_entry("Package", 2, "TaskStateExited"),
            an_entry("Package", 3, "TaskStateEntered"),
            an_entry("Package", 7, "TaskStateExited", output="x" * 90),
            an_entry("Seal", 7, "TaskStateEntered"),
            an_entry("Seal", 8, "TaskStateExited"),
        ]
    )
    assert history.steps == {"Package": 7, "Seal": 1}
    assert (history.events, history.transitions, history.largest_state) == (6, 3, 90)
    assert history.between("Package", "Seal") == 8


@pytest.mark.parametrize(("power", "is_wrong"), [(0, False), (1, False), (1.05, False), (2, True)])
def test_what_grows_faster_than_n_log_n_is_named(power: float, is_wrong: bool) -> None:
    rows = [(10**n, 1.0 * (10**n) ** power, 1.0) for n in range(2, 7)]
    (slope,) = growth.slopes({"any": rows})
    assert slope.seconds == pytest.approx(power, abs=0.01)
    assert bool(growth.wrong([slope])) is is_wrong
