"""What other programs restore of our tars; they must be installed: `make test-tools` says how."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.models.datablocks import Download
from archiver.models.files import SourceFile
from archiver.retrieve import download_script
from archiver.settings import GIB
from archiver.tar.format import END, header, padding
from tests.support import restoring
from tests.support.restoring import FILES, MODES, as_ordinary_user, datablocks, modes, restored

UNPACK = {
    "bsdtar": ["bsdtar", "-xf"],
    "7-Zip": ["7z", "x", "-y"],
    "BusyBox": ["busybox", "tar", "-xf"],
}
NEEDED = {"bsdtar": "libarchive-tools", "7z": "7zip p7zip-full", "busybox": "busybox"}
DOCUMENTED_CHECK = "sha256sum -c .datablock/*/manifest-sha256.txt"
# A member's bytes that nobody wants to write: the file system stores none of them.
LONG = 9 * GIB


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    missing = [packages for program, packages in NEEDED.items() if shutil.which(program) is None]
    assert not missing, f"Install what these tests compare with: apt-get install {' '.join(missing)}"


@pytest.fixture
def folder() -> Iterator[Path]:
    with restoring.a_folder() as made:
        yield made


@pytest.fixture
def applets() -> Iterator[str]:
    """A PATH on which everything but curl is BusyBox."""
    with restoring.a_folder() as path:
        subprocess.run(["busybox", "--install", "-s", str(path)], check=True)
        (path / "curl").symlink_to(shutil.which("curl") or "curl")
        yield str(path)


def unpack(command: Sequence[str], folder: Path, tars: Sequence[bytes]) -> None:
    for tar in tars:
        (folder / "any.tar").write_bytes(tar)
        ended = as_ordinary_user([*command, "any.tar"], folder)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        (folder / "any.tar").unlink()


@pytest.mark.parametrize("program", UNPACK)
@pytest.mark.parametrize("order", [1, -1], ids=["in order", "the last first"])
def test_every_byte_comes_back_and_one_command_checks_all_datablocks(
    folder: Path, applets: str, program: str, order: int
) -> None:
    unpack(UNPACK[program], folder, datablocks()[::order])

    assert restored(folder) == FILES
    assert (folder / "empty").is_dir()
    for path in (os.environ["PATH"], applets):
        checked = as_ordinary_user(["sh", "-c", DOCUMENTED_CHECK], folder, path)
        assert (checked.returncode, checked.stdout.count(": OK\n")) == (0, len(FILES)), checked.stderr
    assert {path: mode & 0o077 & ~MODES[path] for path, mode in modes(folder).items()} == dict.fromkeys(MODES, 0)


def test_the_download_script_needs_nothing_but_busybox_and_curl(folder: Path, applets: str) -> None:
    downloads = []
    for number, tar in enumerate(datablocks()):
        link = folder / f"{number}.served"
        link.write_bytes(tar)
        any_time = datetime(2026, 11, 30, tzinfo=UTC)
        downloads.append(Download("any/1", f"any_{number}.tar", len(tar), 0, "", link.as_uri(), any_time))
    script = download_script.script("any-job", download_script.rows(downloads), len(downloads), ())
    (folder / "download.sh").write_text(script)

    for said in (" bytes\n", "is here already"):
        ended = as_ordinary_user(["sh", "download.sh"], folder, applets)

        assert (ended.returncode, ended.stderr.count(said)) == (0, len(downloads)), ended.stderr
        assert restored(folder / "any-1") == FILES
        assert modes(folder / "any-1") == MODES
        assert {(folder / "any-1" / path).stat().st_mtime for path in MODES} == {restoring.ANY_SECOND}


@pytest.mark.parametrize("program", ["tar", *UNPACK])
def test_a_member_of_more_than_8_gib_has_its_size_and_the_next_one_follows(folder: Path, program: str) -> None:
    command = UNPACK.get(program, ["tar", "-xf"])
    with (folder / "any.tar").open("wb") as tar:
        tar.write(header(SourceFile("a" * 150 + "/long", LONG, 0)))
        tar.seek(LONG + padding(LONG), os.SEEK_CUR)
        tar.write(header(SourceFile("next", 4, 0)) + b"next" + bytes(padding(4)) + END)
    listing = {
        "tar": ["tar", "-tvf"],
        "bsdtar": ["bsdtar", "-tvf"],
        "7-Zip": ["7z", "l"],
        "BusyBox": ["busybox", "tar", "-tvf"],
    }

    listed = as_ordinary_user([*listing[program], "any.tar"], folder)
    wanted = as_ordinary_user([*command, "any.tar", "next"], folder)

    assert str(LONG) in listed.stdout
    assert "a" * 150 + "/long" in listed.stdout
    assert (wanted.returncode, (folder / "next").read_bytes()) == (0, b"next"), wanted.stderr
