"""What SciCat demands of a new job: its datasets, whose it is, and whether the caller may create it."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mocks.scicat.accounts import Account
from mocks.scicat.answers import Refused, refused, refused_plainly
from mocks.scicat.jobs.actions import check, perform
from mocks.scicat.jobs.configuration import JobType
from mocks.scicat.jobs.permissions import JOB_ADMIN, JobRights
from mocks.scicat.releases import Release
from mocks.scicat.service import JobCaller, Service
from mocks.scicat.storage.documents import new_job
from mocks.scicat.storage.store import Document, Kind


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job as it is asked for, in the names of api v4."""

    type: str
    params: Mapping[str, Any]
    owner_user: str | None
    owner_group: str | None
    contact_email: str | None


def job_type(name: str, service: Service) -> JobType:
    """The type of that name. Raises Refused."""
    found = service.configuration.jobs.types.get(name)
    if found is None:
        raise refused_plainly(400, f"Invalid job type: {name}")
    return found


async def submit(asked: JobRequest, caller: JobCaller, service: Service) -> Document:
    """Check, store, then perform the actions, all within the caller's request. A job whose action fails stays."""
    wanted = job_type(asked.type, service)
    refusals = _Refusals(service.configuration.release)
    datasets = _Datasets(service, refusals).of(asked.params)
    owner = _owner(asked, caller, service, refusals)
    _authorize(asked, wanted, datasets, owner, caller, refusals)
    params = {name: value for name, value in asked.params.items() if name != "jobStatusMessage"}
    check(wanted.create_actions, {"jobParams": params} | owner.fields, datasets)
    fields = owner.fields | {"type": asked.type, "jobParams": params}
    job = new_job(fields, caller.rights.username, service.configuration.jobs.version)
    service.store.add(Kind.JOB, job)
    await perform(wanted.create_actions, job, datasets, service)
    return job


@dataclass(frozen=True, slots=True)
class _Refusals:
    """How a release says no to a job."""

    release: Release

    def malformed(self, message: str, details: object = None) -> Refused:
        """The job makes no sense, whoever asks."""
        reason = {} if details is None else {"error": json.dumps(details, separators=(",", ":"))}
        if not self.release.job_refusals_are_named:
            return Refused(400, {"status": 400, "message": message} | reason)
        return Refused(422, {"message": message} | reason) if reason else refused(422, message)

    def not_yours(self, message: str) -> Refused:
        """The job would be somebody else's."""
        return refused(403, message) if self.release.job_refusals_are_named else refused_plainly(400, message)

    def unauthenticated(self) -> Refused:
        """The job needs a user."""
        message = "User not authenticated"
        return refused(401, message) if self.release.job_refusals_are_named else refused_plainly(401, message)


