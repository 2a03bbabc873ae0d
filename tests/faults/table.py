"""Which faults are tested, and what must happen: the table docs/faults.md, read from the tests' own names.

A test of a fault is called ``test_<id>_<sentence>``, where the id is the letter of a group and two digits; one test may
stand for several faults. ``python -m tests.faults.table`` writes the table.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.account import ROOT

DOCUMENT = ROOT / "docs" / "faults.md"
GROUPS = {
    "A": "Events and starting",
    "B": "API",
    "C": "Names, sizes, shapes",
    "D": "Validation against the bytes",
    "E": "Packing and computing",
    "F": "SciCat",
    "G": "Long-term storage",
    "H": "Giving data back",
    "J": "Operations and environment",
}
_NAME = re.compile(r"test_((?:[a-hj]\d\d_)+)(\w+)")
_BEGINNING = """\
# Faults

What can go wrong, and what happens then. Each line is a test, and its sentence is the test's name; `make faults` runs
all of them. Beside them a state machine lets users, faults and operators act at random, and after each step looks
whether what always holds (see [architecture](architecture.md)) still does: `tests/faults/machine.py`.

This page is written by `make docs`, from the tests.
"""


@dataclass(frozen=True, slots=True)
class FaultTest:
    """A test function that carries ids of faults."""

    ids: tuple[str, ...]
    sentence: str
    path: Path
    name: str

    @property
    def file(self) -> str:
        """Its file, as seen from the project's folder."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def node(self) -> str:
        """What pytest calls it."""
        return f"{self.file}::{self.name}"


@cache
def fault_tests() -> list[FaultTest]:
    """All of them, in the order of their ids."""
    found = (test for path in sorted((ROOT / "tests").rglob("test_*.py")) for test in _tests_in(path))
    return sorted(found, key=lambda test: (test.ids, test.file, test.name))


def table(tests: Sequence[FaultTest]) -> str:
    """The page."""
    return "\n".join([_BEGINNING, *(line for letter in GROUPS for line in _group(letter, tests))])


def _group(letter: str, tests: Sequence[FaultTest]) -> Iterator[str]:
    rows = sorted((one, test.sentence, test.file) for test in tests for one in test.ids if one[0] == letter)
    if rows:
        yield f"## {letter}. {GROUPS[letter]}\n"
        yield "| | What happens | Test |\n| --- | --- | --- |"
        yield from (f"| {one} | {sentence} | `{file}` |" for one, sentence, file in rows)
        yield ""


def _tests_in(path: Path) -> Iterator[FaultTest]:
    for name, qualified_name in _functions(ast.parse(path.read_text()).body):
        if named := _NAME.fullmatch(name):
            ids = tuple(named[1].rstrip("_").upper().split("_"))
            yield FaultTest(ids, _sentence(named[2]), path, qualified_name)


def _functions(body: Sequence[ast.stmt], owner: str = "") -> Iterator[tuple[str, str]]:
    """The functions of a module and of its classes: their names, and what pytest calls them there."""
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, owner + node.name
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{owner}{node.name}::")


def _sentence(words: str) -> str:
    text = words.replace("_", " ")
    for written, read in _WRITTEN.items():
        text = re.sub(rf"\b{written}\b", read, text)
    return text[0].upper() + text[1:]


# Names that a function's name cannot write as they are.
_WRITTEN = {
    "scicat": "SciCat",
    "s3": "S3",
    "lts": "LTS",
    "kms": "KMS",
    "json": "JSON",
    "utf": "UTF",
    "utc": "UTC",
    "crc": "CRC",
    "etag": "ETag",
    "etags": "ETags",
    "pax": "PAX",
    "dlq": "DLQ",
    "api": "API",
    "a sys": "A-SYS",
    "a user": "A-USER",
    "a ok": "A-OK",
}


if __name__ == "__main__":
    DOCUMENT.write_text(table(fault_tests()))
