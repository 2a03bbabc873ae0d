"""Remove what runs left in staging, and the uploads that they left in the long-term storage.

Only what carries the id of a run whose execution is known to have ended (for a tar: without success), longer ago than
a function that it called may take, and whose lease nobody holds: such a run is settled, or its dataset was taken over.
"""

import time
from functools import cache

from archiver.deadline import deadline
from archiver.models.states import SweepProgress
from archiver.step import step
from archiver.sweep.staging import found_behind, is_over, run_of
from archiver.sweep.sweeping import Sweeping


@step
def handler(sweep: SweepProgress) -> SweepProgress:
    sweeping = Sweeping(sweep)
    is_run_over = cache(is_over)
    done = True
    for key, ends, remove in found_behind():
        with sweeping.alone(key):
            if is_run_over(run_of(key), ends):
                sweeping.did(remove())
                done = time.monotonic() < deadline()
        if not done:
            break
    return sweeping.reached(SweepProgress, "", done=done)
