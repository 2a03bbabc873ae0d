"""SciCat's jobs: SciCat's url action starts them here; it and their owners see how far they are, and cancel them."""

from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel, ConfigDict, Field

from archiver.aws import step_functions
from archiver.errors import Code
from archiver.http.auth import authentication
from archiver.http.auth.authentication import BASIC, BEARER
from archiver.http.problems import Refusal, WrongRequest, documented
from archiver.http.request_codes import RequestCode
from archiver.http.routes import job_progress
from archiver.http.routes.job_progress import RunProgress
from archiver.http.timeouts import Asked
from archiver.models.states import JobKind, JobRequest, Run
from archiver.scicat import catalogue
from archiver.settings import settings
from archiver.storage.documents import JOB
from archiver.storage.run_folder import RunFolder

router = APIGatewayRouter()

# A status that begins so is SciCat's last word on a job.
_ENDED = "finished"
# A page of datasets is read by so many threads, in seconds.
_DATASETS_SHOWN = 100
_READERS = 8


class JobPosted(BaseModel):
    """What SciCat sends: two fields, or the whole job when its operator templates it so."""

    model_config = ConfigDict(extra="ignore")

    id: UUID
    type: str = Field(description="A type of SciCat's job configuration", examples=[*JobKind])


class JobAccepted(BaseModel):
    """The job, and the execution that does it."""

    uuid: UUID
    name: str


class ExecutionState(StrEnum):
    """How Step Functions calls where an execution is."""

    RUNNING = "RUNNING"
    PENDING_REDRIVE = "PENDING_REDRIVE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"


class JobCancelled(BaseModel):
    """The job's work was told to stop; SciCat hears of its end within the hour."""

    uuid: UUID


class JobState(BaseModel):
    """How far a job is."""

    uuid: UUID
    type: JobKind
    state: ExecutionState
    total: int = Field(description="How many datasets the job has; none before it has begun")
    datasets: list[RunProgress]


_START: dict[str, Any] = {
    "tags": ["jobs"],
    "summary": "Start a job of SciCat",
    "status_code": HTTPStatus.CREATED,
    "responses": {
        HTTPStatus.CREATED: {"description": "The job is on its way, now or since an earlier call"},
        **documented(
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.BAD_GATEWAY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
    "security": [BASIC],
}


@router.post("/archiver/jobs", **_START)
@router.post("/jobs", **_START)
def start(posted: Annotated[JobPosted, Body()]) -> JobAccepted:
    """Starts the job's workflow, once however often it is called; what to archive is read from SciCat."""
    job_id, kind = str(posted.id), catalogue().job_types.kind_of(posted.type)
    if kind is None:
        raise WrongRequest(["body", "type"], "The archiver does no jobs of this type.", RequestCode.JOB_TYPE_UNKNOWN)
    job = Asked(lambda: catalogue().job(job_id), Code.SCICAT_UNAVAILABLE).answer()
    if job is None:
        raise Refusal(HTTPStatus.NOT_FOUND, RequestCode.JOB_UNKNOWN, f"SciCat does not know a job {job_id}.")
    if job.type != posted.type:
        raise WrongRequest(["body", "type"], f"SciCat knows this job as {job.type!r}.", RequestCode.JOB_TYPE_MISMATCH)
    if not job.status.startswith(_ENDED):
        request = JobRequest(job_id=job_id, kind=kind, owner_group=job.owner_group or "")
        step_functions.start(step_functions.machine_of_job(kind), job_id, request.model_dump(mode="json"))
    return JobAccepted(uuid=posted.id, name=job_id)


@router.get(
    "/archiver/jobs/<job_id>",
    tags=["jobs"],
    summary="How far is a job?",
    responses={
        HTTPStatus.OK: {"description": "The state of the job, and of each of its datasets"},
        **documented(
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
    security=[BASIC, BEARER],
)
def show(
    job_id: Annotated[UUID, Path(description="SciCat's id of the job")],
    offset: Annotated[int, Query(ge=0, description="So many datasets are left out")] = 0,
    limit: Annotated[int, Query(ge=1, le=_DATASETS_SHOWN, description="So many datasets are shown")] = _DATASETS_SHOWN,
) -> JobState:
    """The state of the job's execution, and per dataset: step, files and bytes done of total, how it ended."""
    kind, state = _execution(job_id)
    of_job = _runs(job_id)
    return JobState(
        uuid=job_id,
        type=kind,
        state=state,
        total=len(of_job),
        datasets=_progress(kind, of_job[offset : offset + limit]),
    )


@router.post(
    "/archiver/jobs/<job_id>/cancel",
    tags=["jobs"],
    summary="Cancel a job",
    description="Stops the work on the job and on each of its datasets. What is archived already stays archived.",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        HTTPStatus.ACCEPTED: {"description": "Its work stops"},
        **documented(
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.BAD_GATEWAY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
    security=[BASIC, BEARER],
)
def cancel(job_id: Annotated[UUID, Path(description="SciCat's id of the job")]) -> JobCancelled:
    """Stops the job's execution first, so that it starts no further run; then the runs that it had started."""
    kind, state = _execution(job_id)
    if state is not ExecutionState.RUNNING:
        raise Refusal(HTTPStatus.CONFLICT, RequestCode.JOB_ENDED, f"The job has ended: {state}.")
    step_functions.stop(step_functions.execution_arn(step_functions.machine_of_job(kind), str(job_id)))
    with ThreadPoolExecutor(_READERS) as stoppers:
        list(stoppers.map(lambda run: step_functions.stop(job_progress.execution_arn(run, kind)), _runs(job_id)))
    return JobCancelled(uuid=job_id)


def _execution(job_id: UUID) -> tuple[JobKind, ExecutionState]:
    """What the job does, and the state of that. Refuses a job that never started, or is not the caller's (404)."""
    if not _is_callers(job_id):
        raise _unknown(job_id)
    for kind in JobKind:
        state = step_functions.status(step_functions.execution_arn(step_functions.machine_of_job(kind), str(job_id)))
        if state is not None:
            return kind, ExecutionState(state)
    raise _unknown(job_id)


def _is_callers(job_id: UUID) -> bool:
    """Whether the caller is SciCat, or owns the job, alone or with a group, or is an administrator."""
    caller = authentication.caller()
    if caller.may_start_jobs:
        return True
    job = Asked(lambda: catalogue().job(str(job_id)), Code.SCICAT_UNAVAILABLE).answer()
    if job is None:
        return False
    # SciCat may hold a job of nobody's, and a provider a group without a name.
    groups = {job.owner_group, *settings().administrator_groups} - {""}
    return job.owner_user == caller.username or not caller.groups.isdisjoint(groups)


def _unknown(job_id: UUID) -> Refusal:
    return Refusal(HTTPStatus.NOT_FOUND, RequestCode.JOB_UNKNOWN, f"No job {job_id} of yours was ever started here.")


def _runs(job_id: UUID) -> tuple[Run, ...]:
    begun = RunFolder(str(job_id)).load(JOB)
    return begun.runs if begun else ()


def _progress(kind: JobKind, of_job: tuple[Run, ...]) -> list[RunProgress]:
    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(lambda run: job_progress.of(run, kind), of_job))
