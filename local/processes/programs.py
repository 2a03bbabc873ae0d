"""How LocalStack and the two mocks are started."""

import sys
from base64 import b64encode

from local.accounts import Accounts
from local.configuration import (
    ACCESS_KEY_ID,
    PID_PREFIX,
    SECRET_ACCESS_KEY,
    Configuration,
    venv,
)
from local.environments import emulator
from local.processes.services import Service

LOCALSTACK = "LocalStack"
# All eight lanes of a dataset, and room for others beside it; each is a process.
STEPS_AT_ONCE = 12
# So many functions wait for their next call, and for so long; a new process takes about a second.
IDLE_FUNCTIONS, IDLE_SECONDS = 48, 180


def localstack(configuration: Configuration) -> Service:
    """LocalStack in host mode, with the process Lambda executor, listening on this machine only."""
    home = configuration.state / "localstack"
    for folder in ("tmp", "cache", "root"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    environment = {
        "GATEWAY_LISTEN": f"127.0.0.1:{configuration.localstack_port}",
        "GATEWAY_SERVER": "loopback",
        "LOCALSTACK_HOST": f"localhost:{configuration.localstack_port}",
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        "PROCESS_EXECUTOR_EMULATOR": str(emulator()),
        "PROCESS_EXECUTOR_PYTHON": str(venv("lambda") / "bin" / "python"),
        "PROCESS_EXECUTOR_LOGS": str(configuration.logs / "functions"),
        "PROCESS_EXECUTOR_SCRATCH": str(home / "scratch"),
        "PROCESS_EXECUTOR_AT_ONCE": str(STEPS_AT_ONCE),
        "PROCESS_EXECUTOR_IDLE": str(IDLE_FUNCTIONS),
        "LAMBDA_KEEPALIVE_MS": str(IDLE_SECONDS * 1000),
        "S3_SKIP_SIGNATURE_VALIDATION": "0" if configuration.strict else "1",
        # No account, no Docker, no DNS server, no download at start, nothing outside the state folder.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "FILESYSTEM_ROOT": str(home / "root"),
        "TMPDIR": str(home / "tmp"),
        # LocalStack finds its plugins through a cache there; one of another installation would hide ours.
        "XDG_CACHE_HOME": str(home / "cache"),
    }
    return Service(
        name=LOCALSTACK,
        command=(str(venv("localstack") / "bin" / "python"), "-m", "localstack.runtime.main"),
        environment=environment,
        port=configuration.localstack_port,
        variable="LOCALSTACK_PORT",
        health_path="/_localstack/health",
        log=configuration.logs / "localstack.log",
    )


def lts_mock(configuration: Configuration) -> Service:
    """The long-term storage: tape behaviour in front of LocalStack's S3."""
    environment = {
        "LTS_MOCK_PORT": str(configuration.lts_port),
        "LTS_MOCK_STATE": str(configuration.state / "lts"),
        "LTS_MOCK_BACKEND": configuration.aws_url,
        "LTS_MOCK_BUCKET": configuration.lts_bucket,
        "LTS_MOCK_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "LTS_MOCK_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
    }
    return Service(
        name="LTS mock",
        command=(sys.executable, "-m", "mocks.lts"),
        environment=environment,
        port=configuration.lts_port,
        variable="LTS_PORT",
        health_path="/__state",
        log=configuration.logs / "lts.log",
    )


def scicat_mock(configuration: Configuration, accounts: Accounts) -> Service:
    """The catalogue, which tells our API of each new job."""
    file = configuration.state / "scicat-accounts.json"
    accounts.write_for_mock(file)
    environment = {
        "SCICAT_MOCK_PORT": str(configuration.scicat_port),
        "SCICAT_MOCK_STATE": str(configuration.state / "scicat"),
        "SCICAT_MOCK_ACCOUNTS": str(file),
        "SCICAT_MOCK_RELEASE": configuration.scicat_release,
        "ARCHIVER_URL": configuration.api_url,
        "ARCHIVER_BASIC": b64encode(f"{accounts.job_api.username}:{accounts.job_api.password}".encode()).decode(),
        # A catalogue has a prefix for the pids that it gives itself.
        "PID_PREFIX": configuration.pid_prefix or PID_PREFIX,
    }
    return Service(
        name="SciCat mock",
        command=(sys.executable, "-m", "mocks.scicat"),
        environment=environment,
        port=configuration.scicat_port,
        variable="SCICAT_PORT",
        health_path="/api/v3/health",
        log=configuration.logs / "scicat.log",
    )
