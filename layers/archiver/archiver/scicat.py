"""The one module that knows SciCat's wire format: jobs, datasets, datablocks and the lifecycle.

Spoken is api v3 for logins, datasets and datablocks (the archiver's account may read files only
through a dataset's ``include``) and api v4 for jobs, or v3 where a deployment says so, as SciCat 5.2
answers them. Every failure leaves as one of the three exceptions of ``errors``, by the table ``_MEANING``.
"""

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from email.utils import formatdate
from enum import StrEnum
from functools import cache
from threading import Lock
from typing import Any, Protocol
from urllib.parse import quote

import orjson
import stamina
import urllib3
from aws_lambda_powertools import Logger

from archiver import secrets
from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.filelist import CompactFiles
from archiver.jsonstream import LongDocument
from archiver.models import CatalogueDatablock, CatalogueDataset, CatalogueFile, CatalogueTotals, JobKind
from archiver.settings import settings

logger = Logger(service="archiver", child=True)


class JobStatus(StrEnum):
    """The status codes SciCat's frontend and its mails know."""

    SUBMITTED = "jobSubmitted"
    IN_PROGRESS = "inProgress"
    FINISHED = "finishedSuccessful"
    DATASET_ERRORS = "finishedWithDatasetErrors"
    FAILED = "finishedUnsuccessful"


@dataclass(frozen=True, slots=True)
class JobDataset:
    """One dataset of a job; no files means all of them."""

    pid: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A SciCat job: who asked for what, and how far it is. ``status`` is usually a ``JobStatus``."""

    id: str
    type: str
    status: str
    datasets: tuple[JobDataset, ...]
    owner_user: str | None
    owner_group: str | None
    result: dict[str, Any] | None
    created: datetime | None = None

    @property
    def unfinished(self) -> bool:
        """Whether it waits or is being worked on."""
        return not self.status.startswith("finished")


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of SciCat, with the groups that SciCat's rules know the user by."""

    username: str
    groups: frozenset[str]


# Below, what the wire looks like; nothing of it leaves this module.

_CONNECT_SECONDS, _READ_SECONDS = 5.0, 40.0
_ANSWER_BYTES = 64 * 1024**2
_CHUNK_BYTES = 256 * 1024
# SciCat answers 500, not 413, to a body of more than 16 MB; one of this size is not sent again after a 500.
_LARGE_BODY_BYTES = 12_000_000
_ATTEMPTS, _RETRY_SECONDS = 3, 60.0
# How often a change is made again when somebody else changed the same document meanwhile (412).
_CHANGES = 5
# A token is renewed after this share of its life, so that it does not end between two calls.
_TOKEN_SHARE = 0.8
_JOBS_ASKED = 100
# So much of a body that SciCat rejected stands in the log.
_LOGGED_CHARACTERS = 2_000

# A parsed answer: whatever SciCat sent.
_Json = Any
_Failure = type[DatasetRejected] | type[ServiceRefused] | type[ServiceUnavailable]
_UNAVAILABLE = (ServiceUnavailable, Code.SCICAT_UNAVAILABLE)
_REJECTED = (ServiceRefused, Code.SCICAT_REJECTED)
# What an answer means that is not the one asked for; every other status means _REJECTED.
_MEANING: Mapping[int, tuple[_Failure, Code]] = {
    401: (ServiceRefused, Code.SCICAT_FORBIDDEN),
    403: (ServiceRefused, Code.SCICAT_FORBIDDEN),
    404: (DatasetRejected, Code.DATASET_UNKNOWN),
    413: (ServiceRefused, Code.CATALOGUE_ENTRY_TOO_LARGE),
    **dict.fromkeys((408, 425, 429, 500, 502, 503, 504), _UNAVAILABLE),
}


