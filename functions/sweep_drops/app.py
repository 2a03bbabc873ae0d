"""Find dropped folders that nobody answered, whose answer no longer holds, or that cannot be drops where they lie.

The ingest of a lost event has the name that the event would have given it: what was started before starts nothing. One
that was stopped before it took its lease is given one here, by which SweepRuns finds it.
"""

import time
from datetime import UTC, datetime

from archiver.deadline import deadline
from archiver.keys import Keys
from archiver.models.states import SweepProgress
from archiver.step import step
from archiver.storage import buckets, sweep_notes
from archiver.sweep.drops import Looking, answer_outside, is_answered, tell_of_news
from archiver.sweep.sweeping import Sweeping


@step
def handler(sweep: SweepProgress) -> SweepProgress:
    looking = Looking(Sweeping(sweep), datetime.now(UTC))
    # A dropped dataset.json may be replaced, and that event be lost too: an answer counts for an hour.
    hour = looking.now.strftime("%Y-%m-%dT%H")
    known = sweep_notes.answered_drops(hour)
    answered = set(known)
    done, last = True, sweep.cursor
    if not sweep.cursor:
        answer_outside(looking)
    for folder in buckets.landing().folders(Keys.DROPS, sweep.cursor):
        if time.monotonic() >= deadline():
            done = False
            break
        with looking.sweeping.alone(folder):
            if folder not in known and is_answered(folder, looking):
                answered.add(folder)
        last = folder
    if answered != known:
        sweep_notes.record_answered_drops(hour, frozenset(answered))
    for folder, said in looking.archived:
        with looking.sweeping.alone(folder):
            tell_of_news(folder, said, looking.sweeping)
    return looking.sweeping.reached(SweepProgress, last, done=done)
