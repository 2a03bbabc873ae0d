"""The one module that knows SciCat's wire format: jobs, datasets, datablocks and the lifecycle.

Spoken is api v3 for logins, datasets and datablocks (the archiver's account may read files only
through a dataset's ``include``) and api v4 for jobs, as SciCat 5.2 answers them. Every failure
leaves as one of the three exceptions of ``errors``, by the table ``_MEANING``.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import quote

import orjson
import stamina
import urllib3
from aws_lambda_powertools import Logger

from archiver import secrets
from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.models import CatalogueDatablock, CatalogueDataset, CatalogueFile
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
# SciCat answers 500, not 413, to a body of more than 16 MB; one of this size is not sent again after a 500.
_LARGE_BODY_BYTES = 12_000_000
_ATTEMPTS, _RETRY_SECONDS = 3, 60.0
# A token is renewed after this share of its life, so that it does not end between two calls.
_TOKEN_SHARE = 0.8
_JOBS_ASKED = 100

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
    413: (ServiceRefused, Code.SCICAT_TOO_LARGE),
    **dict.fromkeys((408, 425, 429, 500, 502, 503, 504), _UNAVAILABLE),
}


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


class _UnansweredError(Exception):
    """No usable answer; the next attempt may get one, at the earliest after ``seconds``."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        self.seconds = seconds
        super().__init__(message)


class Catalogue:
    """SciCat, as one account sees it. Safe to share between threads.

    Every method raises ServiceUnavailable (``SCICAT_UNAVAILABLE``) after a minute of short retries,
    ServiceRefused (``SCICAT_FORBIDDEN``, ``SCICAT_REJECTED``, ``SCICAT_TOO_LARGE``) when asking again
    would not help, and, where it names a dataset, DatasetRejected (``DATASET_UNKNOWN``) when SciCat
    does not know it.
    """

    def __init__(self, url: str, credentials: Callable[[], tuple[str, str]]) -> None:
        """``url`` is SciCat's address without ``/api/v3``; ``credentials`` gives username and password."""
        self._url = url.rstrip("/")
        self._credentials = credentials
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

    # Jobs

    def job(self, job_id: str) -> Job | None:
        """The job, or None when SciCat does not know it."""
        answer = self._ask("GET", f"/api/v4/jobs/{_segment(job_id)}")
        return None if answer.unknown_job else _read(answer, _job)

    def jobs_of(self, pid: str, kind: str) -> list[Job]:
        """The jobs of type ``kind`` that name the dataset, newest first (the last hundred)."""
        # A list asked with a token SciCat no longer knows is empty, not refused: make sure of the token first.
        self.ping()
        where = {"type": kind, "jobParams.datasetList.pid": pid}
        limits = {"limit": _JOBS_ASKED, "order": "createdAt:desc"}
        answer = self._expect("GET", f"/api/v4/jobs?filter={_json({'where': where, 'limits': limits})}")
        jobs = _read(answer, _newest_first)
        return [job for job in jobs if job.type == kind and pid in {dataset.pid for dataset in job.datasets}]

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

        owner = {"ownerGroup": owner_group, "ownerUser": owner_user, "contactEmail": contact_email}
        body = {
            "type": kind,
            "jobParams": {"datasetList": [{"pid": pid, "files": []} for pid in pids]},
            **_without_none(owner),
        }
        return self._create("/api/v4/jobs", body, created, _id)

    def update_job(self, job_id: str, status: JobStatus, message: str, result: Mapping[str, Any] | None = None) -> None:
        """Set a job's status, and its ``jobResultObject`` when there is one.

        A job that SciCat no longer knows has nobody left to tell: that is logged and passed over.
        """
        body = _without_none({"statusCode": str(status), "statusMessage": message, "jobResultObject": result})
        answer = self._ask("PATCH", f"/api/v4/jobs/{_segment(job_id)}", body)
        if answer.unknown_job:
            logger.warning("SciCat no longer knows the job", extra={"job_id": job_id, "status": str(status)})
        elif not answer.ok:
            raise _failure(answer)

    # Datasets

    def dataset(self, pid: str, *, files: bool = False, datablocks: bool = False) -> CatalogueDataset | None:
        """The dataset, or None when SciCat does not know it; lists only what is asked for."""
        relations = [name for name, wanted in (("origdatablocks", files), ("datablocks", datablocks)) if wanted]
        include = {"include": [{"relation": name} for name in relations]}
        answer = self._ask("GET", _dataset_path(pid) + (f"?filter={_json(include)}" if relations else ""))
        return None if answer.not_found else _read(answer, _dataset)

    def create_dataset(self, metadata: Mapping[str, Any], pid: str) -> bool:
        """Register a dataset (api v3 field names) under ``pid``; False when the pid is taken already."""
        answer = self._ask("POST", "/api/v3/datasets", {**metadata, "pid": pid})
        if answer.status != 409 and not answer.ok:
            raise _failure(answer)
        return answer.ok

    def add_origdatablock(self, pid: str, files: Sequence[CatalogueFile], chk_alg: str | None) -> None:
        """List files of a dataset. Repeating it adds nothing."""

        def listed() -> bool | None:
            dataset = self.need_dataset(pid, files=True)
            return {_what(file) for file in files} <= {_what(file) for file in dataset.files} or None

        if listed():
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
            known = self.need_dataset(pid, datablocks=True).datablocks
            found = next((one for one in known if one.archive_id == datablock.archive_id), None)
            if found is not None and _contents(found) != _contents(datablock):
                raise ServiceRefused(
                    Code.ARCHIVE_ID_CONFLICT, f"SciCat records another datablock as {datablock.archive_id}."
                )
            return found.id if found else None

        return self._create(f"{_dataset_path(pid)}/datablocks", _datablock_body(datablock), recorded, _id)

    def delete_datablock(self, pid: str, datablock_id: str) -> None:
        """Remove a datablock's record; one that is gone already is fine."""
        answer = self._ask("DELETE", f"{_dataset_path(pid)}/datablocks/{_segment(datablock_id)}")
        if not answer.ok and not answer.not_found:
            raise _failure(answer)

    def update_lifecycle(self, pid: str, **fields: object) -> None:
        """Merge ``fields`` (SciCat's names) into the dataset's lifecycle; nothing else changes."""
        answer = self._ask("PATCH", f"{_dataset_path(pid)}/datasetlifecycle", fields)
        # Releases before 5 answer 409 to a patch that changes nothing.
        if answer.status == 409 and fields.items() <= self.need_dataset(pid).lifecycle.items():
            return
        if not answer.ok:
            raise _failure(answer)

    def need_dataset(self, pid: str, *, files: bool = False, datablocks: bool = False) -> CatalogueDataset:
        """As ``dataset``. Raises DatasetRejected (``DATASET_UNKNOWN``) when SciCat does not know it."""
        dataset = self.dataset(pid, files=files, datablocks=datablocks)
        if dataset is None:
            raise DatasetRejected(Code.DATASET_UNKNOWN, f"SciCat does not know the dataset {pid}.")
        return dataset

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

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> _Answer:
        """Ask something that may be asked twice, until there is an answer that another attempt would not change."""
        with _translated():
            for attempt in _attempts():
                with attempt:
                    return self._once(method, path, body)
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

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None) -> _Answer:
        """One attempt with a valid token. Raises _UnansweredError for an answer that is worth another attempt."""
        token = self._login()
        answer = self._exchange(method, path, body, token)
        if answer.login_refused:
            # Expired (401), or signed with a secret that SciCat has replaced (403).
            answer = self._exchange(method, path, body, self._login(instead_of=token))
        if answer.unavailable:
            raise _UnansweredError(_told(answer), answer.retry_after)
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
            token, lifetime = _read(answer, lambda body: (str(body["access_token"]), float(body["expires_in"])))
            self._token = token, asked_at + lifetime * _TOKEN_SHARE
            return token

    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, token: str | None = None
    ) -> _Answer:
        """One request and its answer, whatever it is. Redirects are not followed."""
        asked = f"{method} {path.partition('?')[0]}"
        content = None if body is None else orjson.dumps(body)
        headers = {"Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            response = self._pool.request(
                method, self._url + path, body=content, headers=headers, redirect=False, preload_content=False
            )
            with response:
                received = _bounded(response, asked)
        except urllib3.exceptions.HTTPError as error:
            raise _UnansweredError(f"SciCat did not answer {asked}: {type(error).__name__}.") from None
        return _Answer(
            asked,
            len(content or b""),
            response.status,
            _parsed(received, asked, response.status),
            _seconds(response.headers.get("Retry-After")),
        )


