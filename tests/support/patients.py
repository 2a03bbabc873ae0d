"""Patients of the doctor: a SciCat mock as docs/scicat configure it, or with one thing wrong."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local.configuration import Login
from local.doctor.patient import OWNER_GROUP, Patient
from mocks.scicat.accounts import Account
from mocks.scicat.configuration import Configuration
from mocks.scicat.jobs.configuration import JobConfiguration, read_job_configuration
from mocks.scicat.releases import MASTER, Release
from mocks.scicat.testing import RunningScicat, run_mock_scicat

PID_PREFIX = "20.500.11935"
# With what SciCat calls the archiver.
JOB_API = Login("archiver", "any secret")
ACCOUNTS = (
    Account("archiver", "any-password", frozenset({"archivemanager", "ingestor", "jobmanager"})),
    Account("jobcreator", "any-other-password", frozenset({"jobcreators"})),
    Account("stranger", "any-password", frozenset({"anybody"})),
)


def login(name: str) -> Login:
    """The login of one of the accounts."""
    account = next(account for account in ACCOUNTS if account.username == name)
    return Login(account.username, account.password)


@contextmanager
def a_scicat(
    folder: Path,
    archiver_url: str,
    *,
    password: str = JOB_API.password,
    release: Release = MASTER,
    jobs: JobConfiguration | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[RunningScicat]:
    """A SciCat that calls ``archiver_url``; ``variables`` are settings that it has otherwise than it should."""
    basic = b64encode(f"{JOB_API.username}:{password}".encode()).decode()
    told = {"PID_PREFIX": PID_PREFIX, "ARCHIVER_URL": archiver_url, "ARCHIVER_BASIC": basic}
    configuration = Configuration(release, told | dict(variables or {}), jobs or read_job_configuration())
    with run_mock_scicat(folder, configuration=configuration, accounts=ACCOUNTS) as running:
        yield running


def patient_at(url: str, **other: object) -> Patient:
    """Whom the doctor examines there, with the right accounts."""
    usual: dict[str, object] = {
        "url": url,
        "archiver": login("archiver"),
        "creator": login("jobcreator"),
        "pid_prefix": PID_PREFIX,
        "owner_group": OWNER_GROUP,
        "owner_user": None,
        "group_job_type": "archive_for_group",
        "job_api": JOB_API,
    }
    return Patient(**(usual | other))  # type: ignore[arg-type]
