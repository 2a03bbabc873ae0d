"""When the visit is over: what was made is removed, as far as SciCat lets the archiver."""

import json
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import httpx

from archiver.errors import DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.scicat import JobStatus
from local.doctor.check import Doubt, Fault, check
from local.doctor.direct import dataset_path
from local.doctor.visit import Visit

JOB_ENDED = "make doctor: a check of the connection; nothing was archived."


@check(
    "what the doctor made is removed",
    mend="SciCat: DELETE_GROUPS (datasets) and UPDATE_JOB_PRIVILEGED_GROUPS (jobs) must name groups of {archiver}; an "
    "administrator can end the jobs, then delete the datasets.",
)
def removed(visit: Visit) -> str:
    """Whatever happened before; jobs first, which SciCat does not change without their dataset.

    Raises Fault, or Doubt for datasets alone, which the archiver need not be able to delete.
    """
    jobs = set(visit.jobs)
    left: list[str] = []
    for pid in visit.made:
        _attempt(left, f"jobs of the dataset {pid}", partial(_find_jobs, visit, pid, jobs))
    for job_id in jobs:
        _attempt(left, f"the job {job_id}, unfinished", partial(_end, visit, job_id))
    # An administrator can end what is left of the jobs as long as their dataset is there.
    if left:
        left += [f"the dataset {pid}" for pid in visit.made]
        raise Fault(f"Left in SciCat: {'; '.join(left)}")
    for pid in visit.made:
        _attempt(left, f"the dataset {pid}", partial(_delete, visit, pid))
    if left:
        raise Doubt(f"Left in SciCat: {'; '.join(left)}")
    kept = f"; {len(jobs)} {'job stays' if len(jobs) == 1 else 'jobs stay'}, ended" if jobs else ""
    return f"nothing is left of the dataset{kept}" if visit.made else "nothing was made"


def _attempt(left: list[str], what: str, remove: Callable[[], None]) -> None:
    try:
        remove()
    except (ServiceRefused, ServiceUnavailable, DatasetRejected) as error:
        left.append(f"{what} ({error.reason.message})")
    except (Fault, httpx.HTTPError) as error:
        left.append(f"{what} ({str(error) or type(error).__name__})")


def _find_jobs(visit: Visit, pid: str, jobs: set[str]) -> None:
    """Add those that SciCat made without telling their ids: its call of the archiver failed."""
    jobs |= {one.id for kind in ("archive", "retrieve") for one in visit.catalogue.jobs_of(pid, kind)}


def _end(visit: Visit, job_id: str) -> None:
    found = visit.catalogue.job(job_id)
    if found is not None and found.unfinished:
        visit.catalogue.update_job(job_id, JobStatus.FAILED, JOB_ENDED)


def _delete(visit: Visit, pid: str) -> None:
    """Delete a dataset with its blocks, which SciCat would keep otherwise."""
    path = dataset_path(pid)
    include = [{"relation": name, "scope": {"fields": ["_id"]}} for name in ("origdatablocks", "datablocks")]
    found = visit.archiver.ask("GET", f"{path}?filter={quote(json.dumps({'include': include}), safe='')}")
    for name in ("origdatablocks", "datablocks"):
        for block in found.body.get(name) or () if found.ok else ():
            visit.archiver.ask("DELETE", f"{path}/{name}/{quote(str(block['_id']), safe='')}")
    told = visit.archiver.ask("DELETE", path)
    if not told.ok and told.status != 404:
        raise Fault(str(told))