@cache
def catalogue() -> Catalogue:
    """The catalogue of this deployment, with the account in Secrets Manager."""
    return Catalogue(settings().scicat_url, _deployed_account)


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
    return failure(code, _told(answer))


def _told(answer: _Answer) -> str:
    """What was asked, and how SciCat answered, in one sentence."""
    size = f" ({answer.sent_bytes} bytes sent)" if answer.too_large else ""
    return f"SciCat answered {answer.status} to {answer.asked}{size}: {answer.message or 'no message'}"


def _bounded(response: urllib3.BaseHTTPResponse, asked: str) -> bytes:
    """The whole answer, decompressed. Raises ServiceRefused when it is larger than anything we ask for."""
    received = bytearray()
    for chunk in response.stream(64 * 1024, decode_content=True):
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
        return orjson.loads(received) if received else None
    except orjson.JSONDecodeError:
        if status < 300:
            raise _UnansweredError(f"SciCat's answer to {asked} is not complete JSON.") from None
        return None


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


def _job(body: _Json) -> Job:
    return Job(
        id=body["id"],
        type=body["type"],
        status=body["statusCode"],
        datasets=tuple(
            JobDataset(one["pid"], tuple(one.get("files") or ())) for one in body["jobParams"].get("datasetList") or ()
        ),
        owner_user=body.get("ownerUser"),
        owner_group=body.get("ownerGroup"),
        result=body.get("jobResultObject") or None,
    )


def _identity(body: _Json) -> Identity:
    profile = body["profile"]
    return Identity(str(profile["username"]), frozenset(profile.get("accessGroups") or ()))


def _newest_first(body: _Json) -> list[Job]:
    return [_job(one) for one in sorted(body, key=lambda one: str(one["createdAt"]), reverse=True)]


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
        size=body.get("size", 0),
        files=tuple(files),
        datablocks=tuple(_datablock(block) for block in body.get("datablocks") or ()),
    )


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
            path=file["path"], size=file["size"], time=file["time"], chk_alg=block.get("chkAlg"), **optional
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