# Which of SciCat's settings names the groups that may do what was refused with 403.
_PERMISSIONS = (
    (re.compile(r"PATCH .*/datasetlifecycle"), "UPDATE_DATASET_LIFECYCLE_GROUPS"),
    (re.compile(r"DELETE .*/datablocks/"), "DELETE_GROUPS"),
    (re.compile(r"POST .*/jobs"), "CREATE_JOB_PRIVILEGED_GROUPS"),
    (re.compile(r".*/jobs"), "UPDATE_JOB_PRIVILEGED_GROUPS"),
    (re.compile(r"POST .*/(datasets|(orig)?datablocks)$"), "CREATE_DATASET_PRIVILEGED_GROUPS"),
    (re.compile(r"PATCH .*/datasets/"), "ADMIN_GROUPS"),
    (re.compile(r"GET .*/datasets/"), "UPDATE_DATASET_LIFECYCLE_GROUPS"),
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer: its status and parsed body, and what had been asked."""

    asked: str
    sent_bytes: int
    status: int
    body: _Json
    retry_after: float | None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """SciCat's own words: a string, or the list of what was wrong with each field."""
        message = self.body.get("message", "") if isinstance(self.body, dict) else self.body
        return str(message or "")[:500]

    @property
    def unavailable(self) -> bool:
        return _MEANING.get(self.status) == _UNAVAILABLE and not self.too_large

    @property
    def changed_meanwhile(self) -> bool:
        """Somebody else changed the same document (412): what was to be changed must be looked at again."""
        return self.status == 412

    @property
    def too_large(self) -> bool:
        return self.status == 500 and self.sent_bytes > _LARGE_BODY_BYTES

    @property
    def not_found(self) -> bool:
        """SciCat knows no such thing. A route or proxy that does not exist answers 404 in other words."""
        return self.status == 404 and "not found" in self.message

    @property
    def unknown_job(self) -> bool:
        return self.not_found or (self.status == 400 and self.message == "Invalid job id.")

    @property
    def login_refused(self) -> bool:
        """A new token may help. SciCat passes the archiver's own 401 on under this message."""
        return self.status in {401, 403} and not self.message.startswith("A remote URL call failed")


def _received(response: urllib3.BaseHTTPResponse, asked: str) -> _Json:
    return _parsed(_bounded(response, asked), asked, response.status)


@dataclass(frozen=True, slots=True)
class _More:
    """What is special about a request: further headers, and how the body of a good answer is read.

    By default it is JSON of at most 64 MiB.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    receive: Callable[[urllib3.BaseHTTPResponse, str], _Json] = _received


class _UnansweredError(Exception):
    """No usable answer; the next attempt may get one, at the earliest after ``seconds``."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        self.seconds = seconds
        super().__init__(message)


class Catalogue:
    """SciCat, as one account sees it. Safe to share between threads.

    Every method raises ServiceUnavailable (``SCICAT_UNAVAILABLE``) after a minute of short retries, and at
    once (``SCICAT_LOGIN``) when the login is refused: a new password may be on its way. It raises ServiceRefused
    (``SCICAT_FORBIDDEN``, ``SCICAT_REJECTED``, ``SCICAT_TOO_LARGE``, ``CATALOGUE_ENTRY_TOO_LARGE``) when
    asking again would not help, and, where it names a dataset, DatasetRejected (``DATASET_UNKNOWN``)
    when SciCat does not know it.
    """

    def __init__(self, url: str, credentials: Callable[[], tuple[str, str]], jobs_api: str = "v4") -> None:
        """``url`` is SciCat's address without ``/api/v3``; ``credentials`` gives username and password."""
        self._url = url.rstrip("/")
        self._credentials = credentials
        self._jobs = _JOBS[jobs_api]
        self._pool = urllib3.PoolManager(
            maxsize=8,
            cert_reqs="CERT_REQUIRED",
            retries=False,
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        )
        self._token: tuple[str, float] | None = None
        self._login_lock = Lock()

    def ping(self) -> None:
        """Ask SciCat who we are: it answers, and the account's password is right."""
        self._expect("GET", "/api/v3/users/my/self")

    def check(self) -> None:
        """As ``ping``, and SciCat speaks the version of the jobs' API that this deployment is set to."""
        _read(self._list(f"{self._jobs.path}?filter={_json({'limits': {'limit': 1}})}"), list)

    # Jobs

    def job(self, job_id: str) -> Job | None:
        """The job, or None when SciCat does not know it."""
        answer = self._ask("GET", f"{self._jobs.path}/{_segment(job_id)}")
        return None if answer.unknown_job else _read(answer, self._jobs.read)

    def jobs_of(self, pid: str, kind: str) -> list[Job]:
        """The jobs of type ``kind`` that name the dataset, newest first (the last hundred)."""
        where = {"type": kind, "jobParams.datasetList.pid": pid}
        limits = {"limit": _JOBS_ASKED, "order": "createdAt:desc"}
        answer = self._list(f"{self._jobs.path}?filter={_json({'where': where, 'limits': limits})}")
        jobs = _read(answer, lambda body: _newest_first(body, self._jobs))
        return [job for job in jobs if job.type == kind and pid in {dataset.pid for dataset in job.datasets}]

    def unfinished_jobs(self) -> list[Job]:
        """The jobs for this service that wait or are being worked on, oldest first."""
        kinds, statuses = [str(kind) for kind in JobKind], [JobStatus.SUBMITTED, JobStatus.IN_PROGRESS]
        where = {"type": {"$in": kinds}, "statusCode": {"$in": [str(status) for status in statuses]}}
        found: dict[str, Job] = {}
        more = True
        while more:
            limits = {"limit": _JOBS_ASKED, "skip": len(found), "order": "createdAt:asc"}
            answer = self._list(f"{self._jobs.path}?filter={_json({'where': where, 'limits': limits})}")
            page = _read(answer, lambda body: [self._jobs.read(one) for one in body])
            before = len(found)
            found |= {job.id: job for job in page}
            more = len(page) == _JOBS_ASKED and len(found) > before
        return [job for job in found.values() if job.unfinished]

    def create_job(
        self, kind: str, pids: Sequence[str], *, owner_group: str, owner_user: str | None, contact_email: str | None
    ) -> str:
        """Create a job on behalf of a dataset's owner and return its id.

        SciCat calls the archiver before it answers, and keeps the job when that call fails: the id is
        returned then too, of a job that is still ``jobSubmitted``.
        """
        known = {job.id for job in self.jobs_of(pids[0], kind)}

        def created() -> str | None:
            new = (job for job in self.jobs_of(pids[0], kind) if job.id not in known)
            return next((job.id for job in new if {dataset.pid for dataset in job.datasets} == set(pids)), None)

        body = self._jobs.created(kind, pids, owner_group, owner_user, contact_email)
        return self._create(self._jobs.path, _without_none(body), created, _id)

    def update_job(self, job_id: str, status: JobStatus, message: str, result: Mapping[str, Any] | None = None) -> None:
        """Set a job's status, and its ``jobResultObject`` when there is one.

        A job that SciCat no longer knows has nobody left to tell: that is logged and passed over.
        """
        body = self._jobs.updated(status, message) | _without_none({"jobResultObject": result})
        answer = self._change(f"{self._jobs.path}/{_segment(job_id)}", body)
        if answer.unknown_job:
            logger.warning("SciCat no longer knows the job", extra={"job_id": job_id, "status": str(status)})
        elif not answer.ok:
            raise _failure(answer)

    # Datasets

    def dataset(self, pid: str, *, files: bool = False, datablocks: bool = False) -> CatalogueDataset | None:
        """The dataset, or None when SciCat does not know it; lists only what is asked for."""
        relations = [name for name, wanted in (("origdatablocks", files), ("datablocks", datablocks)) if wanted]
        if relations == ["datablocks"]:
            answer = self._list(_included(pid, *relations), _More(receive=_streamed_dataset))
            return None if answer.not_found else _read(answer, lambda dataset: dataset)
        answer = self._list(_included(pid, *relations)) if relations else self._ask("GET", _dataset_path(pid))
        return None if answer.not_found else _read(answer, _dataset)

    def files_of[T](self, pid: str, take: Callable[[Iterator[CatalogueFile]], T]) -> T:
        """What ``take`` makes of the files of the dataset's origdatablocks, of which one block is in memory at a time.

        There may be any number. When the answer breaks off, ``take`` is called again and gets all of them.
        """
        more = _More(receive=lambda response, asked: take(_streamed_files(response, asked)))
        answer = self._list(_included(pid, "origdatablocks"), more)
        if not answer.ok:
            raise _failure(answer)
        taken: T = answer.body
        return taken

    def create_dataset(self, metadata: Mapping[str, Any], pid: str) -> bool:
        """Register a dataset (api v3 field names) under ``pid``; False when the pid is taken already."""
        answer = self._ask("POST", "/api/v3/datasets", {**metadata, "pid": pid})
        if answer.status != 409 and not answer.ok:
            raise _failure(answer)
        return answer.ok

    def add_origdatablock(
        self, pid: str, files: Sequence[CatalogueFile], chk_alg: str | None, *, after: int | None = None
    ) -> None:
        """List files of a dataset. Repeating it adds nothing.

        ``after`` is how many files the dataset lists without them, where that is known: while SciCat counts just
        as many, the list, which may be long, need not be looked through.
        """

        def lists_them(known: Iterator[CatalogueFile]) -> bool:
            missing = {_what(file) for file in files}
            for file in known:
                missing.discard(_what(file))
            return not missing

        def listed() -> bool | None:
            return self.files_of(pid, lists_them) or None

        if self.need_dataset(pid).totals.files != after and listed():
            return
        body = {"size": sum(file.size for file in files), "dataFileList": [_file_body(file) for file in files]}
        self._create(
            f"{_dataset_path(pid)}/origdatablocks", body | _without_none({"chkAlg": chk_alg}), listed, lambda _: True
        )

    def add_datablock(self, pid: str, datablock: CatalogueDatablock) -> str:
        """Record a datablock and return its id. One that is recorded already, and equal, is success.

        Raises ServiceRefused (``ARCHIVE_ID_CONFLICT``) when another one has its ``archive_id``.
        """

        def recorded() -> str | None:
            return recorded_as(datablock, self.need_dataset(pid, datablocks=True))

        return self._create(f"{_dataset_path(pid)}/datablocks", _datablock_body(datablock), recorded, _id)

    def delete_datablock(self, pid: str, datablock_id: str) -> None:
        """Remove a datablock's record; one that is gone already is fine."""
        answer = self._ask("DELETE", f"{_dataset_path(pid)}/datablocks/{_segment(datablock_id)}")
        if not answer.ok and not answer.not_found:
            raise _failure(answer)

    def update_lifecycle(self, pid: str, **fields: object) -> None:
        """Merge ``fields`` (SciCat's names) into the dataset's lifecycle; nothing else changes."""
        answer = self._change(f"{_dataset_path(pid)}/datasetlifecycle", fields)
        # Releases before 5 answer 409 to a patch that changes nothing.
        if answer.status == 409 and fields.items() <= self.need_dataset(pid).lifecycle.items():
            return
        if not answer.ok:
            raise _failure(answer)

    def mend_totals(self, dataset: CatalogueDataset) -> bool:
        """Make SciCat's totals of archived bytes and files those of the datablocks that it records.

        ``dataset`` was read with its datablocks. SciCat writes a datablock and the totals one after the
        other, and saves a dataset with its lifecycle as a whole: a crash, or a change in between, leaves
        them wrong, though every answer was good. Returns whether they are right now: the account may lack
        the right to mend them.
        """
        for _ in range(_CHANGES):
            right = _totals_of(dataset)
            if dataset.totals == right:
                return True
            # All four: some releases reset a total that a change does not name (SciCat backend, issue 2746).
            more = _More(_unmodified_since(dataset))
            answer = self._ask("PATCH", _dataset_path(dataset.pid), _totals_body(right), more)
            logger.warning("SciCat's totals differ from its records", extra={"answer": _told(answer), **asdict(right)})
            if not answer.ok and not answer.changed_meanwhile:
                return False
            dataset = self.need_dataset(dataset.pid, datablocks=True)
        return dataset.totals == _totals_of(dataset)

    def need_dataset(self, pid: str, *, files: bool = False, datablocks: bool = False) -> CatalogueDataset:
        """As ``dataset``. Raises DatasetRejected (``DATASET_UNKNOWN``) when SciCat does not know it."""
        dataset = self.dataset(pid, files=files, datablocks=datablocks)
        if dataset is None:
            raise DatasetRejected(Code.DATASET_UNKNOWN, f"SciCat does not know the dataset {pid}.")
        return dataset

    def has_forgotten(self, pid: str) -> bool:
        """Whether SciCat says that it does not know the dataset. One that does not answer has not said so."""
        try:
            return self.dataset(pid) is None
        except (ServiceUnavailable, ServiceRefused):
            return False

    # Users

    def identity(self, token: str) -> Identity | None:
        """The user of a SciCat token, by SciCat's own word; None when SciCat does not accept it."""
        path = "/api/v3/users/my/identity"
        with _translated():
            for attempt in _attempts():
                with attempt:
                    answer = self._exchange("GET", path, token=token)
                    if answer.unavailable:
                        raise _UnansweredError(_told(answer), answer.retry_after)
                    return None if answer.status in {401, 403} else _read(answer, _identity)
        raise AssertionError("the last attempt returns or raises")

    # Asking

    def _expect(self, method: str, path: str) -> _Answer:
        answer = self._ask(method, path)
        if not answer.ok:
            raise _failure(answer)
        return answer

    def _list(self, path: str, more: _More | None = None) -> _Answer:
        """Ask for something with a list in it.

        To a token that it does not know SciCat shows a list as it shows it to anybody: empty, and 200. Who
        took that for the truth would register everything once more. So the token is made sure of first.
        """
        self.ping()
        return self._ask("GET", path, more=more)

    def _change(self, path: str, fields: Mapping[str, Any]) -> _Answer:
        """Change these fields of a document, which SciCat merges into it as it is by then."""
        answer = self._ask("PATCH", path, fields)
        for _ in range(_CHANGES - 1):
            if not answer.changed_meanwhile:
                break
            answer = self._ask("PATCH", path, fields)
        return answer

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        more: _More | None = None,
    ) -> _Answer:
        """Ask something that may be asked twice, until there is an answer that another attempt would not change."""
        with _translated():
            for attempt in _attempts():
                with attempt:
                    return self._once(method, path, body, more)
        raise AssertionError("the last attempt returns or raises")

    def _create[T](
        self, path: str, body: Mapping[str, Any], look: Callable[[], T | None], read: Callable[[_Json], T]
    ) -> T:
        """POST something that must not exist twice.

        An attempt that was not answered may have succeeded, and SciCat answers 500 to a duplicate: before
        anything is sent again or refused, ``look`` tells whether it is there.
        """
        with _translated():
            for attempt in _attempts():
                with attempt:
                    try:
                        answer = self._once("POST", path, body)
                    except _UnansweredError:
                        if (found := look()) is not None:
                            return found
                        raise
                    if answer.ok:
                        return _read(answer, read)
                    if (found := look()) is not None:
                        return found
                    raise _failure(answer)
        raise AssertionError("the last attempt returns or raises")

    def _once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        more: _More | None = None,
    ) -> _Answer:
        """One attempt with a valid token. Raises _UnansweredError for an answer that is worth another attempt."""
        token = self._login()
        answer = self._exchange(method, path, body, token, more)
        if answer.login_refused:
            # Expired (401; 403 before release 5), or signed with a secret that SciCat has replaced (403).
            answer = self._exchange(method, path, body, self._login(instead_of=token), more)
        if answer.unavailable:
            raise _UnansweredError(_told(answer), answer.retry_after)
        if answer.status in {400, 422}:
            _log_rejected(answer, body)
        return answer

    def _login(self, instead_of: str | None = None) -> str:
        """The token of this process; a new one when it is old or refused."""
        with self._login_lock:
            if self._token and self._token[0] != instead_of and time.time() < self._token[1]:
                return self._token[0]
            username, password = self._credentials()
            asked_at = time.time()
            answer = self._exchange("POST", "/api/v3/auth/login", {"username": username, "password": password})
            if answer.unavailable:
                raise _UnansweredError(_told(answer), answer.retry_after)
            if answer.login_refused:
                # Somebody changes a password in two places, one after the other: Step Functions tries again later.
                raise ServiceUnavailable(Code.SCICAT_LOGIN, f"{_told(answer)}. Is the account's password right?")
            token, lifetime = _read(answer, lambda body: (str(body["access_token"]), float(body["expires_in"])))
            self._token = token, asked_at + lifetime * _TOKEN_SHARE
            return token

    def _exchange(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        token: str | None = None,
        more: _More | None = None,
    ) -> _Answer:
        """One request and its answer, whatever it is. Redirects are not followed."""
        more = more or _More()
        asked = f"{method} {path.partition('?')[0]}"
        content = None if body is None else orjson.dumps(body)
        headers = {"Accept": "application/json", **more.headers}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            response = self._pool.request(
                method, self._url + path, body=content, headers=headers, redirect=False, preload_content=False
            )
            with response:
                answered = (more.receive if response.status == 200 else _received)(response, asked)
        except urllib3.exceptions.HTTPError as error:
            raise _UnansweredError(f"SciCat did not answer {asked}: {type(error).__name__}.") from None
        return _Answer(
            asked,
            len(content or b""),
            response.status,
            answered,
            _seconds(response.headers.get("Retry-After")),
        )


