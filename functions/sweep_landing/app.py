"""Remove what lies in the landing bucket under a dataset that nobody uploads, archives or waits for.

Uploads that were given up without a word, what a URL of before brought after the archive, files of a dataset that
SciCat does not know any more: as soon as they have lain there for ``LandingDays``. Whatever was declared complete, or
may be archived by SciCat's word, waits for its archive, however long; what was rejected waits for its owner, who may
have no other copy.
"""

import time

from archiver.deadline import deadline
from archiver.models.states import SweepProgress
from archiver.step import step
from archiver.sweep.landing import datasets_in_landing, empty, is_somebodys
from archiver.sweep.sweeping import Sweeping


@step
def handler(sweep: SweepProgress) -> SweepProgress:
    sweeping, cursor, done = Sweeping(sweep), sweep.cursor, True
    for pid in datasets_in_landing(cursor):
        if time.monotonic() >= deadline():
            done = False
            break
        with sweeping.alone(pid):
            if not is_somebodys(pid):
                sweeping.did("files of nobody's deleted", times=empty(pid))
        cursor = pid
    return sweeping.reached(SweepProgress, cursor, done=done)
