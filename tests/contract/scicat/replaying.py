"""Replays the recordings of a release against the mock: the same requests, in the same order, by the same accounts.

Not every step of the recorded sessions was kept. What the kept ones take for granted is made up for here: the datasets
they ask about (``DATASETS``), the jobs they list, and a few steps in between (``IN_BETWEEN``). New documents get the
ids they had, so that lists which are sorted by them agree.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from mocks.scicat.accounts import Account
from mocks.scicat.configuration import Configuration
from mocks.scicat.jobs.configuration import read_job_configuration
from mocks.scicat.releases import RELEASES
from mocks.scicat.storage import documents
from mocks.scicat.storage.store import Kind
from mocks.scicat.testing import RunningScicat, run_mock_scicat
from tests.contract.scicat.callers import Archiver
from tests.contract.scicat.comparing import Comparison
from tests.contract.scicat.recordings import Recording, recordings
from tests.support.loopback import loopback_client

GROUPS: Mapping[str, tuple[str, ...]] = {
    "admin": ("admin",),
    "archadm": ("admin", "archivemanager", "ingestor"),
    "archiver": ("archivemanager", "ingestor", "jobmanager"),
    "both": ("archivemanager", "ingestor", "jobcreators", "jobupdaters"),
    "deleter": ("deleters",),
    "drops1": ("group1",),
    "jobcreator": ("jobcreators",),
    "jobcreator1": ("jobcreators", "group1"),
    "member1": ("archivemanager", "ingestor", "group1"),
    "member1u": ("archivemanager", "ingestor", "jobupdaters", "group1"),
    "noarch": ("ingestor", "jobmanager"),
    "nogroups": (),
    "noingest": ("archivemanager", "jobmanager"),
    "nojob": ("archivemanager", "ingestor"),
    "onlyarch": ("archivemanager",),
    "onlyingest": ("ingestor",),
    "onlyjob": ("jobmanager",),
    "substring": ("manager",),
    "updateronly": ("jobupdaters",),
    "updater": ("archivemanager", "ingestor", "jobupdaters"),
    "updaternoingest": ("archivemanager", "jobupdaters"),
    "user1": ("group1",),
    "user2": ("group2",),
    "user3": ("group3",),
    "withpid": ("archivemanager", "withpid"),
}

DOCUMENTED: dict[str, str] = {
    "CREATE_JOB_PRIVILEGED_GROUPS": "jobmanager",
    "UPDATE_JOB_PRIVILEGED_GROUPS": "jobmanager",
}
TWO_GROUPS = {
    "CREATE_JOB_PRIVILEGED_GROUPS": "jobcreators",
    "UPDATE_JOB_PRIVILEGED_GROUPS": "jobupdaters",
    "CREATE_DATASET_WITH_PID_GROUPS": "withpid",
}
IN_LISTS = TWO_GROUPS | {
    "CREATE_JOB_PRIVILEGED_GROUPS": "other, jobcreators",
    "UPDATE_JOB_PRIVILEGED_GROUPS": "other, jobupdaters",
}
CHECKED_PIDS = {
    "DATASET_CREATION_VALIDATION_ENABLED": "true",
    "DATASET_CREATION_VALIDATION_REGEX": "^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$",
}
# Credentials whose base64 ends in two signs of equality, in one, and in none.
PADDED = {2: "archiver:secret1", 1: "archiver:secret12", 0: "archiver:secret"}


@dataclass(frozen=True)
class Run:
    """Recordings of one start of a SciCat: with these settings, and a job configuration with so many braces."""

    numbers: Sequence[range]
    variables: Mapping[str, str]
    padding: int = 2
    braces: int = 2
    archiver_listens: bool = True
    # A SciCat of its own, with accounts in other groups.
    database: str = "scicat"
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def holds(self, recording: Recording) -> bool:
        return any(recording.number in numbers for numbers in self.numbers)


# The order in which they were made. Each run goes on with the database of the one before.
RUNS = (
    Run((range(1, 3), range(301, 303), range(101, 279), range(320, 336)), DOCUMENTED),
    Run((range(336, 338),), DOCUMENTED, archiver_listens=False),
    Run((range(401, 514), range(542, 543), range(514, 542), range(600, 710), range(801, 940)), DOCUMENTED),
    Run((range(303, 305), range(1001, 1090), range(1200, 1210)), TWO_GROUPS, padding=1),
    Run((range(305, 307),), TWO_GROUPS, padding=0),
    Run((range(311, 313), range(721, 729)), TWO_GROUPS | CHECKED_PIDS, braces=3),
    Run((range(313, 315),), TWO_GROUPS, padding=1, braces=3),
    Run((range(315, 317),), TWO_GROUPS, padding=0, braces=3),
    Run((range(1101, 1127), range(1130, 1132)), TWO_GROUPS, braces=3),
    Run((range(1127, 1130),), TWO_GROUPS | {"CREATE_DATASET_GROUPS": "group1"}, braces=3),
    Run((range(1301, 1339),), IN_LISTS, braces=3),
    Run((range(1350, 1362),), TWO_GROUPS | {"DELETE_GROUPS": "deleters"}, braces=3),
    Run((range(1370, 1376),), DOCUMENTED, braces=3),
    # What this project's own client asks, with the two accounts that it is given.
    Run(
        (range(1401, 1459),),
        TWO_GROUPS,
        braces=3,
        database="own",
        groups={"archiver": GROUPS["updater"], "creator": GROUPS["jobcreator"]},
    ),
)

SHARED: dict[str, Any] = {"accessGroups": ["group2"]}
ARCHIVED = {"archiveStatusMessage": "datasetOnArchiveDisk", "archivable": False, "retrievable": True}
# What is special about the dataset that a recording is the first to ask about.
DATASETS: Mapping[int, dict[str, Any]] = {
    201: SHARED,
    211: SHARED | {"datasetlifecycle": ARCHIVED},
    501: SHARED,
    600: SHARED,
}
# The lists of files of the dataset that is larger than one answer of MongoDB: blocks, files in each, letters of a path.
# The last path is shorter, so that all of them together are as large as they were.
LARGE, BLOCKS, FILES, LETTERS, LETTERS_OF_THE_LAST = 470, 5, 20_000, 126, 31

TIME, SUM = "2026-11-23T08:00:00.000Z", "ab" * 32
NEW_DATASET = {
    "type": "raw",
    "owner": "User One",
    "ownerGroup": "group1",
    "contactEmail": "user1@example.org",
    "sourceFolder": "/data/run1",
    "creationTime": TIME,
    "creationLocation": "ETHZ",
    "principalInvestigator": "user1@example.org",
    "datasetName": "run1",
    "datasetlifecycle": {"archiveStatusMessage": "datasetCreated", "archivable": True, "retrievable": False},
}


def files(*listed: tuple[str, int]) -> dict[str, Any]:
    """A list of files, by path and size."""
    entries = [{"path": path, "size": size, "time": TIME, "chk": SUM} for path, size in listed]
    return {"size": sum(size for _, size in listed), "chkAlg": "sha256", "dataFileList": entries}


def a_datablock(archive_id: str) -> dict[str, Any]:
    return {"archiveId": archive_id, "packedSize": 10240, "version": "1.0"} | files(("f0", 8))


TWO_FILES = files(("a.bin", 3), ("sub/b.bin", 5))

# Steps that were not kept, before a recording: account, method, path and body. In the path {} is what the recording
# itself asks about, up to its last word.
IN_BETWEEN: Mapping[int, list[tuple[str, str, str, Any]]] = {
    402: [("user1", "POST", "/api/v3/datasets/{}/origdatablocks", TWO_FILES)],
    521: [("archiver", "POST", "/api/v3/datasets/{}/datablocks", a_datablock("any"))],
    525: [("archiver", "PATCH", "/api/v3/datasets/{}/datasetlifecycle", ARCHIVED)],
    1042: [("updateronly", "PATCH", "/api/v3/jobs/{}", {"jobStatusMessage": "inProgress"})],
    1085: [
        ("member1", "PATCH", "/api/v3/datasets/{}/datasetlifecycle", {"archivable": True}),
        ("member1", "POST", "/api/v3/datasets/{}/datablocks", a_datablock("lr-member1")),
        ("member1", "POST", "/api/v3/datasets/{}/origdatablocks", files(("o", 1))),
    ],
}

_PID = re.compile(r"20\.500\.11935/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_JOB = re.compile(r"/jobs/([^/?]+)")
_URL_FAILED = ("A remote URL call failed with response: ", "unable to perform action 'url'")


class Replay:
    """One release's recordings against the mock, one after another."""

    def __init__(self, release: str, folder: Path, archiver: Archiver, patch: pytest.MonkeyPatch) -> None:
        self._release = release
        self._folder = folder
        self._archiver = archiver
        self._comparisons = {run.database: Comparison() for run in RUNS}
        self._known = recordings(release)
        self._ids: list[str] = []
        given = documents.new_id
        patch.setattr(documents, "new_id", lambda: self._ids.pop(0) if self._ids else given())

    def run(self) -> Iterator[tuple[Recording, list[str]]]:
        """Each recording with what is different about the mock's answer."""
        for run in RUNS:
            with self._serving(run) as (server, http):
                for numbers in run.numbers:
                    for recording in (one for one in self._known if one.number in numbers):
                        yield recording, self._differences(recording, _Session(server, http), run)

    @contextmanager
    def _serving(self, run: Run) -> Iterator[tuple[RunningScicat, httpx.Client]]:
        url = self._archiver.url if run.archiver_listens else "http://127.0.0.1:1"
        variables = {
            "PID_PREFIX": "20.500.11935",
            "ARCHIVER_URL": f"{url}/api/v1",
            "ARCHIVER_BASIC": base64.b64encode(PADDED[run.padding].encode()).decode(),
            **run.variables,
        }
        jobs = self._folder / f"jobs-{run.braces}.yaml"
        jobs.write_text(job_configuration(run.braces))
        configuration = Configuration(RELEASES[self._release], variables, read_job_configuration(jobs))
        with (
            run_mock_scicat(self._folder / run.database, configuration=configuration, accounts=accounts(run)) as server,
            loopback_client(server.url) as http,
        ):
            yield server, http

    def _differences(self, recording: Recording, session: "_Session", run: Run) -> list[str]:
        if recording.was_received:
            return self._differences_received(recording, run)
        self._arrange(recording, session)
        self._ids[:] = self._created(recording)
        answer = session.ask(recording.account, recording.method, recording.path, *_sent(recording))
        self._ids.clear()
        body = answer.json() if answer.content else ""
        recorded = [recording.status, recording.content_type, recording.answer]
        return self._comparisons[run.database].differences(
            recorded, [answer.status_code, answer.headers.get("content-type"), body]
        )

    def _differences_received(self, recording: Recording, run: Run) -> list[str]:
        received = self._archiver.received[-1]
        secret = base64.b64encode(PADDED[run.padding].encode()).decode().rstrip("=")
        expected = {name: value.replace("<token>", secret) for name, value in recording.headers.items()}
        expected["host"] = self._archiver.url.removeprefix("http://")
        headers = [list(header) for header in expected.items()]
        recorded = [recording.method, recording.path, headers, recording.body]
        arrived = [received.method, received.path, [list(header) for header in received.headers], received.body]
        return self._comparisons[run.database].differences(recorded, arrived)

    def _arrange(self, recording: Recording, session: "_Session") -> None:
        """Make what the recording takes for granted."""
        for job in _listed_jobs(recording):
            if session.store.get(Kind.JOB, job["_id"]) is None:
                self._add_datasets(json.dumps(job), recording.number, session)
                self._add_job(job, session)
        if not recording.creates("datasets"):
            self._add_datasets(recording.route + json.dumps(recording.body), recording.number, session)
        for account, method, path, body in IN_BETWEEN.get(recording.number, ()):
            session.arrange(account, method, path.format(quote(_asked_about(recording), safe="")), body)
        self._archiver.status, self._archiver.body = _archivers_answer(recording)

    def _add_datasets(self, text: str, number: int, session: "_Session") -> None:
        for pid in _PID.findall(text):
            if session.store.get(Kind.DATASET, pid) is not None:
                continue
            self._ids[:] = [pid.partition("/")[2]]
            session.arrange("user1", "POST", "/api/v3/datasets", NEW_DATASET | DATASETS.get(number, {}))
            self._ids.clear()
            for listed in _large_lists() if number == LARGE else [TWO_FILES]:
                session.arrange("user1", "POST", f"/api/v3/datasets/{quote(pid, safe='')}/origdatablocks", listed)

    def _add_job(self, job: dict[str, Any], session: "_Session") -> None:
        sent = ("type", "jobParams", "ownerUser", "ownerGroup", "contactEmail")
        self._ids[:] = [job["_id"]]
        session.arrange(job["createdBy"], "POST", "/api/v4/jobs", {name: job[name] for name in sent if name in job})
        self._ids.clear()

    def _created(self, recording: Recording) -> list[str]:
        """The ids that were given to what the request created."""
        if recording.method != "POST":
            return []
        if isinstance(recording.answer, dict) and "_id" in recording.answer:
            return [recording.answer["_id"].rpartition("/")[2]]
        if recording.creates("jobs") and any(text in str(recording.answer) for text in _URL_FAILED):
            return self._listed_later(recording)
        return []

    def _listed_later(self, recording: Recording) -> list[str]:
        """The id of a job that nobody was told, because the archiver refused it: one of the next answers shows it."""
        (pid,) = set(_PID.findall(json.dumps(recording.body)))
        after = [one for one in self._known if 0 < one.number - recording.number <= 2]
        jobs = [job for one in after for job in (*_listed_jobs(one), *_shown_job(one))]
        return [job["_id"] for job in jobs if pid in json.dumps(job["jobParams"])][:1]


