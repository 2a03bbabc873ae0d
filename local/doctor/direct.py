"""SciCat, asked without the archiver's client: what the archiver never asks, and answers exactly as they are."""

import ssl
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx

from local.configuration import Login

_SECONDS = 40.0
_TOLD_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Told:
    """One answer."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """It was done."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """SciCat's own words."""
        message = self.body.get("message", "") if isinstance(self.body, dict) else self.body
        return str(message or "")

    @property
    def no_route(self) -> bool:
        """SciCat has no such route, whoever asks."""
        return self.status == 404 and self.message.startswith("Cannot ")

    def __str__(self) -> str:
        return f"SciCat answered {self.status}: {' '.join(self.message.split())[:_TOLD_CHARACTERS] or 'no message'}"


class Direct:
    """SciCat, as one account sees it, or nobody."""

    def __init__(self, url: str, login: Login | None = None) -> None:
        # As the functions do: with the machine's certificates, and no proxy.
        self._http = httpx.Client(
            base_url=url, trust_env=False, verify=_certificates(), timeout=_SECONDS, follow_redirects=False
        )
        self._login = login
        self._token: str | None = None

    def ask(self, method: str, path: str, body: object = None) -> Told:
        """One request and its answer. Raises httpx.HTTPError when there is none."""
        headers = {"Accept": "application/json"}
        if self._login is not None and (token := self._logged_in(self._login)):
            headers["Authorization"] = f"Bearer {token}"
        return _told(self._http.request(method, path, json=body, headers=headers))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _logged_in(self, login: Login) -> str:
        """A token; an empty one, which is nobody's, when the login is refused."""
        if self._token is None:
            body = {"username": login.username, "password": login.password}
            told = _told(self._http.post("/api/v3/auth/login", json=body))
            self._token = str(told.body["access_token"]) if told.ok else ""
        return self._token


@cache
def _certificates() -> ssl.SSLContext:
    """Those of this machine, which take a while to read."""
    return ssl.create_default_context()


def dataset_path(pid: str) -> str:
    """The path of a dataset."""
    return f"/api/v3/datasets/{quote(pid, safe='')}"


def _told(response: httpx.Response) -> Told:
    try:
        body = response.json() if response.content else None
    except ValueError:
        body = response.text
    return Told(response.status_code, body)