def recorded_as(datablock: CatalogueDatablock, dataset: CatalogueDataset) -> str | None:
    """The id under which ``dataset``, read with its datablocks, has this one; None when it has not.

    Raises ServiceRefused (``ARCHIVE_ID_CONFLICT``) when another one has its ``archive_id``.
    """
    found = next((one for one in dataset.datablocks if one.archive_id == datablock.archive_id), None)
    if found is not None and _contents(found) != _contents(datablock):
        raise ServiceRefused(Code.ARCHIVE_ID_CONFLICT, f"SciCat records another datablock as {datablock.archive_id}.")
    return found.id if found else None


@cache
def catalogue() -> Catalogue:
    """The catalogue of this deployment, with the account in Secrets Manager."""
    return Catalogue(settings().scicat_url, _deployed_account, settings().scicat_jobs_api)


def _deployed_account() -> tuple[str, str]:
    """Username and password."""
    account = secrets.fields(settings().scicat_secret)
    return account["username"], account["password"]


def _attempts() -> Iterator[Any]:
    return iter(stamina.retry_context(on=_worth_repeating, attempts=_ATTEMPTS, timeout=_RETRY_SECONDS))


def _worth_repeating(error: Exception) -> bool | float:
    """Whether to repeat after ``error``, or after how many seconds."""
    if not isinstance(error, _UnansweredError):
        return False
    return True if error.seconds is None else error.seconds


