"""The catalogue: what may be asked of SciCat, and told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.log import logger
from archiver.models.catalogue import (
    CatalogueDatablock,
    CatalogueDataset,
    CatalogueFile,
    DatablockRecord,
    FileBlock,
    RecordedDataset,
)
from archiver.models.states import JobKind
from archiver.scicat import records, rights, shapes
from archiver.scicat.jobs import JOBS_PATH, Job, JobStatus, JobTypes, created_body, job_of, newest_first, updated_body
from archiver.scicat.json_values import Json, without_none
from archiver.scicat.paths import DATASETS_PATH, dataset_path, filtered, including, segment
from archiver.scicat.rights import Right
from archiver.scicat.session import CHANGES, Session
from archiver.scicat.shapes import Shape
from archiver.scicat.transport import Request, Server
from archiver.scicat.users import Identity, identity_of

# How many entries of a list are asked for at first, and at most: nobody could look through more.
LISTED_AT_FIRST, LISTED_AT_MOST = 100, 100_000
# How often a list of files that changes meanwhile is read from its beginning.
READINGS = 3


# Gives a username and its password.
type Credentials = Callable[[], tuple[str, str]]


class _ListChangedError(Exception):
    """A block is not where the list had it: what was read before it may belong to another list."""


class Catalogue:
    """SciCat, as the accounts of this service see it. Safe to share between threads.

    No released SciCat lets one account that is no administrator both create jobs for others and update them, so
    there may be two: one that does nothing but create jobs, and one for everything else.

    Every method raises ServiceUnavailable (``SCICAT_UNAVAILABLE``) after a minute of short retries, and at
    once (``SCICAT_LOGIN``) when the login is refused: a new password may be on its way. It raises ServiceRefused
    (``SCICAT_FORBIDDEN``, ``SCICAT_REJECTED``, ``SCICAT_TOO_LARGE``, ``CATALOGUE_ENTRY_TOO_LARGE``) when
    asking again would not help, and, where it names a dataset, DatasetRejected (``DATASET_UNKNOWN``)
    when SciCat does not know it.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        jobs_credentials: Credentials | None = None,
        job_types: JobTypes | None = None,
    ) -> None:
        """``url`` is SciCat's address without ``/api/v3``; without ``jobs_credentials`` one account does everything."""
        self.job_types = job_types or JobTypes()
        server = Server(url)
        self._session = Session(server, credentials, "SciCatUsername and SciCatPassword")
        self._jobs_session = self._session
        if jobs_credentials is not None:
            self._jobs_session = Session(server, jobs_credentials, "SciCatJobsUsername and SciCatJobsPassword")

    def ping(self) -> None:
        """Ask SciCat who we are: it answers, and the accounts' passwords are right."""
        self._session.ping()
        if self._jobs_session is not self._session:
            self._jobs_session.ping()

    def check(self) -> None:
        """As ``ping``, and SciCat lists jobs in the form that is understood here, and gives the accounts their rights.

        Nothing changes. Raises ServiceRefused (``SCICAT_FORBIDDEN``) that names what is missing, and where it is given.
        """
        request = Request("GET", filtered(JOBS_PATH, limits={"limit": 1}), shapes.JOB_LIST)
        self._session.ask_for_list(request).read(list)
        rights.need(self.missing_rights())

    def missing_rights(self) -> list[Right]:
        """What the accounts may not do in SciCat, as far as that is seen without a dataset. Nothing changes."""
        return list(rights.missing(self._session, self._jobs_session))

    def need_rights(self, pid: str) -> None:
        """See to it that this dataset, once it is packed, can be recorded as archived. Nothing changes.

        Raises ServiceRefused (``SCICAT_FORBIDDEN``) that names what is missing, and where it is given.
        """
        rights.need(rights.missing_to_archive(self._session, pid))

    # Jobs

    def job(self, job_id: str) -> Job | None:
        """The job, or None when SciCat does not know it."""
        answer = self._session.ask(Request("GET", _job_path(job_id), shapes.job(job_id)))
        return None if answer.unknown_job else answer.read(partial(job_of, types=self.job_types))

    def jobs_of(self, pid: str, kind: str) -> list[Job]:
        """All jobs of this kind that name the dataset, newest first."""
        jobs = self._list_jobs({"type": {"$in": self.job_types.of(JobKind(kind))}, "jobParams.datasetList.pid": pid})
        return [job for job in jobs if job.kind == kind and pid in {dataset.pid for dataset in job.datasets}]

    def unfinished_jobs(self) -> list[Job]:
        """All jobs for this service that wait or are being worked on, newest first."""
        types = [name for kind in JobKind for name in self.job_types.of(kind)]
        statuses = [JobStatus.SUBMITTED, JobStatus.IN_PROGRESS]
        where = {"type": {"$in": types}, "statusCode": {"$in": [str(status) for status in statuses]}}
        return [job for job in self._list_jobs(where) if job.unfinished and job.kind is not None]

    def create_job(
        self, kind: str, pids: Sequence[str], *, owner_group: str, owner_user: str | None, contact_email: str | None
    ) -> str:
        """Create a job on behalf of a dataset's owner and return its id.

        Where SciCat does not take a job for ``owner_user``, whom it does not know or who is not in the group, the job
        is the group's alone. SciCat calls the archiver before it answers, and keeps the job when that call fails: the
        id is returned then too, of a job that is still ``jobSubmitted``.
        """
        create = partial(self._create_job, JobKind(kind), pids, owner_group, contact_email)
        try:
            return create(owner_user)
        except ServiceRefused as refused:
            if owner_user is None or refused.reason.code is not Code.SCICAT_FORBIDDEN:
                raise
            logger.warning("SciCat takes no job for the user: it is the group's", extra={"reason": str(refused)})
            return create(None)

    def _create_job(
        self, kind: JobKind, pids: Sequence[str], owner_group: str, contact_email: str | None, owner_user: str | None
    ) -> str:
        known = {job.id for job in self.jobs_of(pids[0], kind)}

        def created() -> str | None:
            new = (job for job in self.jobs_of(pids[0], kind) if job.id not in known)
            return next((job.id for job in new if {dataset.pid for dataset in job.datasets} == set(pids)), None)

        job_type = self.job_types.created(kind, owner_user)
        body = created_body(job_type, pids, owner_group, owner_user, contact_email)
        body = without_none(body)
        return self._jobs_session.create(Request("POST", JOBS_PATH, shapes.new_job(body), body), created, _id)

    def update_job(self, job_id: str, status: JobStatus, message: str, result: Mapping[str, Any] | None = None) -> bool:
        """Set a job's status, and its ``jobResultObject`` when there is one; whether SciCat keeps it.

        A job that SciCat no longer knows, or one of whose datasets it no longer knows, cannot be told any more: that is
        logged and passed over.
        """
        body = updated_body(status, message) | without_none({"jobResultObject": result})
        answer = self._session.change(_job_path(job_id), body, shapes.told_job(job_id, body))
        if answer.unknown_job or answer.frozen_job:
            logger.warning("a job cannot be told any more", extra={"job_id": job_id, "answer": answer.told})
            return False
        if not answer.ok:
            raise answer.failure()
        return True

    def _list_jobs(self, where: Mapping[str, object]) -> list[Job]:
        """All jobs that fulfil SciCat's condition, each once, newest first. Release 4.28 does not sort them."""
        read = partial(newest_first, types=self.job_types)
        limits = {"skip": 0, "sort": {"createdAt": "desc"}}
        return self._whole_list(JOBS_PATH, shapes.JOB_LIST, read, where=where, limits=limits)

    def _whole_list[T](
        self,
        path: str,
        shape: Shape,
        read: Callable[[Json], list[T]],
        *,
        limits: Mapping[str, object],
        **condition: object,
    ) -> list[T]:
        """Everything that fulfils a condition.

        It is asked for at once, and for more of it until the answer is shorter than it could be: SciCat applies
        ``limit`` before ``skip``, and between two pages something may come or go. Raises ServiceRefused
        (``SCICAT_TOO_LARGE``) when there is too much.
        """
        limit = LISTED_AT_FIRST
        while limit <= LISTED_AT_MOST:
            request = Request("GET", filtered(path, limits={"limit": limit, **limits}, **condition), shape)
            listed = self._session.ask_for_list(request).read(read)
            if len(listed) < limit:
                return listed
            limit *= 10
        message = f"SciCat lists more than {LISTED_AT_MOST} entries of {path} for {condition}."
        raise ServiceRefused(Code.SCICAT_TOO_LARGE, message)

    # Datasets

    def dataset(self, pid: str) -> CatalogueDataset | None:
        """The dataset, or None when SciCat does not know it."""
        answer = self._session.ask(Request("GET", dataset_path(pid), shapes.dataset(pid)))
        return None if answer.not_found else answer.read(records.dataset_of)

    def need_dataset(self, pid: str) -> CatalogueDataset:
        """As ``dataset``. Raises DatasetRejected (``DATASET_UNKNOWN``) when SciCat does not know it."""
        return _known(pid, self.dataset(pid))

    def recorded_dataset(self, pid: str) -> RecordedDataset | None:
        """The dataset and the list of its datablocks, which may be long, without their files."""
        path = including(pid, "datablocks", {"fields": records.DATABLOCK_FIELDS})
        request = Request("GET", path, shapes.dataset(pid, having="records"))
        answer = self._session.ask_for_list(request)
        return None if answer.not_found else answer.read(records.recorded_dataset_of)

    def need_recorded_dataset(self, pid: str) -> RecordedDataset:
        """As ``recorded_dataset``. Raises DatasetRejected (``DATASET_UNKNOWN``) when SciCat does not know it."""
        return _known(pid, self.recorded_dataset(pid))

    def archivable_with_datablocks(self) -> list[str]:
        """The pids of the datasets that SciCat calls archivable though it counts archived files of them, sorted."""
        where = {"datasetlifecycle.archivable": True, "numberOfFilesArchived": {"$gt": 0}}
        read = records.sorted_pids_of
        return self._whole_list(DATASETS_PATH, shapes.PID_LIST, read, where=where, limits={}, fields=["pid"])

    def has_forgotten(self, pid: str) -> bool:
        """Whether SciCat says that it does not know the dataset. One that does not answer has not said so."""
        try:
            return self.dataset(pid) is None
        except (ServiceUnavailable, ServiceRefused):
            return False

    def files_of[T](self, pid: str, take: Callable[[Iterator[CatalogueFile]], T]) -> T:
        """What ``take`` makes of the files of the dataset's origdatablocks, of which one block is in memory at a time.

        There may be any number. Otherwise as ``blocks_of``.
        """
        return self.blocks_of(pid, lambda blocks: take(file for block in blocks for file in block.read()))

    def blocks_of[T](self, pid: str, take: Callable[[Sequence[FileBlock]], T]) -> T:
        """What ``take`` makes of the dataset's origdatablocks, each of which is read when it asks for it.

        Should the list of blocks change while it is read, ``take`` is called again and gets all blocks anew; one that
        changes each time is read later: raises ServiceUnavailable.
        """
        for _ in range(READINGS):
            try:
                return take(self._blocks(pid))
            except _ListChangedError:
                logger.warning("SciCat's list of files changed while it was read", extra={"pid": pid})
        raise ServiceUnavailable(Code.SCICAT_UNAVAILABLE, f"The list of files of {pid} changes while it is read.")

    def _blocks(self, pid: str) -> list[FileBlock]:
        path = including(pid, "origdatablocks", {"fields": records.ORIGDATABLOCK_FIELDS})
        request = Request("GET", path, shapes.dataset(pid, having="ids"))
        listed = self._session.ask_for_list(request).read(records.origdatablock_ids_of)
        return [
            FileBlock(block_id, partial(self._files, pid, place, block_id)) for place, block_id in enumerate(listed)
        ]

    def _files(self, pid: str, place: int, block_id: str) -> Sequence[CatalogueFile]:
        path = including(pid, "origdatablocks", {"limits": {"limit": 1, "skip": place}})
        request = Request("GET", path, shapes.dataset(pid, having="files"))
        found = self._session.ask(request).read(records.origdatablock_of)
        if found is None or found[0] != block_id:
            raise _ListChangedError
        return found[1]

    def create_dataset(self, metadata: Mapping[str, Any], pid: str) -> bool:
        """Register a dataset (api v3 field names) under ``pid``; False when the pid is taken already."""
        request = Request("POST", DATASETS_PATH, shapes.changed_dataset(pid), {**metadata, "pid": pid})
        answer = self._session.ask(request)
        if answer.status != 409 and not answer.ok:
            raise answer.failure()
        return answer.ok

    def add_origdatablock(
        self, pid: str, files: Sequence[CatalogueFile], chk_alg: str | None, *, after: int | None = None
    ) -> None:
        """List files of a dataset. Repeating it adds nothing.

        ``after`` is how many files the dataset lists without them, where that is known: while SciCat counts just
        as many, the list, which may be long, need not be looked through.
        """

        def lists_them(known: Iterator[CatalogueFile]) -> bool:
            missing = {records.likeness(file) for file in files}
            for file in known:
                missing.discard(records.likeness(file))
            return not missing

        def listed() -> bool | None:
            return self.files_of(pid, lists_them) or None

        if self.need_dataset(pid).totals.files != after and listed():
            return
        body = {"size": sum(file.size for file in files), "dataFileList": [records.file_body(file) for file in files]}
        body |= without_none({"chkAlg": chk_alg})
        request = Request("POST", f"{dataset_path(pid)}/origdatablocks", shapes.new_record(body), body)
        self._session.create(request, listed, lambda _: True)

    def datablock(self, pid: str, record: DatablockRecord) -> CatalogueDatablock:
        """A datablock with its files. Raises ServiceUnavailable when it is not recorded as it was listed any more."""
        found = self._session.ask(_by_archive_id(pid, record.archive_id)).read(records.datablocks_of)
        for block_id, datablock in found:
            if (block_id, datablock.size, datablock.packed_size) == (record.id, record.size, record.packed_size):
                return datablock
        message = f"The datablocks of {pid} change while they are read."
        raise ServiceUnavailable(Code.SCICAT_UNAVAILABLE, message)

    def recorded_as(self, pid: str, datablock: CatalogueDatablock) -> str | None:
        """The id under which SciCat has this datablock; None when it has not.

        Raises ServiceRefused (``ARCHIVE_ID_CONFLICT``) when another one of the dataset has its ``archive_id``.
        """
        answer = self._session.ask_for_list(_by_archive_id(pid, datablock.archive_id))
        for block_id, found in answer.read(records.datablocks_of):
            if records.is_recorded(datablock, found):
                return block_id
            message = f"SciCat records another datablock as {datablock.archive_id}."
            raise ServiceRefused(Code.ARCHIVE_ID_CONFLICT, message)
        return None

    def add_datablock(self, pid: str, datablock: CatalogueDatablock) -> str:
        """Record a datablock and return its id. One that is recorded already, and equal, is success.

        Raises ServiceRefused (``ARCHIVE_ID_CONFLICT``) when another one has its ``archive_id``.
        """
        body = records.datablock_body(datablock)
        request = Request("POST", f"{dataset_path(pid)}/datablocks", shapes.new_record(body), body)
        return self._session.create(request, lambda: self.recorded_as(pid, datablock), _id)

    def delete_datablock(self, pid: str, datablock_id: str) -> None:
        """Remove a datablock's record; one that is gone already is fine."""
        path = f"{dataset_path(pid)}/datablocks/{segment(datablock_id)}"
        answer = self._session.ask(Request("DELETE", path, shapes.nothing))
        if not answer.ok and not answer.not_found:
            raise answer.failure()

    def update_lifecycle(self, pid: str, **fields: object) -> Mapping[str, Any]:
        """Merge ``fields`` (SciCat's names) into the dataset's lifecycle, and return it; nothing else changes."""
        answer = self._session.change(f"{dataset_path(pid)}/datasetlifecycle", fields, shapes.lifecycle(fields))
        # Releases before 5 answer 409 to a patch that changes nothing.
        if answer.status == 409:
            lifecycle = self.need_dataset(pid).lifecycle
            if fields.items() <= lifecycle.items():
                return lifecycle
        return answer.read(records.lifecycle_of)

    def lost_edits(self, pid: str) -> list[str]:
        """The fields that somebody changed and SciCat set back while this account wrote the lifecycle, sorted.

        Only SciCat's history knows; where the dataset's is not kept (``TRACKABLES``), nothing is found.
        """
        request = Request(
            "GET", filtered(dataset_path(pid), fields=["pid", "history"]), shapes.dataset(pid, having="history")
        )
        answer = self._session.ask(request)
        return answer.read(partial(records.lost_edits_of, writer=self._session.username))

    def mend_totals(self, pid: str, *, packed_size: int, files_archived: int) -> bool:
        """Make SciCat's totals of archived bytes and files those of the datablocks that it records.

        SciCat writes a datablock and the totals one after the other, and saves a dataset with its lifecycle as a
        whole: a crash, or a change in between, leaves them wrong, though every answer was good. Returns whether
        they are right now: the account may lack the right to mend them.
        """
        for _ in range(CHANGES):
            dataset = self.need_dataset(pid)
            right = replace(dataset.totals, packed_size=packed_size, files_archived=files_archived)
            if dataset.totals == right:
                return True
            # All four: some releases reset a total that a change does not name (SciCat backend, issue 2746).
            body, unmodified = records.totals_body(right), records.unmodified_since(dataset)
            request = Request("PATCH", dataset_path(pid), shapes.changed_dataset(pid), body, unmodified)
            answer = self._session.ask(request)
            logger.warning("SciCat's totals differ from its records", extra={"answer": answer.told, **asdict(right)})
            if not answer.ok and not answer.changed_meanwhile:
                return False
        return False

    # Users

    def identity(self, token: str) -> Identity | None:
        """The user of a SciCat token, by SciCat's own word; None when SciCat does not accept it."""
        answer = self._session.ask_as(token, Request("GET", "/api/v3/users/my/identity", shapes.IDENTITY))
        return None if answer.status in {401, 403} else answer.read(identity_of)


def _job_path(job_id: str) -> str:
    return f"{JOBS_PATH}/{segment(job_id)}"


def _known[T](pid: str, found: T | None) -> T:
    if found is None:
        raise DatasetRejected(Code.DATASET_UNKNOWN, f"SciCat does not know the dataset {pid}.")
    return found


def _by_archive_id(pid: str, archive_id: str) -> Request:
    """What asks for the dataset with the one datablock of this name, if there is one."""
    path = including(pid, "datablocks", {"where": {"archiveId": archive_id}})
    return Request("GET", path, shapes.dataset(pid, having="datablocks"))


def _id(body: Json) -> str:
    return str(body["id"])
