"""What the environment says of the local stack."""

from pathlib import Path

import pytest
import yaml

from local.accounts import Accounts
from local.configuration import ROOT, Configuration, ExistingService, Login, StageFailed, quiet_environment
from local.deployment import build_folder, parameters, template_to_deploy

EXISTING_SCICAT = {
    "SCICAT_URL": "https://scicat.example.org/",
    "SCICAT_USERNAME": "any-account",
    "SCICAT_PASSWORD": "any-password",
}


def test_without_settings_both_mocks_run_on_the_usual_ports_and_signatures_are_not_checked() -> None:
    configuration = Configuration.of({})

    assert configuration.ports.keys() == {"LocalStack", "LTS mock", "SciCat mock"}
    assert configuration.aws_url == "http://localhost:4566"
    assert configuration.api_url == "http://localhost:4566/_aws/execute-api/archiver/api/v1"
    assert configuration.scicat_url == "http://localhost:3000"
    assert configuration.lts_url == "http://localhost:7000"
    assert configuration.state == ROOT / "local" / ".state"
    assert configuration.scicat_release == "master"
    assert not configuration.strict


@pytest.mark.parametrize("release", ["master", "5.2.1", "4.28.0"])
def test_the_mock_can_be_each_release_of_scicat_that_is_supported(release: str) -> None:
    assert Configuration.of({"SCICAT_RELEASE": release}).scicat_release == release


def test_a_release_that_the_mock_does_not_know_is_named_with_those_it_does() -> None:
    with pytest.raises(StageFailed, match=r"SCICAT_RELEASE=4\.9\.1 is none of master, 5\.2\.1, 4\.28\.0"):
        Configuration.of({"SCICAT_RELEASE": "4.9.1"})


def test_empty_variables_are_as_good_as_none() -> None:
    empty = dict.fromkeys(("STRICT", "SCICAT_URL", "LTS_ENDPOINT_URL", "LOCALSTACK_PORT", "STATE_DIR", "UV"), "")

    assert Configuration.of(empty) == Configuration.of({})


def test_existing_catalogue_takes_the_place_of_the_mock() -> None:
    configuration = Configuration.of(EXISTING_SCICAT)

    assert configuration.ports.keys() == {"LocalStack", "LTS mock"}
    assert configuration.scicat_url == "https://scicat.example.org"


def test_existing_storage_takes_the_place_of_the_mock() -> None:
    keys = {"LTS_ACCESS_KEY_ID": "any-key", "LTS_SECRET_ACCESS_KEY": "any-secret"}
    configuration = Configuration.of({"LTS_ENDPOINT_URL": "https://lts.example.org", **keys})

    assert configuration.ports.keys() == {"LocalStack", "SciCat mock"}
    assert configuration.lts_url == "https://lts.example.org"
    assert configuration.lts_login.username == "any-key"


def test_existing_catalogue_without_its_account_names_what_is_missing() -> None:
    with pytest.raises(StageFailed, match="SCICAT_URL is given without SCICAT_USERNAME and SCICAT_PASSWORD"):
        Configuration.of({"SCICAT_URL": "https://scicat.example.org"})


def test_existing_catalogue_may_have_a_second_account_that_creates_jobs() -> None:
    jobs = {"SCICAT_JOBS_USERNAME": "any-creator", "SCICAT_JOBS_PASSWORD": "another-password"}
    configuration = Configuration.of(EXISTING_SCICAT | jobs)

    assert configuration.scicat == ExistingService(
        "https://scicat.example.org", Login("any-account", "any-password"), Login("any-creator", "another-password")
    )
    for missing in ({"SCICAT_JOBS_PASSWORD": ""}, {"SCICAT_JOBS_USERNAME": ""}, {"SCICAT_URL": ""}):
        with pytest.raises(StageFailed, match="SCICAT_JOBS_USERNAME and SCICAT_JOBS_PASSWORD go with each other"):
            Configuration.of(EXISTING_SCICAT | jobs | missing)


