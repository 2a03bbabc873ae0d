"""One whole stack for almost all end-to-end tests, strict as AWS is, on ports and in a folder of its own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from local.accounts import Accounts
from local.client import Visitor
from local.configuration import ROOT, Configuration, Login
from local.deployment import Aws
from local.endpoints import Endpoints
from local.executor.process_executor.process_tree import descendants
from local.executor.process_executor.sandbox import free_ports
from local.processes.services import Register, port_is_free, start_time


@dataclass(frozen=True)
class RunningStack:
    """A stack that is up: how it was started, and what ``endpoints.json`` says of it."""

    configuration: Configuration
    environment: dict[str, str]

    @cached_property
    def endpoints(self) -> Endpoints:
        return Endpoints.read(self.configuration.endpoints_file)

    @cached_property
    def clients(self) -> Aws:
        """Clients of the stack's AWS services."""
        return Aws(self.configuration)

    @property
    def aws(self) -> str:
        return self.endpoints.aws

    @property
    def buckets(self) -> dict[str, str]:
        return self.endpoints.buckets

    @property
    def accounts(self) -> dict[str, Login]:
        """The accounts of the catalogue, by name."""
        return self.endpoints.accounts

    @property
    def job_api(self) -> Login:
        """With which the catalogue starts jobs at our API."""
        return Accounts.read(self.configuration.accounts_file).job_api

    @property
    def orders(self) -> Path:
        """The folder where functions find that they are to die (see ``dying``)."""
        return Path(self.environment["PROCESS_EXECUTOR_PRELOAD"])

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m local`` for this stack."""
        return run_local(self.environment, *arguments)


def run_local(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m local`` as make does; its whole output is in ``stdout``."""
    return subprocess.run(
        [sys.executable, "-m", "local", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def settings_of_its_own(state: Path) -> dict[str, str]:
    """Environment variables of a stack that disturbs no other; an existing catalogue is not used."""
    localstack, scicat, lts = free_ports(3)
    return {
        "STATE_DIR": str(state),
        "LOCALSTACK_PORT": str(localstack),
        "SCICAT_PORT": str(scicat),
        "LTS_PORT": str(lts),
        "STRICT": "1",
        "SCICAT_URL": "",
        "LTS_ENDPOINT_URL": "",
        "COLUMNS": "200",
        "PROCESS_EXECUTOR_PRELOAD": str(state / "preload"),
        # Nothing comes late where tests drop: they need not wait for it.
        "DROP_QUIET_SECONDS": "2",
        "DROP_MISSING_SECONDS": "10",
    }


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The whole stack, started once; when it goes down nothing of it is left."""
    with a_stack(settings_of_its_own(tmp_path_factory.mktemp("stack"))) as running:
        yield running


@pytest.fixture(scope="session")
def second_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[RunningStack]]:
    """Another stack, which starts while tests go on."""
    settings = settings_of_its_own(tmp_path_factory.mktemp("tolerant")) | {"STRICT": "0"}
    with ExitStack() as until_the_end, ThreadPoolExecutor(1) as beside:
        yield beside.submit(until_the_end.enter_context, a_stack(settings))


@pytest.fixture(scope="session")
def tolerant_stack(second_stack: Future[RunningStack]) -> RunningStack:
    """A stack whose S3 takes headers that nobody signed."""
    return second_stack.result()


@pytest.fixture(scope="session", autouse=True)
def start_early(request: pytest.FixtureRequest) -> None:
    """Start the second stack before the first test, if one needs it; after the first, which makes what both run in."""
    # Tests that are killed politely stop their stacks.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if any("tolerant_stack" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("stack")
        request.getfixturevalue("second_stack")


@contextmanager
def a_stack(environment: dict[str, str]) -> Iterator[RunningStack]:
    """A stack with these settings, until the block ends."""
    preload = Path(environment["PROCESS_EXECUTOR_PRELOAD"])
    preload.mkdir()
    shutil.copy(ROOT / "tests/e2e/dying.py", preload / "sitecustomize.py")
    configuration = Configuration.of(environment)
    up = run_local(environment, "up")
    try:
        assert up.returncode == 0, up.stdout
        yield RunningStack(configuration, environment)
    finally:
        services = Register(configuration.state).all()
        family = [pid for service in services for pid in (service.pid, *descendants(service.pid))]
        down = run_local(environment, "down")
    assert down.returncode == 0, down.stdout
    assert not [pid for pid in family if start_time(pid)]
    assert all(port_is_free(service.port) for service in services)


@pytest.fixture(scope="module")
def visitor(stack: RunningStack) -> Iterator[Visitor]:
    """Someone of group1."""
    with closing(
        Visitor(stack.endpoints, stack.accounts["user1"], stack.job_api, stack.configuration.lts_login)
    ) as visitor:
        yield visitor
