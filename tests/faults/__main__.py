"""Run every test of a fault, then a great many random steps; say how much was looked at, and what did not hold."""

import io
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree as Xml

import typer
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine import TALLY, Service
from tests.faults.table import FaultTest, fault_tests
from tests.support.account import ROOT

# It takes minutes, so ``make test`` does without it.
_EVERY_CHECKPOINT = "tests/e2e/every_checkpoint.py"
_EXAMPLES_A_ROUND = 10
_STEPS_AN_EXAMPLE = 40


def main(
    steps: Annotated[int, typer.Option(help="So many random steps at least.")] = 10_000,
    first_seed: Annotated[int | None, typer.Option("--seed", help="Repeat the run that named this seed.")] = None,
    *,
    only_random: Annotated[bool, typer.Option(help="Leave the tests out.")] = False,
) -> None:
    """All tests of faults, then random steps."""
    tests_fine = only_random or _run_tests(fault_tests())
    steps_fine = _run_steps(steps, random.SystemRandom().randrange(10**6) if first_seed is None else first_seed)
    raise typer.Exit(0 if tests_fine and steps_fine else 1)


def _run_tests(tests: Sequence[FaultTest]) -> bool:
    """Run them, those that need the local stack apart; True when all of them pass."""
    on_stack = [test for test in tests if test.file.startswith("tests/e2e/")]
    alone = [test for test in tests if test not in on_stack]
    fine = _pytest([test.node for test in alone], "-n", "2")
    fine &= _pytest([*(test.node for test in on_stack), _EVERY_CHECKPOINT], "-s")
    print(f"These are the tests of {len({one for test in tests for one in test.ids})} faults (docs/faults.md).")
    return fine


def _pytest(nodes: Sequence[str], *options: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", f"--junitxml={report}", *options, *nodes]
        code = _to_its_end(command)
        suite = Xml.parse(report).getroot().find("testsuite")
    assert suite is not None
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    print(f"{suite.get('tests')} fault tests ran, {failed} failed.")
    return code == 0


def _to_its_end(command: Sequence[str]) -> int:
    """The exit code of a program that gets the time to stop what it started, also when this one is to end."""
    with subprocess.Popen(command, cwd=ROOT) as program:
        signal.signal(signal.SIGTERM, lambda *_: program.terminate())
        try:
            return program.wait()
        except KeyboardInterrupt:  # which the program has got, too
            program.wait()
            raise


def _run_steps(wanted: int, first_seed: int) -> bool:
    """Round after round, each with the next seed; False at the first violation, which Hypothesis has printed."""
    began, number = time.monotonic(), first_seed
    while TALLY.steps < wanted:
        if not _round(number):
            print(f"A promise was broken. To repeat it: make faults SEED={number}")
            return False
        number += 1
        print(f"\r{TALLY.steps} random steps", end="", flush=True)
    print(
        f"\r{TALLY.steps} random steps in {TALLY.examples} runs and {time.monotonic() - began:.0f} seconds,"
        f" {TALLY.checks.total()} invariants checked, 0 violations. To repeat it: make faults SEED={first_seed}"
    )
    for promise, times in sorted(TALLY.checks.items()):
        print(f"{times:9}  {promise}")
    return True


def _round(number: int) -> bool:
    some = settings(
        max_examples=_EXAMPLES_A_ROUND,
        stateful_step_count=_STEPS_AN_EXAMPLE,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    try:
        # Lambda takes metrics from what a function prints.
        with redirect_stdout(io.StringIO()):
            run_state_machine_as_test(seed(number)(Service), settings=some)
    except Exception as error:  # whatever went wrong is to be repeated with this seed
        print("\n" + "".join(traceback.format_exception(error)))
        return False
    return True


if __name__ == "__main__":
    typer.run(main)