@contextmanager
def _translated() -> Iterator[None]:
    """What is still not answered after the last attempt is unavailable."""
    try:
        yield
    except _UnansweredError as error:
        raise ServiceUnavailable(Code.SCICAT_UNAVAILABLE, str(error)) from None


def _failure(answer: _Answer) -> DatasetRejected | ServiceRefused | ServiceUnavailable:
    """The exception that an answer means."""
    failure, code = _MEANING.get(answer.status, _REJECTED)
    if answer.status == 404 and not answer.not_found:
        failure, code = _REJECTED
    if answer.too_large:
        failure, code = _MEANING[413]
    return failure(code, _told(answer) + _missing_right(answer))


def _told(answer: _Answer) -> str:
    """What was asked, and how SciCat answered, in one sentence."""
    size = f" ({answer.sent_bytes} bytes sent)" if answer.too_large or answer.status == 413 else ""
    return f"SciCat answered {answer.status} to {answer.asked}{size}: {answer.message or 'no message'}"


def _missing_right(answer: _Answer) -> str:
    """What the operator of SciCat may have to do."""
    groups = next((groups for asked, groups in _PERMISSIONS if asked.match(answer.asked)), None)
    return f". Is the account in a group of {groups}?" if answer.status == 403 and groups else ""


def _log_rejected(answer: _Answer, body: Mapping[str, Any] | None) -> None:
    """Keep what SciCat did not accept. Our bug, most likely; a job's result holds links, which are secrets."""
    sent = {name: value for name, value in (body or {}).items() if name != "jobResultObject"}
    text = orjson.dumps(sent).decode()[:_LOGGED_CHARACTERS]
    logger.warning("SciCat rejected a request", extra={"answer": _told(answer), "body": text})


