"""The environments of the stack's programs, made by a program that stands in for uv and counts."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local import environments
from local.configuration import Configuration, StageFailed

UV = f"""#!{sys.executable}
import pathlib, shutil, sys, time
with open("{{calls}}", "a") as calls:
    print(sys.argv[1], file=calls)
if sys.argv[1] == "venv":
    shutil.rmtree(sys.argv[-1], ignore_errors=True)
    pathlib.Path(sys.argv[-1]).mkdir()
time.sleep(0.05)
sys.exit({{ends}})
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What uv was asked for, a line each; the environments are in a folder of the test's."""
    monkeypatch.setattr(environments, "venv", lambda name: tmp_path / f".venv-{name}")
    monkeypatch.setattr(environments, "CACHE", tmp_path / "cache")
    return tmp_path / "calls.txt"


def a_configuration(calls: Path, *, ends: int = 0) -> Configuration:
    uv = calls.with_name("uv")
    uv.write_text(UV.format(calls=calls, ends=ends))
    uv.chmod(0o700)
    return Configuration.of({"STATE_DIR": str(calls.with_name("state")), "UV": str(uv)})


def test_environment_that_many_need_at_once_is_made_once_and_then_left_alone(calls: Path) -> None:
    configuration = a_configuration(calls)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: environments.make("sam", configuration), range(200)))

    assert made.count(True) == 1
    assert calls.read_text().split() == ["venv", "pip"]
    assert environments.is_current("sam")


def test_environment_that_could_not_be_made_is_made_by_the_next_attempt(calls: Path) -> None:
    with pytest.raises(StageFailed, match="cannot be made"):
        environments.make("sam", a_configuration(calls, ends=1))

    assert environments.make("sam", a_configuration(calls))


def test_environment_of_other_versions_is_made_again(calls: Path) -> None:
    configuration = a_configuration(calls)
    environments.make("sam", configuration)
    (calls.with_name(".venv-sam") / ".synced").write_text("other versions")

    assert not environments.is_current("sam")
    assert environments.make("sam", configuration)
    assert environments.is_current("sam")
