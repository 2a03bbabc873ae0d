"""What the mock is beside its API: it survives a restart, has accounts and a page, and starts by command."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from local.executor.process_executor.sandbox import free_ports
from mocks.scicat.accounts import DEFAULT_GROUPS, Account, default_accounts, read_accounts
from mocks.scicat.testing import run_mock_scicat
from tests.contract.scicat.callers import Scicat, any_datablock


def test_a_restart_keeps_everything_and_every_login(tmp_path: Path, any_accounts: list[Account]) -> None:
    with run_mock_scicat(tmp_path, accounts=any_accounts) as server, Scicat(server) as before:
        pid = before.a_dataset()
        block, job = before.a_datablock(pid), before.a_job(pid)
        token = before.by("user1").http.headers["Authorization"]
        dataset = before.by("user1").ask("GET", f"/api/v3/datasets/{pid}").json()
    with (
        run_mock_scicat(tmp_path, accounts=any_accounts) as server,
        Scicat(server) as after,
        httpx.Client(base_url=server.url, headers={"Authorization": token}) as user,
    ):
        assert user.get(f"/api/v3/datasets/{pid}").json() == dataset
        assert user.get(f"/api/v3/datasets/{pid}/datablocks").json() == [block]
        assert user.get(f"/api/v4/jobs/{job}").json()["statusCode"] == "jobSubmitted"
        again = any_datablock(block["archiveId"])
        taken = after.by("archiver").ask("POST", f"/api/v3/datasets/{pid}/datablocks", again)
        assert taken.status_code == 500


def test_the_default_accounts_have_random_passwords_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    accounts = default_accounts(path)
    assert {one.username: tuple(sorted(one.groups)) for one in accounts} == {
        name: tuple(sorted(groups)) for name, groups in DEFAULT_GROUPS.items()
    }
    assert len({account.password for account in accounts}) == len(accounts)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert default_accounts(path) == accounts
    assert all(one.password not in repr(one) for one in accounts)


def test_a_file_that_is_not_a_list_of_accounts_is_named(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    path.write_text('{"user1": {"username": "user1"}}')
    with pytest.raises(ValueError, match=r"accounts\.json is not a list of accounts: KeyError 'password'"):
        read_accounts(path)


def test_the_page_shows_datasets_jobs_and_datablocks_with_their_names_escaped(scicat: Scicat) -> None:
    pid = scicat.a_dataset(datasetName="<script>alert(1)</script>")
    block, job = scicat.a_datablock(pid), scicat.a_job(pid)
    page = scicat.by(None).ask("GET", "/explorer")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert all(text in page.text for text in (block["archiveId"], job, "jobSubmitted", "datasetCreated"))
    assert "<script>" not in page.text


def test_help_names_every_option_and_its_variable() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "mocks.scicat", "--help"],
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for option in ("state", "port", "release", "accounts", "settings"):
        assert f"--{option}" in text
        assert f"SCICAT_MOCK_{option.replace('-', '_').upper()}" in text
    assert "--job-config" in text
    assert "JOB_CONFIGURATION_FILE" in text
    assert "POST /__faults" in text


def test_the_command_serves_on_the_loopback_interface_with_options_from_the_environment(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    environment = os.environ | {"SCICAT_MOCK_PORT": str(port), "SCICAT_MOCK_STATE": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "mocks.scicat"], env=environment, stderr=subprocess.PIPE, text=True
    ) as one:
        assert one.stderr is not None
        log = next(line for line in one.stderr if "running on" in line or "rror" in line)
        try:
            assert f"http://127.0.0.1:{port}" in log
            account = json.loads((tmp_path / "accounts.json").read_text())["archiver"]
            credentials = {name: account[name] for name in ("username", "password")}
            answer = httpx.post(f"http://127.0.0.1:{port}/api/v3/auth/login", json=credentials)
            assert answer.status_code == 201
        finally:
            one.terminate()
