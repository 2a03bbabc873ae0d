"""One naming rule, the template and the workflows, read as files: what belongs together is called alike."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archiver.alarms import Alarm
from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.http.app import VERSION
from archiver.http.request_codes import RequestCode
from archiver.settings import Settings
from pages import retries
from tests.support.template import RESOURCES, TEMPLATE, resources_of

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / "statemachine").glob("*.asl.json"))
FUNCTIONS = sorted(folder.name for folder in (ROOT / "functions").iterdir() if (folder / "app.py").is_file())
OUR_ERRORS = {error.__name__ for error in (DatasetRejected, ServiceRefused, ServiceUnavailable)}
PLATFORM_ERRORS = re.compile(r"^(States|Lambda|Sandbox|Runtime|StepFunctions)\.\w+$")
MAX_WORKFLOW_LINES = 150
MAX_LINE_LENGTH = 120
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def states_of(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state of a workflow, also those within a Map or a Parallel."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
            yield from states_of(inner)


def lambda_tasks(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in states_of(json.loads(path.read_text())):
        if state["Type"] == "Task" and not state["Resource"].startswith("arn:"):
            yield name, state


def test_every_function_is_a_resource_a_folder_and_a_unit_test() -> None:
    resources = {
        snake(name): properties["CodeUri"] for name, properties in resources_of("AWS::Serverless::Function").items()
    }
    assert sorted(resources) == FUNCTIONS
    assert all(uri == f"functions/{name}" for name, uri in resources.items())
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests/unit/functions").glob("test_*.py")}
    assert sorted(tests) == FUNCTIONS


def test_every_workflow_is_a_resource() -> None:
    machines = {snake(name): properties for name, properties in resources_of("AWS::Serverless::StateMachine").items()}
    assert sorted(machines) == [path.name.removesuffix(".asl.json") for path in WORKFLOWS]
    for name, properties in machines.items():
        assert properties["DefinitionUri"] == f"statemachine/{name}.asl.json"
        assert properties["Name"].endswith("-" + name.replace("_", "-"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_state_that_calls_a_function_bears_its_name(path: Path) -> None:
    machine = next(
        p for n, p in resources_of("AWS::Serverless::StateMachine").items() if snake(n) in path.name.split(".")
    )
    tasks = dict(lambda_tasks(path))
    assert tasks
    for name, state in tasks.items():
        assert state["Resource"] == f"${{{name}Arn}}"
        assert snake(name) in FUNCTIONS
        assert machine["DefinitionSubstitutions"][f"{name}Arn"] == f"{name}.Arn"
    invoked = {p["LambdaInvokePolicy"]["FunctionName"] for p in machine["Policies"] if "LambdaInvokePolicy" in p}
    assert invoked == set(tasks)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_state_tells_its_story_in_one_sentence(path: Path) -> None:
    for name, state in states_of(json.loads(path.read_text())):
        assert state.get("Comment", "").endswith("."), name
    assert len(path.read_text().splitlines()) <= MAX_WORKFLOW_LINES


def test_every_call_of_a_function_has_a_timeout_longer_than_its_own() -> None:
    for name, state in (task for path in WORKFLOWS for task in lambda_tasks(path)):
        function_timeout = RESOURCES[name]["Properties"].get("Timeout", TEMPLATE["Globals"]["Function"]["Timeout"])
        assert state["TimeoutSeconds"] > function_timeout, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_retry_of_every_task_is_its_last_key_and_that_of_retry_json(path: Path) -> None:
    workflow = path.name.partition(".")[0]
    for name, state in states_of(json.loads(path.read_text())):
        # One that waits for a token goes on by its Catch, whatever happened.
        if state["Type"] == "Task" and not state["Resource"].endswith(".waitForTaskToken"):
            assert list(state)[-1] == "Retry", name
            assert state["Retry"] == retries.of_task(workflow, state), f"{name}; run: make format"
    assert path.read_text() == retries.written(workflow, path.read_text())


def test_a_map_over_a_function_of_reserved_concurrency_starts_as_many_as_are_reserved() -> None:
    reserved = {
        name: properties["ReservedConcurrentExecutions"]
        for name, properties in resources_of("AWS::Serverless::Function").items()
        if "ReservedConcurrentExecutions" in properties
    }
    found = {
        name: state.get("MaxConcurrency")
        for path in WORKFLOWS
        for _, state in states_of(json.loads(path.read_text()))
        if state["Type"] == "Map"
        for name in state["ItemProcessor"]["States"].keys() & reserved
    }

    assert reserved
    assert found == reserved


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_error_that_a_workflow_names_exists(path: Path) -> None:
    for name, state in states_of(json.loads(path.read_text())):
        for rule in [*state.get("Retry", []), *state.get("Catch", [])]:
            for error in rule["ErrorEquals"]:
                assert error in OUR_ERRORS or PLATFORM_ERRORS.match(error), f"{name}: {error}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_main_path_is_caught_once(path: Path) -> None:
    machine = json.loads(path.read_text())
    start = machine["States"][machine["StartAt"]]
    assert start["Type"] == "Parallel"
    assert len(start["Branches"]) == 1
    assert [rule["ErrorEquals"] for rule in start["Catch"]] == [["States.ALL"]]
    fails = [state for _, state in states_of(machine) if state["Type"] == "Fail"]
    assert fails
    assert all({"Error", "ErrorPath"} & state.keys() and {"Cause", "CausePath"} & state.keys() for state in fails)


def test_the_settings_are_the_environment_of_the_template() -> None:
    variables = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    for properties in resources_of("AWS::Serverless::Function").values():
        variables |= set(properties.get("Environment", {}).get("Variables", {}))
    ours = {name for name in variables if not name.startswith(("POWERTOOLS_", "MALLOC_"))}
    assert ours == {name.upper() for name in Settings.model_fields}


def test_the_template_has_no_line_that_is_longer_than_code_may_be() -> None:
    lines = (ROOT / "template.yaml").read_text().splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > MAX_LINE_LENGTH] == []


def test_there_is_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert version == VERSION
    assert json.loads((ROOT / "docs/openapi.json").read_text())["info"]["version"] == version
    assert released[0] == version


def test_a_sentence_stands_above_every_resource() -> None:
    lines = (ROOT / "template.yaml").read_text().splitlines()
    for name in RESOURCES:
        above = lines[lines.index(f"  {name}:") - 1]
        assert re.fullmatch(r"  # .+\.", above), f"{name}: {above!r}"


def test_every_alarm_of_ours_is_in_the_template_and_in_the_operators_page() -> None:
    counted = {
        properties["MetricName"]: name
        for name, properties in resources_of("AWS::CloudWatch::Alarm").items()
        if not properties["Namespace"].startswith("AWS/")
    }
    assert counted.keys() == set(Alarm)
    told = (ROOT / "docs/operations.md").read_text()
    assert [name for name in resources_of("AWS::CloudWatch::Alarm") if f"| `{name}` |" not in told] == []


def test_every_code_is_written_like_a_name() -> None:
    for code in (*Code, *RequestCode):
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", code)
        assert code.name.lower() == code


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_between_the_documents_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_path_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.MULTILINE)) <= targets
    # What the service writes while it runs, and placeholders, do not lie in the repository.
    paths = re.findall(
        r"(?<![\w/.-])(?:functions|layers|local|mocks|statemachine|tests|docs|events)/[\w./-]*\w(?![\w<])", text
    )
    assert [path for path in paths if not path.startswith("local/.state") and not (ROOT / path).exists()] == []
