"""Jobs, in the forms of api v3 and v4."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from mocks.scicat import validation
from mocks.scicat.answers import as_json, refused, refused_plainly
from mocks.scicat.documents import dataset_v3, job_v3, now
from mocks.scicat.filters import parsed, select
from mocks.scicat.jobs import JobRequest, submit
from mocks.scicat.permissions import Rights
from mocks.scicat.service import Body, Caller, Service, TheService, Version, is_merge_patch
from mocks.scicat.store import Document, Kind

router = APIRouter()


@router.post("/api/v3/jobs")
async def create_v3(body: Body, caller: Caller, service: TheService) -> Response:
    """Submit a job in the old form. Properties nobody knows are dropped, not refused."""
    known = validation.JOB_V3.keys() | {"datasetList"}
    fields = {name: value for name, value in body.items() if name in known}
    datasets = fields.pop("datasetList", None)
    validation.check(fields, validation.JOB_V3)
    params = dict(fields.get("jobParams") or {})
    params |= {name: fields[name] for name in ("executionTime",) if name in fields}
    if datasets is not None:
        params["datasetList"] = datasets
    asked = JobRequest(
        type=fields["type"],
        params=params,
        owner_user=params.get("username") or caller.username,
        owner_group=_owner_group(datasets, service),
        contact_email=fields.get("emailJobInitiator"),
    )
    return as_json(job_v3(await submit(asked, caller, service)), 201)


@router.post("/api/v4/jobs")
async def create_v4(body: Body, caller: Caller, service: TheService) -> Response:
    """Submit a job."""
    validation.check(body, validation.JOB_V4)
    asked = JobRequest(
        type=body["type"],
        params=body["jobParams"],
        owner_user=body.get("ownerUser"),
        owner_group=body.get("ownerGroup"),
        contact_email=body.get("contactEmail"),
    )
    return as_json(await submit(asked, caller, service), 201)


@router.get("/api/{version}/jobs")
async def list_jobs(
    version: Version,
    caller: Caller,
    service: TheService,
    filter: str | None = None,  # noqa: A002 - SciCat's name
) -> Response:
    """List the jobs the caller may read; an anonymous caller gets an empty list."""
    readable = [job for job in service.store.all(Kind.JOB) if caller.read_job(job)]
    return as_json([_shown(job, version) for job in select(readable, parsed(filter))])


@router.get("/api/v3/jobs/datasetdetails")
async def dataset_details(jobId: str, caller: Caller, service: TheService) -> Response:  # noqa: N803 - SciCat's name
    """Show the datasets of a job."""
    job = _readable(jobId, caller, service)
    named = [one["pid"] for one in job["jobParams"].get("datasetList") or ()]
    found = [service.store.get(Kind.DATASET, pid) for pid in named]
    return as_json([dataset_v3(dataset) for dataset in found if dataset is not None])


@router.get("/api/{version}/jobs/{job_id}")
async def read_job(version: Version, job_id: str, caller: Caller, service: TheService) -> Response:
    """Show a job."""
    return as_json(_shown(_readable(job_id, caller, service), version))


@router.patch("/api/v3/jobs/{job_id}")
async def update_v3(job_id: str, body: Body, caller: Caller, service: TheService) -> Response:
    """Set status and result in the old form. Everything else, the names of api v4 included, is ignored."""
    job = _updatable(job_id, caller, service)
    fields = {name: value for name, value in body.items() if name in validation.JOB_PATCH_V3}
    validation.check(fields, validation.JOB_PATCH_V3)
    changed: Document = {}
    if status := fields.get("jobStatusMessage"):
        changed |= {"statusCode": status, "statusMessage": status}
    if moment := fields.get("executionTime"):
        changed["jobParams"] = job["jobParams"] | {"executionTime": moment}
    if (result := fields.get("jobResultObject")) is not None:
        changed["jobResultObject"] = result
    return as_json(job_v3(_update(job, changed, caller, service)))


@router.patch("/api/v4/jobs/{job_id}")
async def update_v4(job_id: str, body: Body, caller: Caller, service: TheService, request: Request) -> Response:
    """Set status (code and message, both) and result; a merge patch merges the result into the stored one."""
    job = _updatable(job_id, caller, service)
    validation.check(body, validation.JOB_PATCH_V4)
    changed = {name: value for name, value in body.items() if value is not None}
    if is_merge_patch(request) and "jobResultObject" in changed:
        changed["jobResultObject"] = _merged(job["jobResultObject"], changed["jobResultObject"])
    return as_json(_update(job, changed, caller, service))


def _shown(job: Document, version: Version) -> Document:
    return job_v3(job) if version is Version.V3 else job


def _owner_group(listed: object, service: Service) -> str | None:
    """Api v3 names no owner group: it is the first dataset's."""
    first = listed[0] if isinstance(listed, list) and listed else None
    pid = first.get("pid") if isinstance(first, dict) else None
    dataset = service.store.get(Kind.DATASET, pid) if isinstance(pid, str) else None
    return dataset["ownerGroup"] if dataset else None


def _found(job_id: str, service: Service) -> Document:
    job = service.store.get(Kind.JOB, job_id)
    if job is None:
        raise refused_plainly(400, "Invalid job id.")
    return job


def _readable(job_id: str, caller: Rights, service: Service) -> Document:
    job = _found(job_id, service)
    if not caller.read_job(job):
        raise refused(403, "Unauthorized to get this job.")
    return job


def _updatable(job_id: str, caller: Rights, service: Service) -> Document:
    job = _found(job_id, service)
    if not caller.update_job(service.configuration.job_types[job["type"]]):
        raise refused(403, "Unauthorized to update this job.")
    return job


def _update(job: Document, changed: Mapping[str, Any], caller: Rights, service: Service) -> Document:
    updated = job | dict(changed) | {"updatedBy": caller.username, "updatedAt": now()}
    service.store.replace(Kind.JOB, updated)
    return updated


def _merged(stored: Document, patch: Mapping[str, Any]) -> Document:
    """A merge patch (RFC 7396)."""
    merged = dict(stored)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            inner = merged.get(name)
            merged[name] = _merged(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[name] = value
    return merged