def _streamed_files(response: urllib3.BaseHTTPResponse, asked: str) -> Iterator[CatalogueFile]:
    """The files of an answer's origdatablocks, of which one is in memory at a time."""
    document = LongDocument("origdatablocks", _ANSWER_BYTES)
    with _understood(asked):
        for block in document.elements(response.stream(_CHUNK_BYTES, decode_content=True)):
            yield from _files(_loaded(block))


def _streamed_dataset(response: urllib3.BaseHTTPResponse, asked: str) -> CatalogueDataset:
    """A dataset with its datablocks, read one after the other: as JSON all of them would fill the memory."""
    document = LongDocument("datablocks", _ANSWER_BYTES)
    with _understood(asked):
        chunks = response.stream(_CHUNK_BYTES, decode_content=True)
        read = (_datablock(_loaded(block)) for block in document.elements(chunks))
        datablocks = tuple(replace(datablock, files=CompactFiles(datablock.files)) for datablock in read)
        return replace(_dataset(_loaded(document.rest)), datablocks=datablocks)


@contextmanager
def _understood(asked: str) -> Iterator[None]:
    """An answer that breaks off is none; one that says something else, or too much at once, is refused."""
    try:
        yield
    except ValueError:
        raise _UnansweredError(f"SciCat's answer to {asked} is not complete JSON.") from None
    except OverflowError:
        raise ServiceRefused(
            Code.SCICAT_TOO_LARGE, f"SciCat answered a block of more than {_ANSWER_BYTES // 1024**2} MiB to {asked}."
        ) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise ServiceRefused(
            Code.SCICAT_REJECTED, f"SciCat's answer to {asked} is not understood: {type(error).__name__} {error}."
        ) from None


