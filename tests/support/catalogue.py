"""A SciCat to arrange datasets in, that remembers what it was told. The server is the project's mock of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from archiver.scicat import rights
from archiver.scicat.responses import Answer
from archiver.scicat.transport import Request, Server
from mocks.faults import SPARED
from mocks.scicat.accounts import Account, Accounts
from mocks.scicat.testing import run_mock_scicat
from tests.support.account import SECRETS
from tests.support.loopback import LOOPBACK

ANY_TIME = "2026-11-23T08:00:00.000Z"
# Faults are for the service, not for who arranges and looks.
_SPARED = {SPARED.decode(): "1"}
PASSWORD = "any-password"
ACCOUNTS = (
    Account(
        SECRETS["scicat"]["username"],
        SECRETS["scicat"]["password"],
        frozenset({"archivemanager", "ingestor", "jobmanager"}),
    ),
    Account(SECRETS["scicat-jobs"]["username"], SECRETS["scicat-jobs"]["password"], frozenset({"jobcreators"})),
    Account("user1", PASSWORD, frozenset({"group1"})),
    Account("user2", PASSWORD, frozenset({"group2"})),
)


def a_dataset(**fields: Any) -> dict[str, Any]:
    """A raw dataset of user1, as an uploader registers it."""
    return {
        "type": "raw",
        "owner": "User One",
        "ownerGroup": "group1",
        "contactEmail": "user1@your.site",
        "sourceFolder": "/data/run1",
        "creationTime": ANY_TIME,
        "creationLocation": "ETHZ",
        "principalInvestigator": "user1@your.site",
        "datasetName": "run1",
    } | fields


@dataclass(slots=True)
class Scicat:
    """A running SciCat. ``told`` are the changes the service asked it for, in order: path and body.

    ``logins`` can let tokens expire, and accounts join groups.
    """

    url: str
    logins: Accounts = field(repr=False)
    told: list[tuple[str, Any]] = field(default_factory=list)
    _tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def add_dataset(self, pid: str, datablocks: Sequence[Mapping[str, Any]] = (), **lifecycle: Any) -> None:
        """A dataset of user1, with these datablocks and, if any is given, this lifecycle."""
        self._ask("archiver", "POST", "/api/v3/datasets", a_dataset(pid=pid))
        for datablock in datablocks:
            self._ask("archiver", "POST", f"/api/v3/datasets/{quote(pid, safe='')}/datablocks", datablock)
        if lifecycle:
            self.set_lifecycle(pid, **lifecycle)

    def add_origdatablock(self, pid: str, block: Mapping[str, Any]) -> None:
        """A list of files, whatever it says."""
        self._ask("archiver", "POST", f"/api/v3/datasets/{quote(pid, safe='')}/origdatablocks", block)

    def add_archived_dataset(self, pid: str, datablocks: Sequence[Mapping[str, Any]]) -> None:
        """A dataset that an archive job has come through."""
        told = {"archiveStatusMessage": "datasetOnArchiveDisk", "archivable": False, "retrievable": True}
        self.add_dataset(pid, datablocks, **told)

    def add_job(self, kind: str, *pids: str, files: Sequence[str] = ()) -> str:
        """A job of user1 over these datasets; returns its id."""
        datasets = [{"pid": pid, "files": list(files)} for pid in pids]
        body = {"type": kind, "ownerUser": "user1", "ownerGroup": "group1", "jobParams": {"datasetList": datasets}}
        return str(self._ask("user1", "POST", "/api/v4/jobs", body)["id"])

    def add_files(self, pid: str, *files: Mapping[str, Any]) -> None:
        """List files of a dataset, whatever they are called: SciCat does not mind."""
        body = {"size": 0, "dataFileList": [{"time": ANY_TIME} | dict(file) for file in files]}
        self._ask("archiver", "POST", f"/api/v3/datasets/{quote(pid, safe='')}/origdatablocks", body)

    def delete_dataset(self, pid: str) -> None:
        """Delete a dataset, as somebody else would."""
        self._ask("archiver", "DELETE", f"/api/v3/datasets/{quote(pid, safe='')}")

    def jobs(self) -> list[dict[str, Any]]:
        """Every job."""
        found: list[dict[str, Any]] = self._ask("archiver", "GET", "/api/v4/jobs")
        return found

    def set_lifecycle(self, pid: str, **fields: Any) -> None:
        """Change the lifecycle of a dataset, as somebody else would."""
        self._ask("archiver", "PATCH", f"/api/v3/datasets/{quote(pid, safe='')}/datasetlifecycle", fields)

    def share(self, pid: str, *groups: str) -> None:
        """Let the members of these groups read a dataset, as its owner may."""
        self._ask("user1", "PATCH", f"/api/v3/datasets/{quote(pid, safe='')}", {"accessGroups": list(groups)})

    def reset_lifecycle(self, pid: str) -> None:
        """Change a dataset as its owner may in SciCat, which sets the lifecycle to what a new dataset has."""
        path = f"/api/v3/datasets/{quote(pid, safe='')}"
        self._ask("user1", "PATCH", path, {"datasetlifecycle": {"storageLocation": "any"}})

    def dataset(self, pid: str) -> dict[str, Any]:
        """A dataset as it is now."""
        found: dict[str, Any] = self._ask("archiver", "GET", f"/api/v3/datasets/{quote(pid, safe='')}")
        return found

    def lifecycle(self, pid: str) -> dict[str, Any]:
        """The lifecycle of a dataset as it is now."""
        lifecycle: dict[str, Any] = self.dataset(pid)["datasetlifecycle"]
        return lifecycle

    def updated_at(self, pid: str) -> float:
        """When SciCat last changed the dataset, in seconds since the epoch, the millisecond that has begun complete."""
        return datetime.fromisoformat(self.dataset(pid)["updatedAt"]).timestamp() + 0.001

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as it is now."""
        found: dict[str, Any] = self._ask("archiver", "GET", f"/api/v4/jobs/{job_id}")
        return found

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """Let SciCat do these to requests from now on (``mocks.faults``); without any, all is well again."""
        LOOPBACK.post(f"{self.url}/__faults", json=list(faults)).raise_for_status()

    def seen(self, fault: int = 0) -> int:
        """How many requests have matched a fault so far."""
        script: list[dict[str, int]] = LOOPBACK.get(f"{self.url}/__faults").json()
        return script[fault]["seen"]

    def _ask(self, account: str, method: str, path: str, body: Any = None) -> Any:
        answer = self._answer(account, method, path, body)
        if answer.status_code == httpx.codes.UNAUTHORIZED:  # the session ended: the test moved the clock
            del self._tokens[account]
            answer = self._answer(account, method, path, body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def _answer(self, account: str, method: str, path: str, body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token(account)}", **_SPARED}
        return LOOPBACK.request(method, self.url + path, json=body, headers=headers)

    def token(self, account: str) -> str:
        """A SciCat token of the account, good for an hour."""
        if account not in self._tokens:
            password = next(one.password for one in ACCOUNTS if one.username == account)
            login = {"username": account, "password": password}
            answer = LOOPBACK.post(f"{self.url}/api/v3/auth/login", json=login, headers=_SPARED)
            self._tokens[account] = answer.json()["access_token"]
        return self._tokens[account]


@contextmanager
def a_scicat(folder: Path, environment: pytest.MonkeyPatch) -> Iterator[Scicat]:
    """Run a SciCat that the service under test talks to, until the block ends."""
    with run_mock_scicat(folder / "scicat", accounts=ACCOUNTS) as running:
        scicat = Scicat(running.url, running.logins)
        environment.setenv("SCICAT_URL", running.url)
        _listen(scicat, environment)
        yield scicat


def _listen(scicat: Scicat, environment: pytest.MonkeyPatch) -> None:
    """Note every change that the service asks for; not how it asks whether it might."""
    exchange = Server.exchange
    asking = ("/datasets/isValid", quote(rights.NOBODY, safe=""))

    def noted(server: Server, request: Request, token: str | None = None) -> Answer:
        is_change = request.method != "GET" and not any(part in request.path for part in asking)
        if is_change and token is not None:
            scicat.told.append((f"{request.method} {request.path}", request.body))
        return exchange(server, request, token)

    environment.setattr(Server, "exchange", noted)
