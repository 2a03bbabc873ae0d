"""Finish a job: compute its status from what became of each of its datasets, and tell SciCat.

While the archive of a dataset waits for SciCat to answer, the job does too: the sweep finishes it.
A retrieve job is also given the links to everything that was proven, also of datasets that failed, and
a script that downloads it.
"""

from archiver.models.states import JobEnded, JobKind, JobReported
from archiver.reporting import failures, job_status
from archiver.reporting.outcomes import outcome_of_run
from archiver.retrieve.handing_out import result_of
from archiver.scicat import JobStatus, catalogue
from archiver.step import step
from archiver.storage.documents import JOB, UNTOLD
from archiver.storage.run_folder import RunFolder


@step
def handler(ended: JobEnded) -> JobReported:
    why = failures.reason_of(ended.failure) if ended.failure else None
    begun = RunFolder(ended.job_id).load(JOB)
    result = None
    if begun is None:
        status, message = job_status.job_refused(why or failures.reason_of_silence(None))
    else:
        ends = [outcome_of_run(begun, run, why) for run in begun.runs]
        pending = next((end for end in ends if end.outcome == "pending"), None)
        if pending is not None:
            return JobReported(status=pending.outcome, message=f"{pending.pid}: {pending.message}")
        status, message = job_status.job_report(begun.kind, ends)
        if begun.kind is JobKind.RETRIEVE:
            result = result_of(begun, ends)
    reported = JobReported(status=status, message=message)
    if not catalogue().update_job(ended.job_id, JobStatus(status), message, result):
        # SciCat will call the job unfinished for ever: no sweep need come back to it.
        RunFolder(ended.job_id).save(UNTOLD, reported)
    return reported
