"""Find the runs whose execution ended without giving its lease back, and say how each is to end.

From here on such a run may write no more, except where its archive is verified and only SciCat is still to be told.
What has waited for an hour is counted: an alarm tells that somebody must look.
"""

import time

from archiver.deadline import deadline
from archiver.models.states import RunsSwept, RunToSettle, SweepProgress
from archiver.step import step
from archiver.storage import leases
from archiver.sweep.runs import left_behind
from archiver.sweep.sweeping import Sweeping

# Each may name a hundred files, and a state holds 262,144 bytes.
MAX_RUNS = 8


@step
def handler(sweep: SweepProgress) -> RunsSwept:
    sweeping = Sweeping(sweep)
    runs: list[RunToSettle] = []
    cursor, done = sweep.cursor, True
    for key in leases.lease_keys(sweep.cursor):
        if len(runs) == MAX_RUNS or time.monotonic() >= deadline():
            done = False
            break
        with sweeping.alone(key):
            runs += left_behind(key, sweep)
        cursor = key
    sweeping.did("runs to be settled", times=len(runs))
    return sweeping.reached(RunsSwept, cursor, done=done, runs=tuple(runs))