@dataclass(frozen=True, slots=True)
class _Datasets:
    """The datasets that a job names, with the files it asks for."""

    service: Service
    refusals: _Refusals

    def of(self, params: Mapping[str, Any]) -> list[Document]:
        """The datasets; none for a job without a list. Raises Refused."""
        if "datasetList" not in params:
            return []
        entries = self._entries(params["datasetList"])
        pids = [entry["pid"] for entry in entries]
        found = {pid: dataset for pid in pids if (dataset := self.service.store.get(Kind.DATASET, pid)) is not None}
        if unknown := [pid for pid in pids if pid not in found]:
            raise self.refusals.malformed(f"Datasets with pid {','.join(unknown)} do not exist.")
        if missing := [lacking for entry in entries if (lacking := self._lacking(entry))["nonExistFiles"]]:
            raise self.refusals.malformed("At least one requested file could not be found.", missing)
        return list(found.values())

    def _entries(self, listed: object) -> list[dict[str, Any]]:
        if isinstance(listed, list) and not listed:
            raise self.refusals.malformed("List of passed datasets is empty.")
        if not isinstance(listed, list) or not all(_is_entry(entry) for entry in listed):
            raise self.refusals.malformed("Invalid dataset list.")
        return listed

    def _lacking(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        pid, wanted = entry["pid"], entry["files"]
        blocks = self.service.store.of_dataset(Kind.ORIGDATABLOCK, pid) if wanted else []
        known = {file["path"] for block in blocks for file in block["dataFileList"]}
        return {"pid": pid, "nonExistFiles": [path for path in wanted if path not in known]}


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict) or entry.keys() != {"pid", "files"}:
        return False
    files = entry["files"]
    return isinstance(entry["pid"], str) and isinstance(files, list) and all(isinstance(name, str) for name in files)


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose job it will be: ``fields`` go into the job; ``user`` is the account it is created for, if any is."""

    fields: Document
    user: Account | None


def _owner(asked: JobRequest, caller: JobCaller, service: Service, refusals: _Refusals) -> _Owner:
    account = caller.rights.account
    if account is None:
        return _Owner(_given(contactEmail=asked.contact_email), None)
    if caller.jobs.creates_for_others:
        return _named_owner(asked, account, service, refusals)
    if not asked.owner_group:
        raise refusals.not_yours("Invalid new job. Owner group should be specified.")
    if asked.owner_user not in {None, account.username}:
        raise refusals.not_yours("Invalid new job. User owning the job should match user logged in.")
    if not caller.rights.belongs_to(asked.owner_group):
        raise refusals.not_yours("Invalid new job. User needs to belong to job owner group.")
    email = asked.contact_email or account.email
    return _Owner(_given(ownerUser=account.username, ownerGroup=asked.owner_group, contactEmail=email), account)


def _named_owner(asked: JobRequest, account: Account, service: Service, refusals: _Refusals) -> _Owner:
    """The privileged name whom they like. A user SciCat does not know is replaced by the caller, in the job alone."""
    if not asked.owner_group and not asked.owner_user and not asked.contact_email:
        raise refusals.malformed("Contact email should be specified for an anonymous job.")
    user = service.accounts.named(asked.owner_user)
    name = (user or account).username if asked.owner_user else None
    email = asked.contact_email or (user or account).email
    return _Owner(_given(ownerUser=name, ownerGroup=asked.owner_group, contactEmail=email), user)


def _given(**fields: str | None) -> Document:
    return {name: value for name, value in fields.items() if value}


def _authorize(  # noqa: PLR0913, PLR0917 - what the decision is made of
    asked: JobRequest, wanted: JobType, datasets: list[Document], owner: _Owner, caller: JobCaller, refusals: _Refusals
) -> None:
    """Refuse a job that the caller may not create. Raises Refused."""
    accessible = True
    if wanted.create_auth.startswith("#dataset"):
        if "datasetList" not in asked.params and not caller.rights.administers:
            raise refusals.malformed("Dataset ids list was not provided in jobParams")
        checked = _checked_owner if refusals.release.job_owner_is_checked else _checked_caller
        accessible = checked(_Asked(asked, wanted, datasets, owner, caller, refusals))
    if caller.rights.account is None and asked.owner_group:
        message = "Invalid new job. Unauthenticated user cannot initiate a job owned by another user."
        raise refusals.not_yours(message)
    if not _may_create(wanted, caller.jobs, accessible=accessible or caller.rights.administers):
        raise refused(403, "Unauthorized to create this job.")


def _may_create(wanted: JobType, jobs: JobRights, *, accessible: bool) -> bool:
    named = jobs.creates_for_others or wanted.create_auth != JOB_ADMIN
    return accessible and named and jobs.create(wanted)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is known of a job when its datasets are looked at."""

    request: JobRequest
    wanted: JobType
    datasets: list[Document]
    owner: _Owner
    caller: JobCaller
    refusals: _Refusals

    def all_published_or(self, reached: Callable[[Document], bool]) -> bool:
        """Whether each dataset is published, or reached in another way where the type says so."""
        if self.wanted.create_auth == "#datasetOwner":
            return all(reached(dataset) for dataset in self.datasets)
        if self.wanted.create_auth == "#datasetAccess":
            return all(dataset["isPublished"] or reached(dataset) for dataset in self.datasets)
        return all(dataset["isPublished"] for dataset in self.datasets)

    def is_of(self, dataset: Document, groups: Iterable[str]) -> bool:
        """Whether one of these groups owns the dataset or, where the type says so, has it shared."""
        shared = dataset["accessGroups"] if self.wanted.create_auth == "#datasetAccess" else []
        return not {dataset["ownerGroup"], *shared}.isdisjoint(groups)


