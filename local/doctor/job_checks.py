"""What the archiver needs of SciCat's jobs: their types, their lists, the call of the archiver, their end.

The facts behind the checks are recordings of SciCat 4.28.0, 5.2.1 and master.
"""

import json
import time
from uuid import uuid4

import httpx

from archiver.errors import ServiceRefused
from archiver.models.states import JobKind
from archiver.scicat import JobStatus
from local.doctor import listener as heard
from local.doctor.check import Doubt, Fault, Untried, check
from local.doctor.dataset_checks import dataset, jobs_login, lifecycle
from local.doctor.direct import Told
from local.doctor.removal import JOB_ENDED
from local.doctor.visit import Visit

_POLL_SECONDS = 0.5
# What SciCat says before it looks at the type of a job: the account may not create any.
_GUARDED = "Forbidden resource"
_NO_TYPE = "Invalid job type"
# Release 5.2 takes no job of the type archive for a group alone.
_NO_GROUP = "User does not belong to any group"
_GROUP_JOB_TYPE = (
    "Deploy with SciCatGroupJobType=archive_for_group (here SCICAT_GROUP_JOB_TYPE=…), which docs/scicat/jobConfig.yaml "
    "has."
)
_TWO_ACCOUNTS = (
    "No released SciCat lets one account both create and update jobs: give jobs an account of their own "
    "(SCICAT_JOBS_USERNAME here, SciCatJobsUsername of the deployment; docs/scicat/README.md)."
)
_CALL_FAILED = "A remote URL call failed with response: "


def _is_deployed(visit: Visit) -> bool:
    return visit.patient.api is not None


def _has_a_type_for_groups(visit: Visit) -> bool:
    return visit.patient.group_job_type != JobKind.ARCHIVE


# The jobs


def _jobs_need(visit: Visit) -> str:
    return visit.patient.creator.username if visit.patient.creator else visit.patient.archiver.username


def _submit(visit: Visit, job_type: str) -> Told:
    """Create a job as the archiver's client does, for SciCat's own answer."""
    owner = visit.patient.owner_user
    body = {
        "type": job_type,
        "jobParams": {"datasetList": [{"pid": visit.pid, "files": []}]},
        "ownerGroup": visit.patient.owner_group,
        "contactEmail": visit.email,
    }
    told = visit.creator.ask("POST", "/api/v4/jobs", body | ({"ownerUser": owner} if owner else {}))
    if told.ok:
        visit.jobs.append(str(told.body["id"]))
    return told


def _job_type(visit: Visit, kind: str, flag: str) -> str:
    """Whether SciCat knows the type, and refuses a dataset that is not ready for it; makes nothing where it does."""
    told = _submit(visit, kind)
    if _NO_TYPE in told.message:
        raise Fault(f"SciCat knows no jobs of type {kind}")
    if told.status == 403 and told.message == _GUARDED:
        raise Untried(f"SciCat lets {_jobs_need(visit)} create no jobs at all")
    if told.ok:
        raise Doubt(
            f"SciCat takes a job of type {kind} for a dataset that is not {flag}",
            f"jobConfig.yaml: give {kind} the action `validate` with datasetlifecycle.{flag}.",
        )
    if flag in told.message:
        return f"and is refused while the dataset is not {flag}"
    # The account's access is looked at first (release 5).
    return "SciCat knows the type"


_JOB_CONFIGURATION = (
    "SciCat: JOB_CONFIGURATION_FILE must name the jobConfig.yaml of docs/scicat, and SciCat be started again."
)


@check("jobs of type archive are configured", needs=(lifecycle, jobs_login), mend=_JOB_CONFIGURATION)
def archive_type(visit: Visit) -> str:
    """And validated: a dataset that is being archived is not archived twice."""
    return _job_type(visit, "archive", "archivable")


@check(
    "jobs of the type for groups are configured",
    needs=(lifecycle, jobs_login),
    mend=_JOB_CONFIGURATION,
    concerns=_has_a_type_for_groups,
)
def group_type(visit: Visit) -> str:
    """And validated, as that for users is."""
    return _job_type(visit, visit.patient.group_job_type, "archivable")


@check("jobs of type retrieve are configured", needs=(lifecycle, jobs_login), mend=_JOB_CONFIGURATION)
def retrieve_type(visit: Visit) -> str:
    """And validated: what was never archived cannot be retrieved."""
    return _job_type(visit, "retrieve", "retrievable")


