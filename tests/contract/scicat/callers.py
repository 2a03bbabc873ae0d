"""How these tests ask a SciCat: callers, any bodies, and an archiver that only listens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote, unquote
from uuid import uuid4

import httpx

from mocks.scicat.testing import RunningScicat
from tests.support.loopback import LOOPBACK, loopback_client


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: str


@dataclass
class Archiver:
    """Stands where the archiver's API does: keeps what it is sent and answers as it is told."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    status: int = 201
    body: str = "{}"
    on_request: Callable[[Received], None] = lambda _: None


@dataclass(frozen=True)
class Caller:
    """One account asking one SciCat."""

    http: httpx.Client

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.http.request(method, path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


@dataclass(frozen=True)
class Scicat:
    """A running mock and the ways to ask it."""

    server: RunningScicat
    clients: dict[str | None, Caller] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for caller in self.clients.values():
            caller.http.close()

    def by(self, account: str | None) -> Caller:
        """Ask as an account, or as nobody."""
        if account not in self.clients:
            http = loopback_client(self.server.url)
            if account is not None:
                username, password = self.server.credentials(account)
                answer = http.post("/api/v3/auth/login", json={"username": username, "password": password})
                http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            self.clients[account] = Caller(http)
        return self.clients[account]

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """Let these happen to requests from now on (``mocks.faults``)."""
        LOOPBACK.post(f"{self.server.url}/__faults", json=list(faults)).raise_for_status()

    def a_dataset(self, **fields: Any) -> str:
        """A dataset of group1 with one file of 3 bytes; its pid, quoted for a path."""
        answer = self.by("user1").ask("POST", "/api/v3/datasets", any_dataset(**fields))
        assert answer.status_code == 201, answer.text
        pid = str(answer.json()["pid"])
        files = self.by("user1").ask("POST", "/api/v3/origdatablocks", {"datasetId": pid, **any_files()})
        assert files.status_code == 201, files.text
        return quote(pid, safe="")

    def a_datablock(self, pid: str, archive_id: str | None = None) -> dict[str, Any]:
        """A registered datablock of a dataset."""
        answer = self.by("archiver").ask("POST", f"/api/v3/datasets/{pid}/datablocks", any_datablock(archive_id))
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def a_job(self, pid: str, kind: str = "archive") -> str:
        """A submitted job."""
        answer = self.by("user1").ask("POST", "/api/v4/jobs", any_job(pid, kind))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


def any_dataset(**fields: Any) -> dict[str, Any]:
    """A raw dataset as api v3 takes it."""
    dataset = {
        "type": "raw",
        "owner": "User One",
        "ownerGroup": "group1",
        "accessGroups": [],
        "contactEmail": "user1@your.site",
        "sourceFolder": "/data/run1",
        "creationTime": "2026-11-23T08:00:00.000Z",
        "creationLocation": "ETHZ",
        "principalInvestigator": "user1@your.site",
        "datasetlifecycle": {"archivable": True},
    }
    return dataset | fields


def any_file(**fields: Any) -> dict[str, Any]:
    return {"path": "a.bin", "size": 3, "time": "2026-11-23T08:00:00.000Z"} | fields


def any_files(**fields: Any) -> dict[str, Any]:
    return {"size": 3, "dataFileList": [any_file(**fields)]}


def any_datablock(archive_id: str | None = None, **fields: Any) -> dict[str, Any]:
    block = {"archiveId": archive_id or f"{uuid4()}.tar", "packedSize": 10240, "version": "1"}
    return block | any_files() | fields


def any_job(pid: str, kind: str = "archive", files: list[str] | None = None) -> dict[str, Any]:
    listed = [{"pid": unquote(pid), "files": files or []}]
    return {"type": kind, "ownerUser": "user1", "ownerGroup": "group1", "jobParams": {"datasetList": listed}}
