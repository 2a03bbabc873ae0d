"""Begin a job: read its datasets from SciCat, give each a run, and say that the work goes on.

Raises DatasetRejected (``no_datasets``, ``too_many_datasets``).
"""

from archiver.errors import Code, DatasetRejected
from archiver.models import JobBegun, JobRequest, Run
from archiver.scicat import JobStatus, catalogue
from archiver.step import step
from archiver.storage import RunFolder

# What one execution can hold: each dataset is about 170 of a state's 262,144 bytes, and 9 of its 25,000 events.
MAX_DATASETS = 1_000
MAX_STATE_BYTES = 250_000


@step
def handler(request: JobRequest) -> JobBegun:
    folder = RunFolder(request.job_id)
    begun = folder.load("job.json", JobBegun)
    if begun is None:
        begun = _begin(request, folder)
        folder.save("job.json", begun)
    catalogue().update_job(request.job_id, JobStatus.IN_PROGRESS, "jobStarted")
    return begun


def _begin(request: JobRequest, folder: RunFolder) -> JobBegun:
    job = catalogue().job(request.job_id)
    if job is None or job.type != request.kind:
        raise DatasetRejected(Code.NO_DATASETS, f"SciCat knows no {request.kind} job {request.job_id}.")
    # The whole request is kept, with the files it selects.
    folder.save("request.json", job)
    pids = dict.fromkeys(dataset.pid for dataset in job.datasets)
    if not pids:
        raise DatasetRejected(Code.NO_DATASETS, "The job names no datasets.")
    runs = tuple(
        Run(job_id=request.job_id, run_id=f"{request.job_id}-{number}", pid=pid) for number, pid in enumerate(pids, 1)
    )
    begun = JobBegun(job_id=request.job_id, kind=request.kind, runs=runs)
    if len(runs) > MAX_DATASETS or len(begun.model_dump_json()) > MAX_STATE_BYTES:
        raise DatasetRejected(
            Code.TOO_MANY_DATASETS, f"The job names {len(runs)} datasets; {MAX_DATASETS} fit into one job."
        )
    return begun