@dataclass(frozen=True)
class _Session:
    """Asks a running mock as any account."""

    server: RunningScicat
    http: httpx.Client

    @property
    def store(self) -> Any:
        return self.server.store

    def ask(
        self, account: str | None, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        token = {} if self._token(account) is None else {"Authorization": f"Bearer {self._token(account)}"}
        return self.http.request(method, path, content=content, headers={**headers, **token})

    def arrange(self, account: str, method: str, path: str, body: Any) -> None:
        """Ask, for the effect."""
        headers = {"Content-Type": "application/json"}
        answer = self.ask(account, method, path, json.dumps(body).encode(), headers)
        assert answer.is_success, f"{account} {method} {path}: {answer.status_code} {answer.text}"

    def _token(self, account: str | None) -> str | None:
        if account is None:
            return None
        if account == "none (garbage token)":
            return "any.other.token"
        name, _, state = account.partition(" ")
        token = self.server.logins.new_token(self.server.accounts[name])
        if state == "(expired token)":
            self.server.logins.expire_tokens()
        return token


def _sent(recording: Recording) -> tuple[bytes | None, dict[str, str]]:
    headers = {name: value for name, value in recording.headers.items() if name != "Authorization"}
    body = recording.body
    if isinstance(body, str) and (large := re.match(r"<(\d+) bytes of JSON", body)):
        return b" " * int(large[1]), headers
    if recording.number == 2:
        body = body | {"password": "password of archiver"}
    return None if body is None else json.dumps(body).encode(), headers


def _listed_jobs(recording: Recording) -> list[dict[str, Any]]:
    """The jobs of a list of api v4."""
    answer = recording.answer if isinstance(recording.answer, list) else []
    return [one for one in answer if "jobParams" in one and "createdBy" in one]


def _shown_job(recording: Recording) -> list[dict[str, Any]]:
    """The job that api v4 shows, if it is one."""
    answer = recording.answer if isinstance(recording.answer, dict) else {}
    return [answer] if recording.method == "GET" and "jobParams" in answer and "createdBy" in answer else []


def _asked_about(recording: Recording) -> str:
    """The dataset or job that a recording is about."""
    if job := _JOB.search(recording.route):
        return job[1]
    return str(_PID.findall(recording.route + json.dumps(recording.body))[0])


def _archivers_answer(recording: Recording) -> tuple[int, str]:
    message = recording.answer.get("message", "") if isinstance(recording.answer, dict) else ""
    if isinstance(message, str) and message.startswith(_URL_FAILED[0]):
        return recording.status, message.removeprefix(_URL_FAILED[0])
    return 201, "{}"


def _large_lists() -> Iterator[dict[str, Any]]:
    for block in range(BLOCKS):
        letters = [LETTERS] * (FILES - 1) + [LETTERS_OF_THE_LAST if block == BLOCKS - 1 else LETTERS]
        paths = [f"{block}/{number}".ljust(length, "_") for number, length in enumerate(letters)]
        yield files(*((path, 1) for path in paths))


_JOBS = """
configVersion: archiver-url-1
jobs:
"""
_TYPE = """
  - jobType: {name}
    create:
      auth: "{auth}"
      actions:
        - actionType: validate
          datasets: {{"datasetlifecycle.{flag}": {{const: true}}}}
        - actionType: url
          url: "<env.ARCHIVER_URL>/archiver/jobs"
          method: POST
          headers: {{Content-Type: application/json, Authorization: "Basic <env.ARCHIVER_BASIC>"}}
          body: '{{"id": "<job.id>", "type": "<job.type>"}}'
    update: {{auth: "@archivemanager"}}
"""
_TYPES = (
    ("archive", "#datasetOwner", "archivable"),
    ("archive_jobadmin", "#jobAdmin", "archivable"),
    ("archive_authenticated", "#authenticated", "archivable"),
    ("archive_group", "@jobcreators", "archivable"),
    ("retrieve", "#datasetAccess", "retrievable"),
)


def accounts(run: Run) -> Iterator[Account]:
    """All accounts, with their addresses; the archiver's is that of SciCat's own examples."""
    for name, groups in {**GROUPS, **run.groups}.items():
        address = "" if name == "archiver" else f"{name}@example.org"
        yield Account(name, f"password of {name}", frozenset(groups), address)


def job_configuration(braces: int) -> str:
    """A job configuration of the recordings, its expressions in so many braces."""
    types = "".join(_TYPE.format(name=name, auth=auth, flag=flag) for name, auth, flag in _TYPES)
    return _JOBS + types.replace("<", "{" * braces).replace(">", "}" * braces)
