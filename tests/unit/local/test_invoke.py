"""One function alone: what is missing is said in one sentence, and SAM is told what the stack knows."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from local import deployment, invoke
from local.configuration import ROOT, Configuration, StageFailed

SAMPLE = ROOT / "events" / "read-drop.json"


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration.of({"STATE_DIR": str(tmp_path / "state")})


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Put a program ``docker`` that runs ``script`` in place of every other program."""

    def put(script: str) -> None:
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))

    return put


def run_alone(configuration: Configuration, function: str = "ReadDrop", event: Path = SAMPLE) -> int:
    return invoke.run_alone(configuration, function, event, skip_pull_image=True)


def test_an_unknown_function_is_answered_with_the_names_there_are(configuration: Configuration) -> None:
    with pytest.raises(
        StageFailed, match=r"There is no function Nobody; there are Api, BeginJob, .*, VerifyDatablocks"
    ):
        run_alone(configuration, "Nobody")


def test_a_missing_event_file_is_answered_with_the_samples_there_are(configuration: Configuration) -> None:
    with pytest.raises(StageFailed, match=r"no event file nowhere\.json; samples are .*, events/read-drop\.json,"):
        run_alone(configuration, event=Path("nowhere.json"))


def test_a_machine_without_docker_is_told_so(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StageFailed, match="Docker is not installed"):
        run_alone(configuration)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'Is the docker daemon running?' >&2; exit 1", "Docker does not answer: Is the docker daemon running?"),
        ("exit 1", "Docker does not answer: no reason given"),
    ],
)
def test_a_docker_that_does_not_run_is_told_with_its_reason(
    configuration: Configuration, docker: Callable[[str], None], script: str, told: str
) -> None:
    docker(script)
    with pytest.raises(StageFailed) as failure:
        run_alone(configuration)
    assert str(failure.value) == told


def test_a_stack_that_is_not_up_is_told_with_the_remedy(
    configuration: Configuration, docker: Callable[[str], None]
) -> None:
    docker("exit 0")
    with pytest.raises(StageFailed, match="The stack is not up: `make up`"):
        run_alone(configuration)


def test_only_services_on_this_machines_loopback_are_joined_with_the_container() -> None:
    settings = {
        "AWS_ENDPOINT_URL": "http://localhost:4566",
        "SCICAT_URL": "http://127.0.0.1/base",
        "LTS_ENDPOINT_URL": "",
        "PUBLIC_API_URL": "http://localhost:8080",
    }
    assert invoke.local_ports(settings) == {4566, 80}
    assert invoke.local_ports(settings | {"SCICAT_URL": "https://scicat.example.org"}) == {4566}


def test_sam_is_given_the_built_function_behind_the_ports_and_the_settings_of_the_stack(
    configuration: Configuration, tmp_path: Path
) -> None:
    code = {"Properties": {"CodeUri": "ReadDrop", "Handler": "app.handler", "Timeout": 120}}
    layer = {"Properties": {"ContentUri": "ArchiverLayer"}}
    declared = {"Function": {"Environment": {"Variables": {"LANES": "8"}}}}
    built = deployment.build_folder(configuration)
    (built / "ReadDrop").mkdir(parents=True)
    (built / "ReadDrop" / "app.py").write_text("handler = print")
    template = {"Globals": declared, "Resources": {"ReadDrop": code, "ArchiverLayer": layer}}
    (built / "template.yaml").write_text(json.dumps(template))

    options = invoke._options(configuration, "ReadDrop", {"LANES": "4"}, tmp_path)

    given = dict(zip(options[::2], options[1::2], strict=True))
    assert json.loads(Path(given["--env-vars"]).read_text()) == {"Parameters": {"LANES": "4"}}
    template = json.loads(Path(given["--template-file"]).read_text())
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert variables == {"LANES": "8", "AWS_ENDPOINT_URL": ""}
    function = template["Resources"]["ReadDrop"]["Properties"]
    assert (function["Handler"], function["Timeout"]) == ("entry.handler", 120)
    assert {file.name for file in Path(function["CodeUri"]).iterdir()} == {"app.py", "entry.py", "ports.py"}
    assert template["Resources"]["ArchiverLayer"]["Properties"]["ContentUri"] == str(built / "ArchiverLayer")


def test_the_sockets_are_there_while_sam_runs_and_its_exit_code_is_ours(
    configuration: Configuration, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # In place of SAM: a program that lists the folder of the code.
    command = ["sh", "-c", 'ls "$0"; exit 3', str(tmp_path)]

    assert asyncio.run(invoke._invoke(configuration, command, {7000}, tmp_path)) == 3

    assert capfd.readouterr().out == "7000.sock\n"
    assert list(tmp_path.iterdir()) == []


def test_a_state_folder_too_deep_for_a_socket_is_told(configuration: Configuration, tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    with pytest.raises(StageFailed, match="try a shorter STATE_DIR"):
        asyncio.run(invoke._invoke(configuration, ["true"], {7000}, deep))
