"""An ordinary user restores every byte with tar alone, whatever the recorded modes, and checks all of it at once.

GNU tar and Python are on every machine that runs these tests; ``tests/tools`` does the same with other programs.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import restoring
from tests.support.restoring import FILES, MODES, as_ordinary_user, datablocks, modes, restored

DOCS = Path(__file__).parents[3] / "docs" / "retrieving-a-dataset.md"


@pytest.fixture
def folder() -> Iterator[Path]:
    with restoring.a_folder() as made:
        yield made


def documented(beginning: str) -> str:
    """The commands of the page that begin so."""
    blocks = re.findall(r"(?:^    .*\n)+", DOCS.read_text(), re.MULTILINE)
    (block,) = (block for block in blocks if block.strip().startswith(beginning))
    return str(block)


def unpack(program: str, folder: Path, tars: list[bytes]) -> None:
    for tar in tars:
        (folder / "any.tar").write_bytes(tar)
        if program == "tar":
            ended = as_ordinary_user(["tar", "-xf", "any.tar"], folder)
        else:
            ended = restoring.with_python(Path("any.tar"), folder, program)
        assert ended.returncode == 0, ended.stderr
        (folder / "any.tar").unlink()


@pytest.mark.parametrize("program", ["tar", "data", "fully_trusted"])
@pytest.mark.parametrize("order", [1, -1], ids=["in order", "the last first"])
def test_every_byte_comes_back_and_one_command_checks_all_datablocks(folder: Path, program: str, order: int) -> None:
    unpack(program, folder, datablocks()[::order])

    checked = as_ordinary_user(["sh", "-c", documented("sha256sum -c")], folder)

    assert restored(folder) == FILES
    assert (folder / "empty").is_dir()
    assert (checked.returncode, checked.stdout.count(": OK\n")) == (0, len(FILES)), checked.stderr


@pytest.mark.parametrize("program", ["tar", "fully_trusted"])
def test_nobody_else_may_do_more_than_was_recorded(folder: Path, program: str) -> None:
    unpack(program, folder, datablocks())

    assert {path: mode & 0o077 & ~MODES[path] for path, mode in modes(folder).items()} == dict.fromkeys(MODES, 0)


@pytest.mark.parametrize("program", ["tar", "data"])
def test_the_documented_commands_give_the_recorded_modes_and_times_back(folder: Path, program: str) -> None:
    unpack(program, folder, datablocks())

    ended = as_ordinary_user(["sh", "-c", documented("cat .datablock")], folder)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert modes(folder) == MODES
    assert {(folder / path).stat().st_mtime for path in MODES} == {restoring.ANY_SECOND}


def test_a_file_that_was_damaged_is_found_in_whichever_datablock_it_was(folder: Path) -> None:
    unpack("tar", folder, datablocks())
    for path in ("-n", "shared/group.mrc"):
        (folder / path).write_bytes(b"other")

    checked = as_ordinary_user(["sh", "-c", documented("sha256sum -c")], folder)

    assert checked.returncode != 0
    wrong = {line for line in checked.stdout.splitlines() if not line.endswith("OK")}
    assert wrong == {"-n: FAILED", "shared/group.mrc: FAILED"}
