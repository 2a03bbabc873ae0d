"""Any catalogue: the project's mock, or with ``SCICAT_URL`` a real one (``make contract``)."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from archiver.scicat import Catalogue
from local.doctor.examination import Verdict, examined
from local.doctor.listener import Listener, listening
from local.doctor.patient import Given, Patient
from local.doctor.removal import removed
from local.doctor.visit import Visit
from mocks.scicat.releases import RELEASES
from tests.support.patients import a_scicat, patient_at


@dataclass(frozen=True)
class AnyCatalogue:
    """A catalogue, and who hears its calls in the archiver's place; nobody does where an archiver runs."""

    patient: Patient
    listener: Listener | None

    def visit(self) -> Visit:
        """A visit to it."""
        return Visit.to(self.patient, self.listener)


@pytest.fixture(scope="session", params=["real"] if os.environ.get("SCICAT_URL") else list(RELEASES))
def any_catalogue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyCatalogue]:
    """The catalogue of all these tests, which a mock is of each release in turn."""
    given = Given(**{name: os.environ.get(name.upper(), "") for name in Given.__dataclass_fields__})
    with ExitStack() as running:
        if given.scicat_url:
            port = os.environ.get("LISTEN")
            listener = running.enter_context(listening(int(port))) if port else None
            yield AnyCatalogue(given.patient(), listener)
        else:
            listener = running.enter_context(listening(0))
            folder, release = tmp_path_factory.mktemp("scicat"), RELEASES[request.param]
            scicat = running.enter_context(a_scicat(folder, listener.url, release=release))
            yield AnyCatalogue(patient_at(scicat.url), listener)


@pytest.fixture
def visit(any_catalogue: AnyCatalogue) -> Iterator[Visit]:
    """A visit of which nothing is left afterwards but ended jobs."""
    visit = any_catalogue.visit()
    yield visit
    finding = examined(removed, visit)
    visit.close()
    assert finding.verdict is Verdict.GOOD, finding


@pytest.fixture
def idle(any_catalogue: AnyCatalogue) -> None:
    """Nobody works on the jobs of this test; an archiver that runs begins with each as soon as it is made."""
    if any_catalogue.listener is None:
        pytest.skip("an archiver would work on these jobs: LISTEN=3999 listens in its place")


@pytest.fixture
def catalogue(visit: Visit) -> Catalogue:
    """The catalogue's client, with the archiver's accounts."""
    return visit.catalogue
