"""Become the one sweep. While another one runs there is nothing to do."""

from archiver.models.states import Lease, SweepClaimed, SweepStarted
from archiver.step import step
from archiver.storage import leases


@step
def handler(sweep: SweepStarted) -> SweepClaimed:
    wanted = Lease(run_id=sweep.run_id, execution_arn=sweep.execution_arn)
    holder = leases.take_sweep_lease(wanted)
    return SweepClaimed(**sweep.model_dump(), alone=holder is None)