def _checked_caller(asked: _Asked) -> bool:
    """The groups of the caller reach the datasets; of the privileged, those of the user they name. Raises Refused."""
    rights = asked.caller.rights
    if rights.administers:
        return True
    privileged = asked.caller.jobs.creates_for_others
    groups = set(asked.owner.user.groups if asked.owner.user else ()) if privileged else set(rights.groups)
    if asked.wanted.create_auth == "#datasetOwner":
        if rights.account is None:
            raise asked.refusals.unauthenticated()
        if privileged and asked.refusals.release.owner_group_is_enough:
            groups.add(asked.request.owner_group or "")
        if not groups:
            message = "User does not belong to any group, cannot create job with #datasetOwner authorization."
            raise refused(403, message)
    if not asked.all_published_or(lambda dataset: asked.is_of(dataset, groups)):
        raise refused(403, "User does not have access to all datasets, cannot create job.")
    return True


def _checked_owner(asked: _Asked) -> bool:
    """The group and the user that the job is for reach the datasets, both where the user is not of the group."""
    rights, request = asked.caller.rights, asked.request
    named = rights.administers or request.owner_group or request.owner_user
    if asked.wanted.create_auth == "#datasetOwner" and (rights.account is None or not named):
        raise asked.refusals.unauthenticated()
    user = asked.owner.user if request.owner_user != rights.username else None
    group = asked.owner.fields.get("ownerGroup")
    needed = [{group}] if group else []
    if user is not None and group not in user.groups:
        needed.append(set(user.groups))
    if not needed:
        return asked.all_published_or(lambda _: False)
    return asked.all_published_or(lambda dataset: all(asked.is_of(dataset, groups) for groups in needed))


def job_of_v3(fields: Mapping[str, Any], caller: JobCaller, service: Service) -> JobRequest:
    """A job of api v3 in the names of api v4: its owner is the user it names, its group that of its datasets."""
    wanted = job_type(fields["type"], service)
    params = {name: value for name, value in (fields.get("jobParams") or {}).items() if name != "datasetList"}
    params["datasetList"] = fields.get("datasetList") or []
    params |= {name: fields[name] for name in ("executionTime", "jobStatusMessage") if fields.get(name)}
    account = caller.rights.account
    user = service.accounts.named(params["username"]) if "username" in params else account
    return JobRequest(
        type=wanted.name,
        params=params,
        owner_user=user.username if user else None,
        owner_group=_owner_group_v3(params, wanted, user, service),
        contact_email=fields.get("emailJobInitiator") or (account.email if account else None),
    )


def _owner_group_v3(params: Mapping[str, Any], wanted: JobType, user: Account | None, service: Service) -> str | None:
    if "ownerGroup" in params:
        return str(params["ownerGroup"])
    if wanted.create_auth == "#datasetPublic" or not isinstance(params["datasetList"], list):
        return None
    pids = [entry.get("pid") for entry in params["datasetList"] if isinstance(entry, dict)]
    found = [service.store.get(Kind.DATASET, pid) for pid in pids if isinstance(pid, str)]
    datasets = [dataset for dataset in found if dataset is not None]
    groups = sorted(user.groups) if user else []
    if service.configuration.release.v3_jobs_name_the_callers_group:
        return _callers_group(datasets, wanted, groups)
    admin = service.settings.admin.include(groups)
    reached = [dataset for dataset in datasets if admin or _is_reached(dataset, wanted, groups)]
    if len(reached) != len(params["datasetList"]) or not reached:
        return None
    return next((dataset["ownerGroup"] for dataset in reached if not dataset["isPublished"]), _first(groups))


def _is_reached(dataset: Document, wanted: JobType, groups: list[str]) -> bool:
    if wanted.create_auth == "#datasetOwner":
        return dataset["ownerGroup"] in groups
    if wanted.create_auth == "#datasetAccess":
        return dataset["isPublished"] or not {dataset["ownerGroup"], *dataset["accessGroups"]}.isdisjoint(groups)
    return True


def _callers_group(datasets: list[Document], wanted: JobType, groups: list[str]) -> str | None:
    if wanted.create_auth != "#datasetAccess":
        return datasets[0]["ownerGroup"] if datasets else None
    if all(dataset["isPublished"] for dataset in datasets):
        return _first(groups)
    common = [group for group in groups if all(_is_reached(dataset, wanted, [group]) for dataset in datasets)]
    return _first(common)


def _first(groups: list[str]) -> str | None:
    return groups[0] if groups else None