@check(
    "the archiver's API is ready",
    mend="The log of the function Api names what is missing.",
    concerns=_is_deployed,
)
def ready(visit: Visit) -> str:
    """By its own word: SciCat, S3 and the long-term storage."""
    answer = _asked(visit, "GET", "/health/readyz")
    if answer.status_code != 200:
        errors = answer.json().get("errors", []) if _is_json(answer) else []
        told = "; ".join(f"{error['dependency']} {error['message']}" for error in errors) or answer.text[:200]
        raise Fault(f"{answer.status_code}: {told}")
    return f"{visit.patient.api}"


@check(
    "the archiver's API takes SciCat's credentials",
    mend="Deploy again with JobApiUsername and JobApiPassword.",
    concerns=_is_deployed,
)
def api_credentials(visit: Visit) -> str:
    """Those that SciCat's ARCHIVER_BASIC must hold."""
    account = visit.patient.job_api
    credentials = (account.username.encode(), account.password.encode()) if account else None
    body = {"id": str(uuid4()), "type": "archive"}
    answer = _asked(visit, "POST", "/archiver/jobs", body, credentials)
    if answer.status_code != 404:
        raise Fault(f"It answered {answer.status_code} to a job that does not exist, and not 404")
    return f"as {account.username}" if account else "without a name"


def _asked(
    visit: Visit, method: str, path: str, body: object = None, credentials: tuple[bytes, bytes] | None = None
) -> httpx.Response:
    """The archiver's API."""
    auth = httpx.BasicAuth(*credentials) if credentials else None
    try:
        return httpx.request(
            method,
            f"{visit.patient.api}{path}",
            json=body,
            auth=auth,
            timeout=40,
            trust_env=False,
            follow_redirects=False,
        )
    except httpx.HTTPError as error:
        raise Fault(f"{visit.patient.api} does not answer ({type(error).__name__})") from None


def _is_json(answer: httpx.Response) -> bool:
    return bool(answer.headers.get("content-type", "").startswith("application/json"))


@check(
    "a job is created on behalf of the owner",
    needs=(dataset, jobs_login),
    mend="SciCat: CREATE_JOB_PRIVILEGED_GROUPS must name a group of {creator}.",
)
def job(visit: Visit) -> str:
    """As the ingest of a dropped dataset does, which then belongs to the owner's group."""
    group, user = visit.patient.owner_group, visit.patient.owner_user
    if visit.catalogue.need_dataset(visit.pid).lifecycle.get("archivable") is not True:
        visit.catalogue.update_lifecycle(visit.pid, archiveStatusMessage="datasetCreated", archivable=True)
    try:
        visit.job = visit.catalogue.create_job(
            JobKind.ARCHIVE, [visit.pid], owner_group=group, owner_user=user, contact_email=visit.email
        )
    except ServiceRefused as refused:
        raise Fault(refused.reason.message, _mend_of(refused.reason.message, visit)) from None
    visit.jobs.append(visit.job)
    return f"{visit.job}, for {user or group}"


def _mend_of(refusal: str, visit: Visit) -> str | None:
    if _NO_TYPE in refusal:
        return _JOB_CONFIGURATION
    if visit.patient.creator is None:
        return _TWO_ACCOUNTS
    return _GROUP_JOB_TYPE if _NO_GROUP in refusal else None


@check(
    "the job is read",
    needs=(job,),
    mend="SciCat: UPDATE_JOB_PRIVILEGED_GROUPS must name a group of {archiver}, which lets it read every job.",
)
def read_job(visit: Visit) -> str:
    """And belongs to the dataset's group, whose members would not see it otherwise."""
    found = visit.catalogue.job(visit.job)
    if found is None:
        raise Fault(f"SciCat does not know its own job {visit.job}")
    group = visit.patient.owner_group
    if found.owner_group != group:
        raise Fault(f"The job belongs to {found.owner_group}, and not to {group}: its owner would not see it")
    return f"owned by {group}"


@check(
    "jobs are listed",
    needs=(read_job,),
    mend="SciCat: UPDATE_JOB_PRIVILEGED_GROUPS must name a group of {archiver}, which lets it read every job.",
)
def job_lists(visit: Visit) -> str:
    """By dataset, and all that are not finished: this one once in each."""
    of_dataset = [one.id for one in visit.catalogue.jobs_of(visit.pid, "archive")]
    unfinished = visit.catalogue.unfinished_jobs()
    if of_dataset.count(visit.job) != 1:
        raise Fault("The list of the dataset's jobs does not have the job")
    ids = [one.id for one in unfinished]
    if len(ids) != len(set(ids)):
        raise Fault("The list of unfinished jobs has some of them twice")
    found = visit.catalogue.job(visit.job)
    if visit.job not in ids and found is not None and found.unfinished:
        raise Fault("The list of unfinished jobs does not have the job")
    return f"{len(ids)} unfinished"


# The url action


