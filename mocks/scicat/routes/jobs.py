"""Jobs, in the forms of api v3 and v4."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from mocks.scicat import validation
from mocks.scicat.answers import as_json, refused, refused_plainly
from mocks.scicat.jobs.actions import perform
from mocks.scicat.jobs.creation import JobRequest, job_of_v3, job_type, submit
from mocks.scicat.service import (
    Body,
    JobCaller,
    JobCreator,
    JobDeleter,
    JobReader,
    JobUpdater,
    Service,
    TheService,
    Version,
    is_merge_patch,
)
from mocks.scicat.storage.documents import dataset_v3, job_v3, now
from mocks.scicat.storage.filters import (
    FIELDS,
    INCLUDE,
    LIMITS,
    WHERE,
    in_order,
    limited_then_skipped,
    parsed,
    select,
    with_fields,
)
from mocks.scicat.storage.store import Document, Kind

router = APIRouter()

_NAMES = frozenset(
    [
        *("id", "type", "statusCode", "statusMessage", "jobParams", "ownerUser", "ownerGroup", "contactEmail"),
        *("configVersion", "jobResultObject", "createdBy", "updatedBy", "createdAt", "updatedAt"),
    ]
)
_V3_KEYS = FIELDS | INCLUDE | _NAMES
_V4_KEYS = WHERE | FIELDS | INCLUDE | LIMITS | _NAMES
# Where a release sorts lists of jobs, they end here unless the filter's limits say otherwise.
_LIMIT = 100


@router.post("/api/v3/jobs")
async def create_v3(body: Body, caller: JobCreator, service: TheService) -> Response:
    """Submit a job in the old form. Properties nobody knows are dropped, not refused."""
    known = validation.JOB_V3.keys() | {"datasetList"}
    fields = {name: value for name, value in body.items() if name in known}
    checked = {name: value for name, value in fields.items() if name != "datasetList"}
    validation.check(checked, validation.JOB_V3)
    return as_json(job_v3(await submit(job_of_v3(fields, caller, service), caller, service)), 201)


@router.post("/api/v4/jobs")
async def create_v4(body: Body, caller: JobCreator, service: TheService) -> Response:
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


@router.get("/api/v3/jobs")
async def list_v3(caller: JobReader, service: TheService, filter: str | None = None) -> Response:  # noqa: A002
    """List the jobs the caller may read: all of them, whole or by the fields asked for."""
    fields = parsed(filter, _V3_KEYS).get("fields")
    return as_json(
        [_with_fields_v3(job_v3(job), fields) for job in _page(_readable_jobs(caller, service), {}, service)]
    )


def _with_fields_v3(job: Document, fields: object) -> Document:
    return with_fields(job, fields) | ({"jobParams": {}} if fields and "jobParams" not in str(fields) else {})


@router.get("/api/v4/jobs")
async def list_v4(caller: JobReader, service: TheService, filter: str | None = None) -> Response:  # noqa: A002
    """List the jobs the caller may read."""
    found = parsed(filter, _V4_KEYS)
    jobs = select(_readable_jobs(caller, service), found.get("where"), moments=False)
    return as_json([with_fields(job, found.get("fields")) for job in _page(jobs, found.get("limits") or {}, service)])


@router.get("/api/v4/jobs/fullquery")
async def full_query(caller: JobReader, service: TheService, fields: str | None = None) -> Response:
    """Search jobs: a list of values means any of them, a moment is between two. Its limits are not heeded."""
    wanted = {name: _condition(value) for name, value in parsed(fields).items()}
    return as_json(select(_readable_jobs(caller, service), wanted, moments=True))


def _condition(value: object) -> object:
    if isinstance(value, dict):
        return {"$gte": value.get("begin"), "$lte": value.get("end")}
    return {"$in": value} if isinstance(value, list) else value


def _readable_jobs(caller: JobCaller, service: Service) -> list[Document]:
    return [job for job in service.store.all(Kind.JOB) if caller.jobs.read(job)]


def _page(jobs: list[Document], limits: Mapping[str, Any], service: Service) -> list[Document]:
    """Limited first and skipped then, whatever the release makes of the order."""
    if not service.configuration.release.jobs_are_sorted:
        return limited_then_skipped(jobs, limits, None)
    return limited_then_skipped(in_order(jobs, limits), limits, _LIMIT)


@router.get("/api/v3/jobs/datasetdetails")
async def dataset_details(jobId: str, caller: JobReader, service: TheService) -> Response:  # noqa: N803 - SciCat's name
    """Show the datasets of a job."""
    job = _readable(jobId, caller, service)
    named = [one["pid"] for one in job["jobParams"].get("datasetList") or ()]
    found = [service.store.get(Kind.DATASET, pid) for pid in named]
    return as_json([dataset_v3(dataset) for dataset in found if dataset is not None])


@router.get("/api/{version}/jobs/{job_id}")
async def read_job(version: Version, job_id: str, caller: JobReader, service: TheService) -> Response:
    """Show a job."""
    return as_json(_shown(_readable(job_id, caller, service), version))


@router.patch("/api/v3/jobs/{job_id}")
async def update_v3(job_id: str, body: Body, caller: JobUpdater, service: TheService) -> Response:
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
    return as_json(job_v3(await _update(job, changed, caller, service)))


@router.patch("/api/v4/jobs/{job_id}")
async def update_v4(job_id: str, body: Body, caller: JobUpdater, service: TheService, request: Request) -> Response:
    """Set status (code and message, both) and result; a merge patch merges the result into the stored one."""
    validation.check(body, validation.JOB_PATCH_V4)
    job = _updatable(job_id, caller, service)
    changed = {name: value for name, value in body.items() if value is not None}
    if is_merge_patch(request) and "jobResultObject" in changed:
        changed["jobResultObject"] = _merged(job["jobResultObject"], changed["jobResultObject"])
    return as_json(await _update(job, changed, caller, service))


@router.delete("/api/{version}/jobs/{job_id}")
async def delete_job(version: Version, job_id: str, caller: JobDeleter, service: TheService) -> Response:
    """Delete a job."""
    del version, caller
    job = _found(job_id, service)
    service.store.remove(Kind.JOB, job_id)
    return as_json(job)


def _shown(job: Document, version: Version) -> Document:
    return job_v3(job) if version is Version.V3 else job


def _found(job_id: str, service: Service) -> Document:
    job = service.store.get(Kind.JOB, job_id)
    if job is None:
        raise refused_plainly(400, "Invalid job id.")
    return job


def _readable(job_id: str, caller: JobCaller, service: Service) -> Document:
    job = _found(job_id, service)
    if not caller.jobs.read(job):
        raise refused(403, "Unauthorized to get this job.")
    return job


def _updatable(job_id: str, caller: JobCaller, service: Service) -> Document:
    job = _found(job_id, service)
    if not caller.jobs.update(job_type(job["type"], service), job):
        raise refused(403, "Unauthorized to update this job.")
    _refuse_without_datasets(job, service)
    return job


def _refuse_without_datasets(job: Document, service: Service) -> None:
    """SciCat looks for all datasets of a job before it changes the job, and names all when one is deleted."""
    pids = [one["pid"] for one in job["jobParams"].get("datasetList") or ()]
    if any(service.store.get(Kind.DATASET, pid) is None for pid in pids):
        raise refused(404, f"Unable to get a dataset. ({orjson.dumps(pids).decode()})")


async def _update(job: Document, changed: Mapping[str, Any], caller: JobCaller, service: Service) -> Document:
    """Store a changed job, then perform the actions of its type."""
    updated = job | dict(changed) | {"updatedBy": caller.rights.username, "updatedAt": now()}
    service.store.replace(Kind.JOB, updated)
    await perform(job_type(job["type"], service).update_actions, updated, [], service)
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
