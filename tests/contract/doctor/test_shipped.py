"""A SciCat that is set up by the files of docs/scicat, literally, has nothing wrong with it: each release."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from local.configuration import Login
from local.doctor.examination import Verdict, examine
from local.doctor.listener import listening
from local.doctor.visit import Visit
from mocks.scicat.accounts import Account
from mocks.scicat.configuration import Configuration
from mocks.scicat.jobs.configuration import read_job_configuration
from mocks.scicat.releases import RELEASES
from mocks.scicat.settings import read_variables
from mocks.scicat.testing import run_mock_scicat
from tests.support.account import ROOT
from tests.support.patients import JOB_API, PID_PREFIX, patient_at

pytestmark = pytest.mark.usefixtures("no_pauses")

SHIPPED = ROOT / "docs" / "scicat"
# Where the files of a release are other ones.
FOLDERS = {"4.28.0": SHIPPED / "4.28"}


@pytest.mark.parametrize("release", RELEASES)
def test_the_shipped_files_make_a_scicat_in_which_the_doctor_finds_nothing(release: str, tmp_path: Path) -> None:
    folder = FOLDERS.get(release, SHIPPED)
    entries = json.loads((folder / "functionalAccounts.json").read_text())
    accounts = [Account(entry["username"], entry["password"], frozenset(entry["role"])) for entry in entries]
    logins = {account.username: Login(account.username, account.password) for account in accounts}
    with listening(0) as listener:
        basic = b64encode(f"{JOB_API.username}:{JOB_API.password}".encode()).decode()
        told = {"PID_PREFIX": PID_PREFIX, "ARCHIVER_URL": listener.url, "ARCHIVER_BASIC": basic}
        variables = read_variables(folder / "scicat.env") | told
        jobs = read_job_configuration(SHIPPED / "jobConfig.yaml")
        configuration = Configuration(RELEASES[release], variables, jobs)
        with run_mock_scicat(tmp_path, configuration=configuration, accounts=accounts) as scicat:
            patient = patient_at(scicat.url, archiver=logins["archiver"], creator=logins["jobcreator"])
            findings = list(examine(Visit.to(patient, listener, 0.0), lambda _: None))
    assert [finding for finding in findings if finding.verdict is not Verdict.GOOD] == []
