"""What always holds, checked from outside: in the buckets, in SciCat's database, and in what executions passed on.

The numbers are those of "What always holds" in docs/architecture.md.
"""

import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

from archiver.keys import Keys
from archiver.settings import settings
from mocks.scicat.storage.store import Document, Kind
from tests.faults.memory_aws import Change
from tests.faults.world import World
from tests.support.account import SECRETS
from tests.support.memory_account import Stored, now

# What would be a secret in a state: passwords and keys, tokens (of SciCat's logins and of links), presigned addresses.
_SECRETS = (SECRETS["job-api"]["password"], SECRETS["link"]["key"], "Bearer", "eyJhbGciOi", "X-Amz-Signature")
# How the answer of a function that raised something begins, and what it may raise; the last two are Lambda's.
_RAISED = '{"errorMessage"'
_ERRORS = {"DatasetRejected", "ServiceRefused", "ServiceUnavailable", "Runtime.ExitError", "Lambda.Unknown"}
_OWN_DOCUMENTS = ("dataset.json", "dataset.status.json")
# Where an archiving may come to rest; the first two when nobody asked for it yet.
SETTLED = {
    "filesNotYetAvailable",
    "datasetCreated",
    "datasetOnArchiveDisk",
    "missingFilesError",
    "scheduleArchiveJobFailed",
}
JOB_ENDED = {"finishedSuccessful", "finishedWithDatasetErrors", "finishedUnsuccessful"}


@dataclass(frozen=True, slots=True)
class _Archived:
    """A landing file that the service deleted: from then on its bytes must lie in the archive.

    ``pids`` are the datasets that were dropped there; a folder may be dropped again with another dataset.json.
    """

    pids: tuple[str, ...]
    path: str
    body: bytes


