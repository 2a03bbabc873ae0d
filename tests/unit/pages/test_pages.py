"""The pages that are written from the code are those that the code writes."""

import json
import re
from pathlib import Path

import pytest

from archiver.codes import Code
from archiver.http.request_codes import RequestCode
from archiver.settings import Settings
from pages import api_reference, decisions, error_codes, workflows
from pages.__main__ import DOCS, PAGES

pytestmark = pytest.mark.usefixtures("environment")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_writes(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run: make docs"


def test_every_code_has_an_anchor_of_its_own() -> None:
    anchors = re.findall(r"^### (\w+)$", error_codes.page(), re.MULTILINE)

    assert sorted(anchors) == sorted([*Code, *RequestCode])


def test_the_address_in_messages_is_that_of_the_page() -> None:
    assert Settings.model_fields["error_codes_url"].default.endswith("/docs/error-codes.md")
    assert (DOCS / "error-codes.md").is_file()


@pytest.mark.parametrize("path", workflows.workflows(), ids=lambda path: path.name)
def test_every_state_and_every_way_between_states_is_in_the_diagram(path: Path) -> None:
    machine = json.loads(path.read_text())
    lines = [line.strip() for line in workflows.diagram(machine).splitlines()]

    for name, state in workflows.states_of(machine):
        assert any(re.match(rf"(subgraph )?{name}\W", line) for line in lines)
        targets = [state.get("Next"), state.get("Default")]
        targets += [one["Next"] for one in (*state.get("Choices", []), *state.get("Catch", []))]
        for target in filter(None, targets):
            assert any(line.startswith(f"{name} ") and line.endswith(f"> {target}") for line in lines)


def test_every_workflow_is_in_the_picture_of_the_whole() -> None:
    (whole,) = re.findall(r"```mermaid\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)

    assert {path.name.removesuffix(".asl.json") for path in workflows.workflows()} <= set(re.findall(r"\w+", whole))


def test_decisions_are_numbered_without_a_gap_and_say_why_what_and_what_follows() -> None:
    for number, path in enumerate(decisions.pages(), 1):
        text = path.read_text()
        assert path.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_the_reference_of_the_api_names_every_route_and_every_schema() -> None:
    api = json.loads((DOCS / "openapi.json").read_text())
    page = api_reference.page(DOCS / "openapi.json")

    for path, methods in api["paths"].items():
        assert all(f"## `{method.upper()} {path}`" in page for method in methods)
    assert all(f"### {name}\n" in page for name in api["components"]["schemas"])
