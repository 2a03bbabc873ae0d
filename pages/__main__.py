"""``make docs`` writes every page that is written from the code."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from pages import decisions, error_codes, workflows
from tests.support.account import ENVIRONMENT

DOCS = Path(__file__).parents[1] / "docs"
PAGES: Mapping[str, Callable[[], str]] = {
    "decisions/index.md": decisions.page,
    "error-codes.md": error_codes.page,
    "workflows.md": workflows.page,
}

if __name__ == "__main__":
    os.environ |= ENVIRONMENT  # the reports look up where a code is explained
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