def _bounded(response: urllib3.BaseHTTPResponse, asked: str) -> bytes:
    """The whole answer, decompressed. Raises ServiceRefused when it is larger than anything we ask for."""
    received = bytearray()
    for chunk in response.stream(_CHUNK_BYTES, decode_content=True):
        received += chunk
        if len(received) > _ANSWER_BYTES:
            response.close()
            raise ServiceRefused(
                Code.SCICAT_TOO_LARGE, f"SciCat answered more than {_ANSWER_BYTES // 1024**2} MiB to {asked}."
            )
    return bytes(received)


def _parsed(received: bytes, asked: str, status: int) -> _Json:
    """The answer's JSON. A success that is not JSON was cut off, or comes from something that is not SciCat."""
    try:
        return _loaded(received) if received else None
    except ValueError:
        if status < 300:
            raise _UnansweredError(f"SciCat's answer to {asked} is not complete JSON.") from None
        return None


def _loaded(text: bytes) -> _Json:
    """JSON with whatever text is in it: half a letter is for the names' rules to refuse. Raises ValueError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def _seconds(retry_after: str | None) -> float | None:
    """How long ``Retry-After`` asks to wait, at most a minute; its date form is not used."""
    return min(float(retry_after), _RETRY_SECONDS) if retry_after and retry_after.isdecimal() else None


def _segment(value: str) -> str:
    """One path segment, encoded once. Dots alone would climb up the path, and name nothing in SciCat."""
    if value in {"", ".", ".."}:
        raise DatasetRejected(Code.DATASET_UNKNOWN, f"SciCat knows nothing by the name {value!r}.")
    return quote(value, safe="")


def _dataset_path(pid: str) -> str:
    return f"/api/v3/datasets/{_segment(pid)}"


def _included(pid: str, *relations: str) -> str:
    """The path of a dataset with lists of what belongs to it."""
    return f"{_dataset_path(pid)}?filter={_json({'include': [{'relation': name} for name in relations]})}"


def _json(value: object) -> str:
    """A query parameter's value."""
    return quote(orjson.dumps(value), safe="")


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _read[T](answer: _Answer, reader: Callable[[_Json], T]) -> T:
    """What ``reader`` makes of a good answer. Raises ServiceRefused when it lacks what SciCat always sends."""
    if not answer.ok:
        raise _failure(answer)
    try:
        return reader(answer.body)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ServiceRefused(
            Code.SCICAT_REJECTED,
            f"SciCat's answer to {answer.asked} is not understood: {type(error).__name__} {error}.",
        ) from None


