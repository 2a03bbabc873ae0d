"""What the archiver needs of a SciCat, which `make doctor` checks: one test for each check."""

import os

import pytest

from local.doctor.examination import CHECKS, Finding, Verdict, examine
from local.doctor.removal import removed
from tests.contract.catalogue.conftest import AnyCatalogue

# Of a deployment, which these tests have none of; and what a real SciCat may do without: `archive` is for groups, too.
_NOTHING_MORE = {None, "", "archive"}
_OPTIONAL = {"jobs_login": "SCICAT_JOBS_USERNAME", "group_type": "SCICAT_GROUP_JOB_TYPE"}
_LEFT_OUT = {"ready", "api_credentials"} | {
    name
    for name, variable in _OPTIONAL.items()
    if os.environ.get("SCICAT_URL") and os.environ.get(variable) in _NOTHING_MORE
}
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
