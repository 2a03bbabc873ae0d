"""The passwords of a local stack."""

import json
import stat
from pathlib import Path

from local.accounts import GROUPS, Accounts
from local.configuration import Login


def test_passwords_are_new_each_time() -> None:
    assert Accounts.of({}).scicat["admin"] != Accounts.of({}).scicat["admin"]


def test_passwords_can_be_given() -> None:
    given = {"USER1_PASSWORD": "one", "JOB_API_USERNAME": "any-name", "JOB_API_PASSWORD": "two"}
    accounts = Accounts.of(given)

    assert accounts.scicat["user1"] == Login("user1", "one")
    assert accounts.job_api == Login("any-name", "two")


def test_accounts_are_read_back_as_written_and_only_by_this_user(tmp_path: Path) -> None:
    accounts = Accounts.of({})
    file = tmp_path / "accounts.json"
    accounts.write(file)

    assert Accounts.read(file) == accounts
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_mock_is_told_the_groups(tmp_path: Path) -> None:
    accounts = Accounts.of({})
    file = tmp_path / "mock.json"
    accounts.write_for_mock(file)
    body = json.loads(file.read_text())

    assert {name: account["groups"] for name, account in body.items()} == GROUPS
    assert body["archiver"]["password"] == accounts.scicat["archiver"].password
