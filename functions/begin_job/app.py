"""Begin a job: read its datasets from SciCat, give each a run, and say that the work goes on.

Raises DatasetRejected (``no_datasets``, ``too_many_datasets``).
"""

from archiver.errors import Code, DatasetRejected
from archiver.models.states import JobBegun, JobRequest, Run
from archiver.retrieve.documents import REQUEST
from archiver.scicat import Job, JobStatus, catalogue
from archiver.step import step
from archiver.storage.documents import JOB
from archiver.storage.run_folder import RunFolder

# What one execution can hold: a dataset takes about 170 of a state's 262,144 bytes and 9 of its 25,000 events.
MAX_DATASETS = 1_000
MAX_STATE_BYTES = 250_000


@step
def handler(request: JobRequest) -> JobBegun:
    folder = RunFolder(request.job_id)
    begun = folder.load(JOB)
    if begun is None:
        job = catalogue().job(request.job_id)
        begun = begin(request, job)
        # The whole request is kept, with the files it selects.
        folder.save(REQUEST, job)
        folder.save(JOB, begun)
    catalogue().update_job(request.job_id, JobStatus.IN_PROGRESS, "jobStarted")
    return begun


def begin(request: JobRequest, job: Job | None) -> JobBegun:
    """The runs of ``job`` (as SciCat knows it, or does not): one for each dataset, however often it is named."""
    if job is None or job.kind is not request.kind:
        raise DatasetRejected(Code.NO_DATASETS, f"SciCat knows no {request.kind} job {request.job_id}.")
    pids = dict.fromkeys(dataset.pid for dataset in job.datasets)
    if not pids:
        raise DatasetRejected(Code.NO_DATASETS, "The job names no datasets.")
    runs = tuple(Run(job_id=job.id, run_id=f"{job.id}-{number}", pid=pid) for number, pid in enumerate(pids, 1))
    begun = JobBegun(job_id=job.id, kind=request.kind, owner_group=job.owner_group or "", runs=runs)
    if len(runs) > MAX_DATASETS or len(begun.model_dump_json().encode()) > MAX_STATE_BYTES:
        raise DatasetRejected(
            Code.TOO_MANY_DATASETS, f"The job names {len(runs)} datasets; at most {MAX_DATASETS} fit into one job."
        )
    return begun