def _id(body: _Json) -> str:
    return str(body["id"])


class _JobsApi(Protocol):
    """One of the two forms in which SciCat speaks of jobs, whatever its release."""

    path: str
    created_at: str

    def created(
        self, kind: str, pids: Sequence[str], owner_group: str, owner_user: str | None, contact_email: str | None
    ) -> dict[str, Any]:
        """The body that creates a job; None stands for what is left out."""
        ...

    def updated(self, status: JobStatus, message: str) -> dict[str, Any]:
        """The body that sets a job's status."""
        ...

    def read(self, body: _Json) -> Job:
        """A job as it is shown."""
        ...


class _JobsV4:
    path, created_at = "/api/v4/jobs", "createdAt"

    def created(
        self, kind: str, pids: Sequence[str], owner_group: str, owner_user: str | None, contact_email: str | None
    ) -> dict[str, Any]:
        owner = {"ownerGroup": owner_group, "ownerUser": owner_user, "contactEmail": contact_email}
        return {"type": kind, "jobParams": {"datasetList": _whole(pids)}, **owner}

    def updated(self, status: JobStatus, message: str) -> dict[str, Any]:
        return {"statusCode": str(status), "statusMessage": message}

    def read(self, body: _Json) -> Job:
        return Job(
            id=body["id"],
            type=body["type"],
            status=body["statusCode"],
            datasets=_job_datasets(body["jobParams"].get("datasetList")),
            owner_user=body.get("ownerUser"),
            owner_group=body.get("ownerGroup"),
            result=body.get("jobResultObject") or None,
            created=datetime.fromisoformat(body[self.created_at]),
        )


class _JobsV3:
    """Has no place for a message, and takes the owner's group from the first dataset."""

    path, created_at = "/api/v3/jobs", "creationTime"

    def created(
        self, kind: str, pids: Sequence[str], owner_group: str, owner_user: str | None, contact_email: str | None
    ) -> dict[str, Any]:
        del owner_group
        params = _without_none({"username": owner_user})
        return {"type": kind, "datasetList": _whole(pids), "jobParams": params, "emailJobInitiator": contact_email}

    def updated(self, status: JobStatus, message: str) -> dict[str, Any]:
        del message
        return {"jobStatusMessage": str(status)}

    def read(self, body: _Json) -> Job:
        return Job(
            id=body["id"],
            type=body["type"],
            status=body["jobStatusMessage"],
            datasets=_job_datasets(body.get("datasetList")),
            owner_user=body["jobParams"].get("username"),
            owner_group=None,
            result=body.get("jobResultObject") or None,
            created=datetime.fromisoformat(body[self.created_at]),
        )


_JOBS: Mapping[str, _JobsApi] = {"v3": _JobsV3(), "v4": _JobsV4()}