@pytest.mark.parametrize(
    ("environment", "prefix"), [({}, "20.500.11935"), ({"PID_PREFIX": "10.1234"}, "10.1234"), ({"PID_PREFIX": ""}, "")]
)
def test_pids_may_have_another_prefix_or_none(environment: dict[str, str], prefix: str) -> None:
    configuration = Configuration.of(environment)

    assert configuration.pid_prefix == prefix
    assert parameters(configuration, Accounts.of({}))["PidPrefix"] == prefix


@pytest.mark.parametrize(
    ("environment", "job_type"),
    [
        ({}, "archive"),
        ({"SCICAT_RELEASE": "5.2.1"}, "archive_for_group"),
        ({"SCICAT_GROUP_JOB_TYPE": "any_type"}, "any_type"),
        (EXISTING_SCICAT, "archive"),
    ],
)
def test_jobs_of_a_group_have_the_type_that_the_catalogue_takes(environment: dict[str, str], job_type: str) -> None:
    values = parameters(Configuration.of(environment), Accounts.of({}))

    assert values["SciCatGroupJobType"] == job_type


def test_an_empty_parameter_is_its_own_default_in_what_is_deployed(tmp_path: Path) -> None:
    configuration = Configuration.of({"STATE_DIR": str(tmp_path)})
    built = build_folder(configuration) / "template.yaml"
    built.parent.mkdir(parents=True)
    given = {"PidPrefix": {"Default": "20.500.11935"}, "SciCatJobsUsername": {"Default": ""}, "SciCatUrl": {}}
    built.write_text(yaml.safe_dump({"Parameters": given}))

    assert template_to_deploy(configuration, {"PidPrefix": "10.1234", "SciCatJobsUsername": ""}) == built
    deployed = template_to_deploy(configuration, {"PidPrefix": "", "SciCatJobsUsername": "", "SciCatUrl": "any"})
    assert deployed.parent == built.parent
    assert yaml.safe_load(deployed.read_text())["Parameters"] == given | {"PidPrefix": {"Default": ""}}


def test_a_second_account_reaches_the_template_of_an_existing_catalogue_only_when_given() -> None:
    def given(environment: dict[str, str]) -> tuple[str, str]:
        values = parameters(Configuration.of(environment), Accounts.of({"JOBCREATOR_PASSWORD": "of-the-mock"}))
        return values["SciCatJobsUsername"], values["SciCatJobsPassword"]

    jobs = {"SCICAT_JOBS_USERNAME": "any-creator", "SCICAT_JOBS_PASSWORD": "another-password"}
    assert given({}) == ("jobcreator", "of-the-mock")
    assert given(EXISTING_SCICAT) == ("", "")
    assert given(EXISTING_SCICAT | jobs) == ("any-creator", "another-password")


@pytest.mark.parametrize("port", ["none", "0", "65536", "-1"])
def test_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(StageFailed, match=f"SCICAT_PORT={port} is not a port"):
        Configuration.of({"SCICAT_PORT": port})


@pytest.mark.parametrize(("text", "strict"), [("1", True), ("true", True), ("0", False), ("no", False)])
def test_strict_is_on_or_off(text: str, *, strict: bool) -> None:
    assert Configuration.of({"STRICT": text}).strict is strict


def test_the_callers_aws_account_and_proxy_do_not_reach_the_stack() -> None:
    environment = quiet_environment({"AWS_PROFILE": "any-profile", "AWS_SESSION_TOKEN": "any", "LANG": "C"})

    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & environment.keys()
    assert environment["LANG"] == "C"
    assert environment["NO_PROXY"] == "localhost,127.0.0.1"


def test_failure_ends_with_the_path_of_the_log() -> None:
    assert str(StageFailed("It failed", Path("/any/log"))) == "It failed. Log: /any/log"
    assert str(StageFailed("It failed")) == "It failed"
