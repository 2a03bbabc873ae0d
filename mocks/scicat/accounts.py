"""The accounts of this SciCat and the tokens they log in with."""

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import jwt

DEFAULT_GROUPS: Mapping[str, tuple[str, ...]] = {
    "admin": ("admin",),
    "archiver": ("archivemanager", "ingestor", "jobmanager"),
    "jobcreator": ("jobcreators",),
    "user1": ("group1",),
    "user2": ("group2",),
}


@dataclass(frozen=True, slots=True)
class Account:
    """Someone who may log in."""

    username: str
    password: str = field(repr=False)
    groups: frozenset[str]
    address: str = ""

    @property
    def id(self) -> str:
        """MongoDB's id of the user; the same after a restart."""
        return self._id("user")

    @property
    def identity_id(self) -> str:
        """MongoDB's id of the user's identity."""
        return self._id("identity")

    @property
    def profile_id(self) -> str:
        """MongoDB's id of the profile within it."""
        return self._id("profile")

    def _id(self, kind: str) -> str:
        return hashlib.sha256(f"{kind} {self.username}".encode()).hexdigest()[:24]

    @property
    def email(self) -> str:
        """The account's address; without one, at the host that SciCat's own test accounts use."""
        return self.address or f"{self.username}@your.site"


class SessionExpired(Exception):
    """The token was good once."""


def read_accounts(path: Path) -> list[Account]:
    """The accounts of a file ``{name: {username, password, groups}}``. Raises ValueError naming what is wrong."""
    try:
        entries = json.loads(path.read_text()).values()
        return [
            Account(str(entry["username"]), str(entry["password"]), frozenset(entry["groups"])) for entry in entries
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not a list of accounts: {type(error).__name__} {error}") from None


def default_accounts(path: Path) -> list[Account]:
    """The accounts at ``path``, made with random passwords when there is no such file yet."""
    if not path.exists():
        entries = {
            name: {"username": name, "password": secrets.token_urlsafe(18), "groups": list(groups)}
            for name, groups in DEFAULT_GROUPS.items()
        }
        _write_private(path, json.dumps(entries, indent=1))
    return read_accounts(path)


def _write_private(path: Path, text: str) -> None:
    """Write a file only its owner may read; complete or not at all."""
    unfinished = path.with_suffix(".tmp")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)


class Accounts:
    """Who there is, and which token belongs to whom (a JWT, signed with ``secret``)."""

    def __init__(self, accounts: Iterable[Account], secret: str, token_seconds: int) -> None:
        """``token_seconds`` is the lifetime of a token; zero gives tokens that have expired already."""
        self._by_name = {account.username: account for account in accounts}
        self._secret = secret
        self.token_seconds = token_seconds
        self._issued: set[str] = set()
        self._expired: set[str] = set()

    def named(self, username: object) -> Account | None:
        """The account of that name."""
        return self._by_name.get(username) if isinstance(username, str) else None

    def with_id(self, account_id: str) -> Account | None:
        """The account with that MongoDB id."""
        return next((account for account in self._by_name.values() if account.id == account_id), None)

    def authenticated(self, username: object, password: object) -> Account | None:
        """The account, when the password is right."""
        account = self.named(username)
        if account is None or not isinstance(password, str):
            return None
        return account if hmac.compare_digest(account.password.encode(), password.encode()) else None

    def new_token(self, account: Account) -> str:
        """A token for one login."""
        now = int(time.time())
        claims = {
            "_id": account.id,
            "username": account.username,
            "email": account.email,
            "authStrategy": "local",
            "__v": 0,
            "id": account.id,
            "iat": now,
            "exp": now + self.token_seconds,
            # Two logins within a second give two tokens, so that one of them can expire alone.
            "jti": str(uuid4()),
        }
        token = jwt.encode(claims, self._secret, algorithm="HS256")
        self._issued.add(token)
        return token

    def of_token(self, token: str) -> Account | None:
        """Whose token it is; None for one we did not sign. Raises SessionExpired."""
        if token in self._expired:
            raise SessionExpired
        try:
            claims = jwt.decode(token, self._secret, algorithms=["HS256"], options={"verify_iat": False})
        except jwt.ExpiredSignatureError:
            raise SessionExpired from None
        except jwt.InvalidTokenError:
            return None
        return self.named(claims.get("username"))

    def join(self, username: str, group: str) -> None:
        """Let an account be in one more group."""
        account = self._by_name[username]
        self._by_name[username] = replace(account, groups=account.groups | {group})

    def expire_tokens(self) -> None:
        """Let every token given out so far expire, as an hour would."""
        self._expired |= self._issued
        self._issued.clear()

    def replace_secret(self) -> None:
        """Sign with another secret from now on: every older token becomes unknown, as after a rotation."""
        self._secret = secrets.token_hex(32)
