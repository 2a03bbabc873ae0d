"""The pages that are written from the code are those that the code writes."""

import re

import pytest

from archiver.codes import Code
from archiver.http.request_codes import RequestCode
from archiver.settings import Settings
from pages import error_codes
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