def _whole(pids: Sequence[str]) -> list[dict[str, Any]]:
    """The list of a job over all files of these datasets."""
    return [{"pid": pid, "files": []} for pid in pids]


def _job_datasets(listed: _Json) -> tuple[JobDataset, ...]:
    return tuple(JobDataset(one["pid"], tuple(one.get("files") or ())) for one in listed or ())


def _newest_first(body: _Json, api: _JobsApi) -> list[Job]:
    return [api.read(one) for one in sorted(body, key=lambda one: str(one[api.created_at]), reverse=True)]


def _identity(body: _Json) -> Identity:
    profile = body["profile"]
    return Identity(str(profile["username"]), frozenset(profile.get("accessGroups") or ()))


def _dataset(body: _Json) -> CatalogueDataset:
    lifecycle = {name: value for name, value in (body.get("datasetlifecycle") or {}).items() if name != "_id"}
    files = (file for block in body.get("origdatablocks") or () for file in _files(block))
    return CatalogueDataset(
        pid=body["pid"],
        owner_group=body["ownerGroup"],
        owner=body.get("owner"),
        access_groups=tuple(body.get("accessGroups") or ()),
        contact_email=body.get("contactEmail"),
        lifecycle=lifecycle,
        totals=CatalogueTotals(
            size=body.get("size", 0),
            files=body.get("numberOfFiles", 0),
            packed_size=body.get("packedSize", 0),
            files_archived=body.get("numberOfFilesArchived", 0),
        ),
        updated_at=body.get("updatedAt", ""),
        files=tuple(files),
        datablocks=tuple(_datablock(block) for block in body.get("datablocks") or ()),
    )


def _totals_of(dataset: CatalogueDataset) -> CatalogueTotals:
    """What SciCat should count: of what is archived, the sums over its own records."""
    return replace(
        dataset.totals,
        packed_size=sum(block.packed_size for block in dataset.datablocks),
        files_archived=sum(len(block.files) for block in dataset.datablocks),
    )


def _totals_body(totals: CatalogueTotals) -> dict[str, Any]:
    return {
        "size": totals.size,
        "numberOfFiles": totals.files,
        "packedSize": totals.packed_size,
        "numberOfFilesArchived": totals.files_archived,
    }


def _unmodified_since(dataset: CatalogueDataset) -> dict[str, str]:
    """The header with which SciCat refuses a change of a dataset that was changed since. It counts whole seconds."""
    moment = datetime.fromisoformat(dataset.updated_at).timestamp()
    return {"If-Unmodified-Since": formatdate(math.ceil(moment), usegmt=True)}


def _datablock(body: _Json) -> CatalogueDatablock:
    return CatalogueDatablock(
        # Included blocks carry _id alone; both are the same value.
        id=body["_id"],
        archive_id=body["archiveId"],
        size=body["size"],
        packed_size=body["packedSize"],
        chk_alg=body.get("chkAlg"),
        version=body["version"],
        files=tuple(_files(body)),
    )


def _files(block: _Json) -> Iterator[CatalogueFile]:
    for file in block["dataFileList"]:
        optional = {name: file.get(name) for name in ("chk", "uid", "gid", "perm", "type")}
        yield CatalogueFile(
            path=file["path"], size=file["size"], time=file.get("time") or "", chk_alg=block.get("chkAlg"), **optional
        )


def _file_body(file: CatalogueFile) -> dict[str, Any]:
    """A file as SciCat takes it: the algorithm of its ``chk`` is its block's, not its own."""
    named = ("path", "size", "time", "chk", "uid", "gid", "perm", "type")
    return _without_none({name: getattr(file, name) for name in named})


def _datablock_body(datablock: CatalogueDatablock) -> dict[str, Any]:
    body = {
        "archiveId": datablock.archive_id,
        "size": datablock.size,
        "packedSize": datablock.packed_size,
        "chkAlg": datablock.chk_alg,
        "version": datablock.version,
        "dataFileList": [_file_body(file) for file in datablock.files],
    }
    return _without_none(body)


def _what(file: CatalogueFile) -> tuple[str, int, str | None]:
    """What makes two entries the same file; SciCat may write its time in another form."""
    return file.path, file.size, file.chk


def _contents(datablock: CatalogueDatablock) -> tuple[object, ...]:
    """What makes two records the same datablock."""
    sizes = datablock.size, datablock.packed_size
    files = tuple(_what(file) for file in datablock.files)
    return datablock.archive_id, *sizes, datablock.chk_alg, datablock.version, files
