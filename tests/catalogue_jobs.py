"""Datasets and jobs in the SciCat mock, made the way users make them: over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from mocks.scicat.testing import RunningScicat

_DATASET = {
    "type": "raw",
    "owner": "any owner",
    "ownerGroup": "group1",
    "contactEmail": "user1@your.site",
    "sourceFolder": "/any/folder",
    "creationTime": "2026-11-23T08:00:00.000Z",
    "creationLocation": "any place",
    "principalInvestigator": "any investigator",
}
_FLAGS = {"archive": "archivable", "retrieve": "retrievable"}


class ScicatUser:
    """Somebody who uses the catalogue without us."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def job(self, kind: str = "archive") -> str:
        """Create a job of a new dataset of one's own, and return its id."""
        pid = self._asked("POST", "/api/v3/datasets", _DATASET)["pid"]
        lifecycle = {"archivable": False, "retrievable": False, _FLAGS[kind]: True}
        self._asked("PATCH", f"/api/v3/datasets/{pid.replace('/', '%2F')}/datasetlifecycle", lifecycle)
        body = {"type": kind, "datasetList": [{"pid": pid, "files": []}], "emailJobInitiator": "user1@your.site"}
        return str(self._asked("POST", "/api/v3/jobs", body)["id"])

    def _asked(self, method: str, path: str, body: object) -> Any:
        answer = self._client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def scicat_user(scicat: RunningScicat, name: str) -> Iterator[ScicatUser]:
    """Log in as one of the catalogue's accounts."""
    username, password = scicat.credentials(name)
    with httpx.Client(base_url=scicat.url) as client:
        login = client.post("/api/v3/auth/login", json={"username": username, "password": password})
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        yield ScicatUser(client)
