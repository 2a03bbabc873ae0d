"""The passwords of a local stack: at random for each start, or as the environment says."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from local.configuration import Login

# The accounts of the SciCat mock and their groups.
GROUPS = {
    "admin": ["admin"],
    "archiver": ["archivemanager", "ingestor", "jobmanager"],
    "jobcreator": ["jobcreators"],
    "user1": ["group1"],
    "user2": ["group2"],
}


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who may log in: the accounts of the SciCat mock by name, and SciCat itself at our job route."""

    scicat: dict[str, Login]
    job_api: Login

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Accounts":
        """New accounts; ``<NAME>_PASSWORD``, ``JOB_API_USERNAME`` and ``JOB_API_PASSWORD`` override chance."""
        scicat = {name: Login(name, _password(environment, f"{name.upper()}_PASSWORD")) for name in GROUPS}
        username = environment.get("JOB_API_USERNAME") or "scicat"
        return cls(scicat, Login(username, _password(environment, "JOB_API_PASSWORD")))

    @classmethod
    def read(cls, file: Path) -> "Accounts":
        """Read what ``write`` wrote."""
        body = json.loads(file.read_text())
        return cls({name: Login(**login) for name, login in body["scicat"].items()}, Login(**body["job_api"]))

    def write(self, file: Path) -> None:
        """Write them for the next command; only this user can read the file."""
        write_private(file, asdict(self))

    def write_for_mock(self, file: Path) -> None:
        """Write the form that the SciCat mock reads, with groups."""
        write_private(file, {name: asdict(login) | {"groups": GROUPS[name]} for name, login in self.scicat.items()})


def write_private(file: Path, body: object) -> None:
    """Write ``body`` as JSON into a file that only this user can read, from its first byte on."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        json.dump(body, output, indent=2)


def _password(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or secrets.token_urlsafe(18)
