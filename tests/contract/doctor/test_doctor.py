"""The doctor finds what is wrong with a SciCat, says what mends it, and leaves nothing behind."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.configuration import Login
from local.doctor.__main__ import command
from local.doctor.examination import Finding, Verdict, examine
from local.doctor.listener import Listener, listening
from local.doctor.patient import Patient
from local.doctor.visit import Visit
from mocks.scicat.jobs.configuration import SHIPPED, read_job_configuration
from mocks.scicat.releases import RELEASES, V5_2_1
from mocks.scicat.storage.store import Kind
from mocks.scicat.testing import RunningScicat
from tests.support.loopback import QuietHandler, serving
from tests.support.patients import JOB_API, a_scicat, login, patient_at

pytestmark = pytest.mark.usefixtures("no_pauses")

_NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening(0) as hearing:
        yield hearing


def found(patient: Patient, listener: Listener | None = None) -> dict[str, Finding]:
    """What one visit finds."""
    return {one.name: one for one in examine(Visit.to(patient, listener, 0.0), lambda _: None)}


def bad(findings: dict[str, Finding]) -> set[str]:
    return {name for name, finding in findings.items() if finding.verdict is Verdict.BAD}


def left(scicat: RunningScicat) -> list[object]:
    """What is in the catalogue but ended jobs."""
    unfinished = [job for job in scicat.store.all(Kind.JOB) if not job["statusCode"].startswith("finished")]
    return [*scicat.store.all(Kind.DATASET), *scicat.store.all(Kind.DATABLOCK), *unfinished]


def test_nothing_is_left_of_a_visit_but_an_ended_job(tmp_path: Path, listener: Listener) -> None:
    with a_scicat(tmp_path, listener.url) as scicat:
        findings = found(patient_at(scicat.url), listener)
        assert {finding.verdict for finding in findings.values()} == {Verdict.GOOD}
        assert len(scicat.store.all(Kind.JOB)) == 1
        assert left(scicat) == []


@pytest.mark.parametrize(
    ("setting", "check"),
    [
        ("CREATE_DATASET_PRIVILEGED_GROUPS", "pid"),
        ("CREATE_JOB_PRIVILEGED_GROUPS", "job"),
        ("UPDATE_JOB_PRIVILEGED_GROUPS", "read_job"),
    ],
)
def test_a_missing_right_is_told_with_the_setting_that_gives_it(
    tmp_path: Path, listener: Listener, setting: str, check: str
) -> None:
    with a_scicat(tmp_path, listener.url, variables={setting: "others"}) as scicat:
        findings = found(patient_at(scicat.url), listener)
    assert bad(findings) - {"removed"} == {check}
    assert setting in findings[check].mend


def test_release_5_2_without_a_type_of_jobs_for_groups_is_told_which_parameter_names_it(
    tmp_path: Path, listener: Listener
) -> None:
    with a_scicat(tmp_path, listener.url, release=V5_2_1) as scicat:
        findings = found(patient_at(scicat.url, group_job_type="archive"), listener)
        assert left(scicat) == []
    assert bad(findings) == {"job"}
    assert "SciCatGroupJobType" in findings["job"].mend


def test_a_pid_that_scicat_does_not_take_is_told_and_the_rest_is_tried(tmp_path: Path, listener: Listener) -> None:
    rule = {"DATASET_CREATION_VALIDATION_ENABLED": "true", "DATASET_CREATION_VALIDATION_REGEX": "^[0-9A-F-]{36}$"}
    with a_scicat(tmp_path, listener.url, variables=rule) as scicat:
        findings = found(patient_at(scicat.url), listener)
        without_prefix = found(patient_at(scicat.url, pid_prefix=""), listener)
        assert left(scicat) == []
    assert bad(findings) == {"pid"}
    assert {finding.verdict for name, finding in findings.items() if name != "pid"} == {Verdict.GOOD}
    assert "DATASET_CREATION_VALIDATION_REGEX" in findings["pid"].mend
    assert bad(without_prefix) == set()


@pytest.mark.parametrize("release", RELEASES)
def test_two_braces_in_the_job_configuration_are_told_as_what_is_wrong(
    tmp_path: Path, listener: Listener, release: str
) -> None:
    file = tmp_path / "jobConfig.yaml"
    file.write_text(SHIPPED.read_text().replace("{{{", "{{").replace("}}}", "}}"))
    jobs = read_job_configuration(file)
    with a_scicat(tmp_path / "scicat", listener.url, release=RELEASES[release], jobs=jobs) as scicat:
        findings = found(patient_at(scicat.url), listener)
    assert bad(findings) == {"url_action"}
    assert "triple braces" in findings["url_action"].detail


@pytest.mark.parametrize(("job_type", "check"), [("archive_for_group", "group_type"), ("retrieve", "retrieve_type")])
def test_a_type_of_jobs_that_is_not_configured_is_told(
    tmp_path: Path, listener: Listener, job_type: str, check: str
) -> None:
    shipped = read_job_configuration()
    jobs = replace(shipped, types={name: one for name, one in shipped.types.items() if name != job_type})
    with a_scicat(tmp_path, listener.url, jobs=jobs) as scicat:
        findings = found(patient_at(scicat.url), listener)
    assert check in bad(findings)
    assert "jobConfig.yaml" in findings[check].mend


def test_without_the_right_to_delete_what_is_left_is_named_and_the_archiver_can_work(
    tmp_path: Path, listener: Listener
) -> None:
    with a_scicat(tmp_path, listener.url, variables={"DELETE_GROUPS": "others"}) as scicat:
        findings = found(patient_at(scicat.url), listener)
        (dataset,) = scicat.store.all(Kind.DATASET)
    doubtful = {name for name, finding in findings.items() if finding.verdict is Verdict.DOUBTFUL}
    assert (bad(findings), doubtful) == (set(), {"delete_datablock", "removed"})
    assert all("DELETE_GROUPS" in findings[name].mend for name in doubtful)
    assert dataset["pid"] in findings["removed"].detail


def test_accounts_that_may_do_nothing_leave_nothing(tmp_path: Path, listener: Listener) -> None:
    with a_scicat(tmp_path, listener.url) as scicat:
        findings = found(patient_at(scicat.url, archiver=login("stranger"), creator=None), listener)
        assert bad(findings) == {"pid"}
        assert left(scicat) == []


@pytest.mark.parametrize(("account", "check"), [("archiver", "login"), ("creator", "jobs_login")])
def test_a_wrong_password_is_told_and_never_repeated(
    tmp_path: Path, listener: Listener, account: str, check: str
) -> None:
    wrong = Login(patient_at("any").archiver.username, "any-wrong-password")
    with a_scicat(tmp_path, listener.url) as scicat:
        findings = found(patient_at(scicat.url, **{account: wrong}), listener)
    assert bad(findings) == {check}
    assert "PASSWORD" in findings[check].mend
    assert "any-wrong-password" not in str(findings)


def test_one_account_that_may_not_do_both_is_told_that_jobs_need_another(tmp_path: Path, listener: Listener) -> None:
    with a_scicat(tmp_path, listener.url) as scicat:
        findings = found(patient_at(scicat.url, creator=None), listener)
        assert left(scicat) == []
    assert bad(findings) == {"job"}
    assert "SCICAT_JOBS_USERNAME" in findings["job"].mend


def test_a_scicat_that_is_not_there_is_told_at_once() -> None:
    findings = found(patient_at(_NOBODY))
    assert bad(findings) == {"reachable"}
    assert "SCICAT_URL" in findings["reachable"].mend


@pytest.mark.parametrize("body", [b"<html>any page</html>", b"[]", b'{"any": "service"}'])
def test_something_else_than_a_scicat_is_told(body: bytes) -> None:
    class Other(QuietHandler):
        def answer(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Other) as url:
        assert bad(found(patient_at(url))) == {"reachable"}


def test_a_release_without_the_lifecycles_route_is_refused(listener: Listener) -> None:
    class Old(QuietHandler):
        def answer(self) -> None:
            health = self.path == "/api/v3/health"
            body = json.dumps(
                {"status": "ok"} if health else {"message": f"Cannot {self.command} {self.path}"}
            ).encode()
            self.send_response(200 if health else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Old) as url:
        findings = found(patient_at(url), listener)
    assert bad(findings) == {"release"}
    assert "cannot work with it" in findings["release"].detail
    assert findings["login"].verdict is Verdict.UNTRIED


# The url action, seen by whoever creates a job


def test_a_scicat_that_calls_where_nobody_is_is_told(tmp_path: Path) -> None:
    with a_scicat(tmp_path, _NOBODY) as scicat:
        finding = found(patient_at(scicat.url))["url_action"]
        assert left(scicat) == []
    assert finding.verdict is Verdict.BAD
    assert "nothing answers" in finding.detail
    assert "ARCHIVER_URL" in finding.mend


def test_a_scicat_that_calls_nobody_is_told(tmp_path: Path) -> None:
    with a_scicat(tmp_path, "") as scicat:
        finding = found(patient_at(scicat.url))["url_action"]
        assert left(scicat) == []
    assert finding.verdict is Verdict.BAD
    assert "nobody began it" in finding.detail


def test_a_scicat_that_calls_somebody_else_is_told(tmp_path: Path, listener: Listener) -> None:
    with a_scicat(tmp_path, _NOBODY) as scicat:
        finding = found(patient_at(scicat.url), listener)["url_action"]
    assert finding.verdict is Verdict.BAD
    assert listener.url in finding.mend


def test_what_the_archiver_says_of_the_header_reaches_the_operator(tmp_path: Path) -> None:
    refusal = {"code": "unauthorized", "message": "This route needs valid credentials.", "details": "any hint"}

    class Refusing(QuietHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(refusal).encode()
            self.send_response(401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Refusing) as url, a_scicat(tmp_path, url) as scicat:
        finding = found(patient_at(scicat.url))["url_action"]
        assert left(scicat) == []
    assert (finding.verdict, finding.mend) == (Verdict.BAD, "any hint")
    assert "answered 401: This route needs valid credentials. any hint" in finding.detail


def test_another_password_than_the_archivers_is_told_and_never_repeated(tmp_path: Path, listener: Listener) -> None:
    with a_scicat(tmp_path, listener.url, password="any-wrong-password") as scicat:
        finding = found(patient_at(scicat.url), listener)["url_action"]
    assert "ARCHIVER_BASIC" in finding.detail
    assert "any-wrong-password" not in str(finding)


# The command


def run(
    monkeypatch: pytest.MonkeyPatch, scicat: RunningScicat, *options: str, **variables: str
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``make doctor``."""
    environment = {
        "SCICAT_URL": scicat.url,
        "SCICAT_USERNAME": "archiver",
        "SCICAT_PASSWORD": login("archiver").password,
        "SCICAT_JOBS_USERNAME": "jobcreator",
        "SCICAT_JOBS_PASSWORD": login("jobcreator").password,
        "WAIT_SECONDS": "0",
        **variables,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ran = CliRunner().invoke(command(), options)
    return ran.exit_code, ran.stdout, ran.stderr


def test_the_command_says_a_line_for_each_check_and_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(0) as free:
        port, url = str(free.port), free.url
    with a_scicat(tmp_path, url) as scicat:
        code, output, _ = run(monkeypatch, scicat, LISTEN=port, JOB_API_USERNAME=JOB_API.username)
    lines = output.splitlines()
    assert code == 0, output
    assert all(line.startswith("✓ ") for line in lines[:-1])
    assert lines[-1].startswith("The archiver can work with this SciCat")
    assert "the password was not compared" in output


def test_the_command_fails_when_a_check_does_and_prints_json_for_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_scicat(tmp_path, _NOBODY) as scicat:
        code, output, _ = run(monkeypatch, scicat, "--json")
    told = json.loads(output)
    assert (code, told["healthy"], told["scicat"]) == (1, False, scicat.url)
    assert [one["name"] for one in told["checks"] if one["verdict"] == "bad"] == ["url_action"]


def test_an_interrupted_command_removes_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with a_scicat(tmp_path, _NOBODY) as scicat:
        monkeypatch.setattr("archiver.scicat.Catalogue.update_lifecycle", interrupted)
        code, output, errors = run(monkeypatch, scicat)
        assert left(scicat) == []
    assert code == 130
    assert "nothing is left of the dataset" in output
    assert "Interrupted" in errors


def test_a_password_that_nobody_gave_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with a_scicat(tmp_path, _NOBODY) as scicat:
        code, _, errors = run(monkeypatch, scicat, SCICAT_PASSWORD="")
    assert code == 2
    assert "SCICAT_PASSWORD is not set" in errors
