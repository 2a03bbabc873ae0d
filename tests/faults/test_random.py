"""Random users, faults and operators, for a while."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine import Service


def test_whatever_happens_in_whatever_order_every_promise_is_kept() -> None:
    """The same few steps every time; ``make faults`` takes others, and more."""
    some = settings(
        max_examples=5,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Service, settings=some)
