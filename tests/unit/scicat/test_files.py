"""What docs/scicat hands to an operator of SciCat: accounts, variables and the job configuration fit each other."""

import json
import re
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml

from archiver.scicat import JobTypes
from archiver.settings import Settings
from tests.support.account import ROOT

FOLDER = ROOT / "docs" / "scicat"
# The accounts and variables of release 4.28 are its own; everything else is the same for all.
RELEASES = [FOLDER, FOLDER / "4.28"]
JOB_CONFIGURATION: dict[str, Any] = yaml.safe_load((FOLDER / "jobConfig.yaml").read_text())
JOB_TYPES: dict[str, dict[str, Any]] = {job["jobType"]: job for job in JOB_CONFIGURATION["jobs"]}


def variables(folder: Path) -> Mapping[str, str]:
    lines = (folder / "scicat.env").read_text().splitlines()
    return dict(line.split("=", maxsplit=1) for line in lines if line and not line.startswith("#"))


def groups(folder: Path) -> Mapping[str, set[str]]:
    accounts = json.loads((folder / "functionalAccounts.json").read_text())
    return {account["username"]: set(account["role"]) for account in accounts}


def texts(part: Any) -> list[str]:
    """Every text in a part of the job configuration."""
    if isinstance(part, str):
        return [part]
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
    return [text for one in inner for text in texts(one)]


@pytest.mark.parametrize("folder", RELEASES, ids=lambda folder: folder.name)
def test_each_account_is_in_the_groups_of_its_own_variables_and_of_no_other(folder: Path) -> None:
    given, known = variables(folder), groups(folder)
    named = {name: set(value.split(",")) for name, value in given.items() if name.endswith("_GROUPS")}

    assert {name for name, of in named.items() if of & known["jobcreator"]} == {"CREATE_JOB_PRIVILEGED_GROUPS"}
    assert {name for name, of in named.items() if of & known["archiver"]} == {
        "UPDATE_JOB_PRIVILEGED_GROUPS",
        "UPDATE_DATASET_LIFECYCLE_GROUPS",
        "CREATE_DATASET_PRIVILEGED_GROUPS",
        "DELETE_GROUPS",
    }
    assert known["archiver"] | known["jobcreator"] == set.union(*named.values())


def test_on_4_28_no_group_is_a_part_of_another_nor_is_any_word_a_group_could_be_called() -> None:
    folder = FOLDER / "4.28"
    of_ours = groups(folder)
    by_parts = {
        value
        for name, value in variables(folder).items()
        if name in {"CREATE_JOB_PRIVILEGED_GROUPS", "UPDATE_JOB_PRIVILEGED_GROUPS", "UPDATE_DATASET_LIFECYCLE_GROUPS"}
    }
    names = set.union(*of_ours.values())

    assert not [(one, other) for one, other in permutations(names, 2) if one in other]
    assert not [value for value in by_parts if re.search("[a-z]{3}|[0-9]{2}", value)]


def test_nothing_in_the_job_configuration_is_escaped_for_html() -> None:
    templates = [text for text in texts(JOB_CONFIGURATION) if "{{" in text]

    assert templates
    for text in templates:
        assert "{{" not in re.sub(r"\{\{\{ [\w.]+ \}\}\}", "", text), text


def test_the_job_configuration_has_each_type_that_the_archiver_does() -> None:
    types = JobTypes(for_groups="archive_for_group")

    assert {name: types.kind_of(name) for name in JOB_TYPES} == {
        "archive": "archive",
        "archive_for_group": "archive",
        "retrieve": "retrieve",
    }
    assert {name: job["create"]["auth"] for name, job in JOB_TYPES.items()} == {
        "archive": "#datasetOwner",
        "archive_for_group": "#jobAdmin",
        "retrieve": "#datasetAccess",
    }
    assert {job["update"]["auth"] for job in JOB_TYPES.values()} == {"#jobAdmin"}
    assert JOB_TYPES["archive_for_group"]["create"]["actions"] == JOB_TYPES["archive"]["create"]["actions"]
    assert Settings.model_fields["scicat_group_job_type"].default in JOB_TYPES
