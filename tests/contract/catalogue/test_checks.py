"""What the archiver needs of a SciCat, which `make doctor` checks: one test for each check."""

import os

import pytest

from local.doctor.examination import CHECKS, Finding, Verdict, examine
from local.doctor.removal import removed
from tests.contract.catalogue.conftest import AnyCatalogue

_REAL, _ONE_ACCOUNT = os.environ.get("SCICAT_URL"), not os.environ.get("SCICAT_JOBS_USERNAME")
# Of a deployment, which these tests have none of; and of the second account, where there is one.
_LEFT_OUT = {"ready", "api_credentials"} | ({"jobs_login"} if _REAL and _ONE_ACCOUNT else set())
NAMES = [check.name for check in (*CHECKS, removed) if check.name not in _LEFT_OUT]


@pytest.fixture(scope="module")
def findings(any_catalogue: AnyCatalogue) -> dict[str, Finding]:
    """What one visit finds."""
    return {finding.name: finding for finding in examine(any_catalogue.visit(), lambda _: None)}


def test_every_check_is_done(findings: dict[str, Finding]) -> None:
    assert list(findings) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_archiver_finds_what_it_needs(findings: dict[str, Finding], name: str) -> None:
    finding = findings[name]
    assert finding.verdict in {Verdict.GOOD, Verdict.DOUBTFUL}, f"{finding.title}: {finding.detail} -> {finding.mend}"
