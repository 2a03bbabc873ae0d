"""What SciCat demands of a new job, and what it does with one (validate and url actions)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from mocks.scicat.accounts import Account
from mocks.scicat.answers import refused, refused_plainly
from mocks.scicat.configuration import ActionBody, JobType, UrlAction
from mocks.scicat.documents import job_v3_for_action, new_job
from mocks.scicat.permissions import Rights
from mocks.scicat.service import Service
from mocks.scicat.store import Document, Kind


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job as it is asked for, in the names of api v4."""

    type: str
    params: Mapping[str, Any]
    owner_user: str | None
    owner_group: str | None
    contact_email: str | None


async def submit(asked: JobRequest, caller: Rights, service: Service) -> Document:
    """Check, store, then tell the archiver, all within the caller's request. A job the archiver refuses stays."""
    configuration = service.configuration
    job_type = configuration.job_types.get(asked.type)
    if job_type is None:
        raise refused_plainly(400, f"Invalid job type: {asked.type}")
    if caller.account is None:
        raise refused(401, "User not authenticated")
    datasets = _datasets(asked.params, service)
    owner = _owner(asked, caller, caller.account, service)
    if not caller.create_job(job_type, datasets):
        raise refused_plainly(403, "User does not have access to all datasets, cannot create job.")
    _validate(job_type, datasets)
    fields = owner | {"type": asked.type, "jobParams": dict(asked.params)}
    job = new_job(fields, caller.account.username, configuration.job_config_version)
    service.store.add(Kind.JOB, job)
    if configuration.url_action.url:
        await _tell_archiver(job, configuration.url_action, service.archiver)
    return job


def _datasets(params: Mapping[str, Any], service: Service) -> list[Document]:
    """The datasets the job names, with the files it asks for. Raises 422."""
    named = _named_datasets(params)
    found = {pid: service.store.get(Kind.DATASET, pid) for pid in named}
    if unknown := [pid for pid, dataset in found.items() if dataset is None]:
        raise refused_plainly(422, f"Datasets with pid {', '.join(unknown)} do not exist.")
    for pid, files in named.items():
        blocks = service.store.of_dataset(Kind.ORIGDATABLOCK, pid) if files else []
        if not set(files) <= {file["path"] for block in blocks for file in block["dataFileList"]}:
            raise refused_plainly(422, "At least one requested file could not be found.")
    return [dataset for dataset in found.values() if dataset is not None]


def _named_datasets(params: Mapping[str, Any]) -> dict[str, list[str]]:
    listed = params.get("datasetList")
    if listed is None:
        raise refused_plainly(422, "Dataset ids list was not provided in jobParams")
    if not isinstance(listed, list) or not all(_is_entry(one) for one in listed):
        raise refused_plainly(422, "Invalid dataset list.")
    if not listed:
        raise refused_plainly(422, "List of passed datasets is empty.")
    return {one["pid"]: one["files"] for one in listed}


def _is_entry(one: object) -> bool:
    if not isinstance(one, dict) or one.keys() != {"pid", "files"}:
        return False
    files = one["files"]
    return isinstance(one["pid"], str) and isinstance(files, list) and all(isinstance(name, str) for name in files)


def _owner(asked: JobRequest, caller: Rights, account: Account, service: Service) -> Document:
    """Whose job it will be: one's own, or, for the privileged, that of whom they name."""
    if caller.create_any_job:
        return _named_owner(asked, account, service)
    if not asked.owner_group:
        raise refused_plainly(403, "Invalid new job. Owner group should be specified.")
    if asked.owner_user not in {None, account.username}:
        raise refused_plainly(403, "Invalid new job. User owning the job should match user logged in.")
    if not caller.belongs_to(asked.owner_group):
        raise refused_plainly(403, "Invalid new job. User needs to belong to job owner group.")
    email = asked.contact_email or account.email
    return {"ownerUser": account.username, "ownerGroup": asked.owner_group, "contactEmail": email}


def _named_owner(asked: JobRequest, account: Account, service: Service) -> Document:
    """A user SciCat does not know is silently replaced by the caller; a group is stored as it is."""
    owner = (service.accounts.named(asked.owner_user) or account) if asked.owner_user else None
    email = asked.contact_email or (owner.email if owner else None)
    if owner is None and not asked.owner_group and not email:
        raise refused_plainly(422, "Contact email should be specified for an anonymous job.")
    fields = {
        "ownerUser": owner.username if owner else None,
        "ownerGroup": asked.owner_group,
        "contactEmail": email,
    }
    return {name: value for name, value in fields.items() if value}


def _validate(job_type: JobType, datasets: list[Document]) -> None:
    """The validate action: the lifecycle of each dataset must allow the job. The job does not change it."""
    if not all(dataset["datasetlifecycle"].get(job_type.required_flag) is True for dataset in datasets):
        message = f"Invalid request. Invalid value for 'datasetlifecycle.{job_type.required_flag}'"
        raise refused_plainly(400, message)


async def _tell_archiver(job: Document, action: UrlAction, client: httpx.AsyncClient) -> None:
    """The url action. What the archiver answers, SciCat's caller gets."""
    try:
        answer = await client.send(url_action_request(job, action), follow_redirects=True)
    except httpx.HTTPError:
        message = (
            f"Invalid job input. Job '{job['type']}' unable to perform action 'url' due to TypeError: fetch failed"
        )
        raise refused_plainly(400, message) from None
    if not answer.is_success:
        message = f"A remote URL call failed with response: {answer.text}"
        raise refused_plainly(answer.status_code, message)


def url_action_request(job: Document, action: UrlAction) -> httpx.Request:
    """The request that a url action sends, header by header as Node's fetch does."""
    content = _action_body(job, action.body).encode()
    url = httpx.URL(f"{action.url.rstrip('/')}/archiver/jobs")
    authorization: list[tuple[str, str]] = []
    if action.username:
        credentials = httpx.BasicAuth(action.username, action.password)
        signed = next(credentials.auth_flow(httpx.Request("POST", url)))
        authorization = [("Authorization", signed.headers["Authorization"])]
    headers = [
        ("host", url.netloc.decode()),
        ("connection", "keep-alive"),
        ("Content-Type", "application/json"),
        *authorization,
        ("accept", "*/*"),
        ("accept-language", "*"),
        ("sec-fetch-mode", "cors"),
        ("user-agent", "node"),
        ("accept-encoding", "gzip, deflate"),
        ("content-length", str(len(content))),
    ]
    return httpx.Request("POST", url, headers=headers, content=content)


def _action_body(job: Document, form: ActionBody) -> str:
    if form is ActionBody.JOB:
        return json.dumps(job_v3_for_action(job), indent=3, ensure_ascii=False)
    return f'{{"id": "{job["id"]}", "type": "{job["type"]}"}}'