@dataclass(slots=True)
class Promises:
    """Checks a world. ``checked`` counts how often each promise was looked after."""

    world: World
    checked: Counter[str] = field(default_factory=Counter)
    _entrusted: list[_Archived] = field(default_factory=list)
    _changes_seen: int = 0
    _told_seen: int = 0
    _passed_seen: Counter[str] = field(default_factory=Counter)
    _ended: dict[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Everything that holds at any moment. Raises AssertionError saying what does not."""
        for change in self._new_changes():
            self._is_allowed(change)
        datasets = self.world.scicat.store.all(Kind.DATASET)
        for dataset in datasets:
            self._dataset(dataset, self.world.scicat.datablocks(dataset["_id"]))
        for archived in self._entrusted:
            self._is_archived(archived)
        self._one_writer()
        self._what_was_passed()
        for job in self.world.scicat.store.all(Kind.JOB):
            self._job(job, {dataset["_id"]: dataset for dataset in datasets})

    def check_at_rest(self) -> None:
        """What holds when nothing runs any more and everything could be finished."""
        for execution in self.world.stepper.executions.values():
            self._hold("8 executions end", execution.status != "RUNNING", execution.arn)
        for dataset in self.world.scicat.store.all(Kind.DATASET):
            status = dataset["datasetlifecycle"]["archiveStatusMessage"]
            self._hold("8 a status that is an end", status in SETTLED, f"{dataset['_id']} is {status}")
            self._archived_or_there(dataset)
        for job in self.world.scicat.store.all(Kind.JOB):
            self._hold("8 jobs end", job["statusCode"] in JOB_ENDED, f"{job['_id']} is {job['statusCode']}")
        uploads = [f"{upload.bucket}/{upload.key}" for upload in self.world.aws.uploads.values()]
        self._hold("4 no upload is left", not uploads, uploads)
        staging = self.world.aws.buckets["staging"]
        tars = [key for key in staging if key.endswith(".tar")]
        self._hold("4 no staged tar is left", not tars, tars)
        leases = [key for key in staging if key.startswith("leases/") and not key.startswith("leases/deliveries/")]
        self._hold("5 no lease is left", not leases, leases)

    def _hold(self, promise: str, holds: bool, detail: object = "") -> None:
        self.checked[promise] += 1
        assert holds, f"{promise}: {detail}"

    # What was written and deleted

    def _new_changes(self) -> list[Change]:
        new = self.world.aws.changes[self._changes_seen :]
        self._changes_seen += len(new)
        return new

    def _is_allowed(self, change: Change) -> None:
        if change.bucket == "lts":
            fresh = change.what == "written" and change.before is None
            self._hold("4 nothing in the LTS is overwritten", fresh, change)
        if change.bucket != "landing" or not change.run_id:
            return
        if change.what == "written":
            self._hold("1 the service writes no file of a user", change.key.endswith(_OWN_DOCUMENTS[1]), change)
            return
        prefixes = {one["_id"]: self.prefix_of(one["_id"]) for one in self.world.scicat.store.all(Kind.DATASET)}
        pids = tuple(pid for pid, prefix in prefixes.items() if change.key.startswith(prefix))
        self._hold("1 only a dataset's files are deleted", bool(pids) and change.before is not None, change.key)
        assert change.before is not None
        is_swept = Keys.run(change.run_id, "snapshot.json") not in self.world.aws.buckets["staging"]
        if is_swept and self._came_after_the_archive(pids, change.before):
            return
        path = change.key.removeprefix(prefixes[pids[0]])
        self._entrusted.append(_Archived(pids, path, change.before.body))

    def _came_after_the_archive(self, pids: tuple[str, ...], file: Stored) -> bool:
        """Whether it lay for ``LandingDays`` beside an archived dataset, of which it is no part."""
        is_old = now() - file.modified >= timedelta(days=settings().landing_days)
        datasets = [one for one in self.world.scicat.store.all(Kind.DATASET) if one["_id"] in pids]
        return is_old and all(dataset["datasetlifecycle"]["retrievable"] for dataset in datasets)

    def prefix_of(self, pid: str) -> str:
        """Where a dataset's files lie."""
        source = self.world.aws.buckets["staging"].get(Keys.source(pid))
        return Keys.uploads(pid) if source is None else str(json.loads(source.body)["prefix"])

    # Datasets

    def _dataset(self, dataset: Document, datablocks: list[Document]) -> None:
        pid, lifecycle = dataset["_id"], dataset["datasetlifecycle"]
        both = lifecycle["archivable"] and lifecycle["retrievable"]
        self._hold("2 never archivable and retrievable", not both, pid)
        paths = [file["path"] for block in datablocks for file in block["dataFileList"]]
        self._hold("5 every file is registered once", len(paths) == len(set(paths)), f"{pid}: {paths}")
        if lifecycle["retrievable"]:
            self._hold("2 what is retrievable has datablocks", bool(datablocks), pid)
            for block in datablocks:
                self._block(block)
            listed = [f["path"] for one in self._blocks(Kind.ORIGDATABLOCK, pid) for f in one["dataFileList"]]
            self._hold("2 only listed files are registered", set(paths) <= set(listed), f"{pid}: {paths}")

    def _blocks(self, kind: Kind, pid: str) -> list[Document]:
        return self.world.scicat.store.of_dataset(kind, pid)

    def _block(self, block: Document) -> None:
        """A registered datablock is in the LTS: size, checksum, and each file with the registered SHA-256."""
        stored = self.world.aws.buckets["lts"].get(block["archiveId"])
        self._hold("2 registered datablocks are in the LTS", stored is not None, block["archiveId"])
        assert stored is not None
        recorded = (block["packedSize"], stored.metadata.get("crc64nvme"))
        self._hold("2 size and checksum", (len(stored.body), stored.checksum) == recorded, block["archiveId"])
        members = _members(stored)
        for file in block["dataFileList"]:
            if file.get("chk"):
                body = members.get(file["path"])
                fine = body is not None and hashlib.sha256(body).hexdigest() == file["chk"]
                self._hold("3 files have their checksums", fine, file["path"])

    def _is_archived(self, archived: _Archived) -> None:
        """A deleted landing file is in a tar of the LTS that is registered."""
        for block in [datablock for pid in archived.pids for datablock in self.world.scicat.datablocks(pid)]:
            stored = self.world.aws.buckets["lts"].get(block["archiveId"])
            registered = any(file["path"] == archived.path for file in block["dataFileList"])
            if registered and stored is not None and _members(stored).get(archived.path) == archived.body:
                self.checked["1 deleted files are archived"] += 1
                return
        raise AssertionError(f"1 deleted files are archived: {archived.path} of {archived.pids} is not")

    def _archived_or_there(self, dataset: Document) -> None:
        """At rest a dataset is archived, or has no record; where its files are then says ``_is_archived``."""
        if not dataset["datasetlifecycle"]["retrievable"]:
            blocks = self.world.scicat.datablocks(dataset["_id"])
            self._hold("4 no record is left", not blocks, [block["archiveId"] for block in blocks])

    # Writers, states, jobs

    def _one_writer(self) -> None:
        told = self.world.told[self._told_seen :]
        self._told_seen += len(told)
        for one in told:
            alone = one.holder in {"", one.run_id}
            self._hold("5 one writer", alone, f"{one.run_id} wrote {one.asked} while {one.holder} held the lease")

    def _what_was_passed(self) -> None:
        """No secret in a state; and whatever a function raises has a name that somebody gave it."""
        for execution in self.world.stepper.executions.values():
            new = execution.seen[self._passed_seen[execution.arn] :]
            self._passed_seen[execution.arn] += len(new)
            for text in (*new, execution.cause):
                found = [secret for secret in _SECRETS if secret in text]
                self._hold("7 no secret in a state", not found, f"{execution.arn}: {found}")
            for text in new:
                if text.startswith(_RAISED):
                    self._hold("6 failures have names", json.loads(text)["errorType"] in _ERRORS, text)

    def _job(self, job: Document, datasets: Mapping[str, Document]) -> None:
        status = job["statusCode"]
        before = self._ended.setdefault(job["_id"], status) if status in JOB_ENDED else self._ended.get(job["_id"])
        self._hold("8 a job ends once", before in {None, status}, f"{job['_id']} was {before}, is {status}")
        if (job["type"], status) == ("archive", "finishedSuccessful"):
            for one in job["jobParams"]["datasetList"]:
                told = datasets[one["pid"]]["datasetlifecycle"]["retrievable"]
                self._hold("2 a successful job has archived", told, f"{job['_id']}: {one['pid']}")


@dataclass(frozen=True, slots=True)
class _Tar:
    """A tar by its bytes, to be read once."""

    etag: str
    body: bytes = field(compare=False, repr=False)


def _members(stored: Stored) -> Mapping[str, bytes]:
    return _read(_Tar(stored.etag, stored.body))


@cache
def _read(tar: _Tar) -> Mapping[str, bytes]:
    """The files of a tar as Python's tarfile reads them."""
    with tarfile.open(fileobj=io.BytesIO(tar.body)) as opened:
        return {member.name: _body(opened, member) for member in opened if member.isfile()}


def _body(opened: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = opened.extractfile(member)
    assert file is not None
    return file.read()
