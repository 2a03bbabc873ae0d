"""Find the jobs that SciCat waits for in vain: start those that nobody started, name those that are to be finished.

A job whose execution ended is finished when all its runs are settled. Runs that its end left running are stopped, and
those that it left unbegun are given their outcome and a lease, by which SweepRuns settles them like any other.
"""

import time

from archiver.deadline import deadline
from archiver.models.states import JobEnded, JobsSwept
from archiver.scicat import catalogue
from archiver.step import step
from archiver.sweep.jobs import RunEnd, look_at
from archiver.sweep.sweeping import Sweeping

# So many are finished at once.
MAX_JOBS = 20


@step
def handler(sweep: JobsSwept) -> JobsSwept:
    sweeping = Sweeping(sweep)
    jobs = sorted(catalogue().unfinished_jobs(), key=lambda job: job.id)
    cursor, runs_found, ended = sweep.cursor, sweep.runs_found, list[JobEnded]()
    done = True
    for job in jobs:
        if job.id <= sweep.cursor:
            continue
        if len(ended) == MAX_JOBS or time.monotonic() >= deadline():
            done = False
            break
        with sweeping.alone(job.id):
            end, ends = look_at(job, sweeping)
            ended += [end] if end is not None else []
            runs_found |= RunEnd.FOUND in ends
        cursor = job.id
    sweeping.did("jobs to be finished", times=len(ended))
    return sweeping.reached(JobsSwept, cursor, done=done, jobs=tuple(ended), runs_found=runs_found)
