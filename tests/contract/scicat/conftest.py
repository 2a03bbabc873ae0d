"""A SciCat mock on a free loopback port, and an archiver that it can call."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mocks.scicat.accounts import DEFAULT_GROUPS, Account
from mocks.scicat.configuration import Configuration
from mocks.scicat.jobs.configuration import SHIPPED, read_job_configuration
from mocks.scicat.releases import RELEASES
from mocks.scicat.testing import RunningScicat, run_mock_scicat
from tests.contract.scicat.callers import Archiver, Received, Scicat
from tests.support.loopback import QuietHandler, serving

GROUPS = {**DEFAULT_GROUPS, "archiveManager": ("archivemanager",), "ingestor": ("ingestor",)}


@pytest.fixture
def archiver() -> Iterator[Archiver]:
    """An archiver that accepts every job."""
    state = Archiver()

    class Handler(QuietHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            request = Received(self.command, self.path, list(self.headers.items()), body)
            state.received.append(request)
            state.on_request(request)
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body.encode())

    with serving(Handler) as state.url:
        yield state


@pytest.fixture(scope="session")
def any_accounts() -> list[Account]:
    """The default accounts, and the functional accounts the recordings used."""
    return [Account(name, f"password of {name}", frozenset(groups)) for name, groups in GROUPS.items()]


@pytest.fixture(scope="session")
def catalogue_server(tmp_path_factory: pytest.TempPathFactory, any_accounts: list[Account]) -> Iterator[RunningScicat]:
    """A SciCat that tells no archiver."""
    with run_mock_scicat(tmp_path_factory.mktemp("scicat"), accounts=any_accounts) as server:
        yield server


@pytest.fixture(scope="session")
def scicat(catalogue_server: RunningScicat) -> Iterator[Scicat]:
    """The shared SciCat, to ask as any of its accounts."""
    with Scicat(catalogue_server) as catalogue:
        yield catalogue


@pytest.fixture
def start_scicat(tmp_path: Path, any_accounts: list[Account], archiver: Archiver) -> Iterator[Callable[..., Scicat]]:
    """Start a SciCat of this test's own, which tells ``archiver`` of every job."""
    with ExitStack() as running:

        def start(release: str = "master", jobs: Path = SHIPPED, **variables: str) -> Scicat:
            told = {"ARCHIVER_URL": archiver.url, "ARCHIVER_BASIC": base64.b64encode(b"archiver:secret").decode()}
            own = Configuration(RELEASES[release], told | variables, read_job_configuration(jobs))
            server = running.enter_context(run_mock_scicat(tmp_path, configuration=own, accounts=any_accounts))
            return running.enter_context(Scicat(server))

        yield start