@check(
    "SciCat tells the archiver of the job",
    needs=(read_job,),
    mend="SciCat: the url action of jobConfig.yaml, ARCHIVER_URL (the ApiUrl of the deployment) and ARCHIVER_BASIC.",
)
def url_action(visit: Visit) -> str:
    """Heard in the archiver's place where the doctor listens, else by what becomes of the job."""
    if visit.listener is not None:
        return _as_heard(visit, visit.listener)
    if _status(visit) == JobStatus.SUBMITTED:
        job_type = visit.catalogue.job_types.created(JobKind.ARCHIVE, visit.patient.owner_user)
        _diagnose(visit, _submit(visit, job_type))
    return _taken_up(visit)


def _as_heard(visit: Visit, listener: heard.Listener) -> str:
    call = listener.call_for(visit.job)
    if call is None:
        instead = f"; it heard {listener.calls[0]}" if listener.calls else ""
        raise Fault(
            f"The doctor listened at 127.0.0.1:{listener.port}, and SciCat did not call{instead}",
            f"SciCat: ARCHIVER_URL must lead to {listener.url}, and jobConfig.yaml have the url action.",
        )
    wrong = heard.wrong_with(call, visit.job, visit.patient.job_api)
    if wrong:
        raise Fault(f"{call}. {wrong}", "SciCat: see jobConfig.yaml in docs/scicat.")
    compared = "the archiver's" if visit.patient.job_api else "the password was not compared: give JOB_API_PASSWORD"
    return f"{call}, as {heard.username_of(call)} ({compared})"


def _diagnose(visit: Visit, told: Told) -> None:
    """Raise Fault for a job whose call failed; SciCat tells whoever creates it what the archiver answered."""
    if _CALL_FAILED in told.message:
        raise _call_refused(told.status, told.message.partition(_CALL_FAILED)[2])
    if "fetch failed" in told.message:
        raise Fault("SciCat called the archiver, and nothing answers there", f"{_archiver_url(visit)}")
    # A job that was taken up has the dataset locked by now.
    if not told.ok and "archivable" not in told.message:
        raise Fault(f"{told} to a second job")


def _call_refused(status: int, text: str) -> Fault:
    """What the archiver, or whatever is there in its place, said to SciCat."""
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    said = " ".join(str(body.get(name) or "") for name in ("message", "details")).strip() if body else text[:200]
    mend = None
    if status == 401:
        mend = body.get("details") or (
            "SciCat: ARCHIVER_BASIC must be the base64 of JobApiUsername:JobApiPassword of the archiver's deployment."
        )
    return Fault(f"SciCat called the archiver, which answered {status}: {said or 'nothing'}", mend)


def _archiver_url(visit: Visit) -> str:
    there = visit.patient.api or "the ApiUrl of the archiver's deployment, which ends in /api/v1"
    return f"SciCat: ARCHIVER_URL must be {there}."


def _taken_up(visit: Visit) -> str:
    """Wait until the archiver has ended the job, which it does as soon as it finds that the files are not there."""
    deadline = time.monotonic() + visit.patience
    while (status := _status(visit)) == JobStatus.SUBMITTED or not status.startswith("finished"):
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL_SECONDS)
    if status == JobStatus.SUBMITTED:
        raise Fault(
            f"SciCat took the job, and for {visit.patience:.0f} s nobody began it: it calls nobody, or somebody else",
            f"{_archiver_url(visit)} jobConfig.yaml needs the url action. LISTEN=… shows what SciCat sends.",
        )
    if not status.startswith("finished"):
        raise Doubt(f"The archiver began the job, and has not ended it after {visit.patience:.0f} s", "See its log.")
    return f"the archiver ended it as {status}, as it must: its files are nowhere"


def _status(visit: Visit) -> str:
    found = visit.catalogue.job(visit.job)
    return found.status if found else ""


@check(
    "the job is updated",
    needs=(read_job,),
    mend="SciCat: UPDATE_JOB_PRIVILEGED_GROUPS must name a group of {archiver}. On releases up to 5.2 an account of "
    "which a group is in CREATE_JOB_PRIVILEGED_GROUPS is refused: use two accounts (SCICAT_JOBS_USERNAME).",
)
def update_job(visit: Visit) -> str:
    """To its end; jobs are not deleted."""
    visit.catalogue.update_job(visit.job, JobStatus.FAILED, JOB_ENDED)
    if (status := _status(visit)) != JobStatus.FAILED:
        raise Fault(f"SciCat says {status}, and was told {JobStatus.FAILED}")
    return f"{JobStatus.FAILED}"


CHECKS = (
    archive_type,
    group_type,
    retrieve_type,
    ready,
    api_credentials,
    job,
    read_job,
    job_lists,
    url_action,
    update_job,
)
