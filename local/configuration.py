"""What the environment says of the local stack, and every path and address that follows from it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mocks.scicat.releases import MASTER, RELEASES

ROOT = Path(__file__).parents[1]
# What all stacks of this folder share.
CACHE = ROOT / "local" / ".cache"
REGION = "us-east-1"
ACCOUNT_ID = "000000000000"
STACK_NAME = "scopemarchiver"
# LocalStack asks for no account: these stand for it everywhere.
ACCESS_KEY_ID = SECRET_ACCESS_KEY = "test"  # noqa: S105

# What an existing long-term storage is asked with when no keys are given: services for trying things out take any.
_LTS_KEYS = {"LTS_ACCESS_KEY_ID": ACCESS_KEY_ID, "LTS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}

# What pids begin with.
PID_PREFIX = "20.500.11935"


class StageFailed(Exception):
    """A stage did not succeed: the one sentence to show, and the log that says more."""

    def __init__(self, sentence: str, log: Path | None = None) -> None:
        self.log = log
        super().__init__(f"{sentence}. Log: {log}" if log else sentence)


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password; for an S3 service, a key's id and secret."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExistingService:
    """A service that runs elsewhere and is used in place of a mock.

    ``jobs_login`` is the account that creates jobs in a catalogue, when it is another one.
    """

    url: str
    login: Login
    jobs_login: Login | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """A port of this machine, and the variable that moves it."""

    number: int
    variable: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """One local stack. Two with different ports and state folders do not touch each other."""

    state: Path
    uv: str
    localstack_port: int
    scicat_port: int
    lts_port: int
    strict: bool
    # What the mock is; an existing catalogue is what it is.
    scicat_release: str
    scicat: ExistingService | None
    lts: ExistingService | None
    # The template makes a bucket of this name; an existing long-term storage has it, or another one.
    lts_bucket: str
    # What pids begin with; unlike the other variables this one may be given empty.
    pid_prefix: str
    # The type of SciCat's jobs for a group without a user.
    group_job_type: str

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Configuration":
        """Read the environment. Raises StageFailed naming the variable that is missing or wrong."""
        given = {name: value for name, value in environment.items() if value}
        return cls(
            state=(ROOT / given.get("STATE_DIR", "local/.state")).resolve(),
            uv=str(ROOT / given.get("UV", ".tools/bin/uv")),
            localstack_port=_port(given, "LOCALSTACK_PORT", 4566),
            scicat_port=_port(given, "SCICAT_PORT", 3000),
            lts_port=_port(given, "LTS_PORT", 7000),
            strict=given.get("STRICT", "0") not in {"0", "false", "no"},
            scicat_release=_release(given.get("SCICAT_RELEASE", MASTER.name)),
            scicat=_existing_scicat(given),
            lts=_existing(_LTS_KEYS | given, "LTS_ENDPOINT_URL", "LTS_ACCESS_KEY_ID", "LTS_SECRET_ACCESS_KEY"),
            lts_bucket=given.get("LTS_BUCKET", f"{STACK_NAME}-lts-{ACCOUNT_ID}"),
            group_job_type=given.get("SCICAT_GROUP_JOB_TYPE", _group_job_type(given)),
            pid_prefix=environment.get("PID_PREFIX", PID_PREFIX),
        )

    @property
    def aws_url(self) -> str:
        """LocalStack."""
        return f"http://localhost:{self.localstack_port}"

    @property
    def api_url(self) -> str:
        """The API; its id is fixed by the tag ``_custom_id_`` of the template."""
        return f"{self.aws_url}/_aws/execute-api/archiver/api/v1"

    @property
    def scicat_url(self) -> str:
        """The catalogue: the mock, or the existing one."""
        return self.scicat.url if self.scicat else f"http://localhost:{self.scicat_port}"

    @property
    def lts_url(self) -> str:
        """The long-term storage: the mock, or the existing one."""
        return self.lts.url if self.lts else f"http://localhost:{self.lts_port}"

    @property
    def lts_login(self) -> Login:
        """The keys of the long-term storage."""
        return self.lts.login if self.lts else Login(ACCESS_KEY_ID, SECRET_ACCESS_KEY)

    @property
    def ports(self) -> dict[str, Port]:
        """The services that run here, by name, and where each listens."""
        localstack = {"LocalStack": Port(self.localstack_port, "LOCALSTACK_PORT")}
        lts = {} if self.lts else {"LTS mock": Port(self.lts_port, "LTS_PORT")}
        scicat = {} if self.scicat else {"SciCat mock": Port(self.scicat_port, "SCICAT_PORT")}
        return localstack | lts | scicat

    @property
    def logs(self) -> Path:
        """Folder of all logs; those of the functions are in ``functions/``."""
        return self.state / "logs"

    @property
    def accounts_file(self) -> Path:
        """Where the passwords of this start are."""
        return self.state / "accounts.json"

    @property
    def endpoints_file(self) -> Path:
        """Where the addresses are written."""
        return self.state / "endpoints.json"


def venv(name: str) -> Path:
    """The environment ``name``: ``sam``, ``localstack`` or ``lambda``."""
    return ROOT / f".venv-{name}"


def quiet_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``environment`` for a program of the stack: without the caller's AWS account, and without a proxy to us."""
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    return kept | {
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }


def aws_environment(configuration: Configuration) -> dict[str, str]:
    """``quiet_environment`` in which AWS is the LocalStack of this stack."""
    return quiet_environment() | {
        "AWS_ENDPOINT_URL": configuration.aws_url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }


def _port(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise StageFailed(f"{name}={text} is not a port")
    return int(text)


def _release(name: str) -> str:
    if name not in RELEASES:
        raise StageFailed(f"SCICAT_RELEASE={name} is none of {', '.join(RELEASES)}")
    return name


def _existing(given: Mapping[str, str], url: str, username: str, password: str) -> ExistingService | None:
    if url not in given:
        return None
    missing = [name for name in (username, password) if name not in given]
    if missing:
        raise StageFailed(f"{url} is given without {' and '.join(missing)}")
    return ExistingService(given[url].rstrip("/"), Login(given[username], given[password]))


def _existing_scicat(given: Mapping[str, str]) -> ExistingService | None:
    names = "SCICAT_JOBS_USERNAME", "SCICAT_JOBS_PASSWORD"
    found = _existing(given, "SCICAT_URL", "SCICAT_USERNAME", "SCICAT_PASSWORD")
    username, password = (given.get(name) for name in names)
    if not username and not password:
        return found
    if found is None or not username or not password:
        raise StageFailed(f"{' and '.join(names)} go with each other, and with SCICAT_URL")
    return replace(found, jobs_login=Login(username, password))


def _group_job_type(given: Mapping[str, str]) -> str:
    """SciCat 5.2 takes no other for a group; an existing one is its operator's affair."""
    return "archive_for_group" if "SCICAT_URL" not in given and given.get("SCICAT_RELEASE") == "5.2.1" else "archive"
