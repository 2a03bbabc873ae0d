"""docs/decisions/index.md: the list of all decisions, from their own pages."""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "decisions"
_BEGINNING = """\
# Decisions

Each says what was to be decided, what was, and what follows from it, with how to undo it where that is not obvious. A
decision that replaces another one says so in a page of its own.

This page is written by `make docs`, from the others.
"""


def pages() -> list[Path]:
    """The decisions in order."""
    return sorted(FOLDER.glob("[0-9]*.md"))


def page() -> str:
    """The page."""
    lines = (f"| [{path.name[:4]}]({path.name}) | {_title(path)} |" for path in pages())
    return "\n".join([_BEGINNING, "| | |\n| --- | --- |", *lines, ""])


def _title(path: Path) -> str:
    heading = path.read_text().partition("\n")[0]
    return heading.partition(". ")[2].replace("|", "\\|")
