"""The download script, run by real shells against a server that redirects, resumes and fails as told."""

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from archiver.models.datablocks import Download
from archiver.retrieve import download_script
from tests.support import restoring
from tests.support.archive import flipped, former_tar, our_tar

ANY_PID = "20.500.11935/5d73d87c"
FOLDER = "20.500.11935-5d73d87c"
HOSTILE = "-rf $(touch hacked) `touch hacked` \"quoted\" 'quoted' \\ & ; é 東京 %s *.tar"
ANY_FILES = {"a.mrc": b"first" * 1000, "deep/b c.mrc": b"", "-n": b"dash", HOSTILE: b"hostile", "ends with \\": b"any"}
SHELLS = (("dash",), ("bash", "--posix"), ("bash",))


@dataclass
class Server:
    """Serves ``files`` by their path, behind a redirect as the API's links are; ``ranges`` were asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    url: str = ""

    def put(self, path: str, body: bytes) -> str:
        """Serve ``body``; returns the link to it."""
        self.files[path] = body
        return f"{self.url}/link/{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    serves = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, kind, path = self.path.split("/", 2)
            if kind == "link":
                self.send_response(302)
                self.send_header("Location", f"/copy/{path}")
                self.end_headers()
                return
            serves.asked.append(path)
            body = serves.files.get(path)
            if body is None:
                self.send_error(404)
                return
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(wanted[1]) if wanted else 0
            if wanted:
                serves.ranges.append(wanted[0])
            self.send_response(206 if wanted else 200)
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start:])

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        serves.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield serves
        listening.shutdown()
        thread.join()


@pytest.fixture(params=SHELLS, ids=" ".join)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    chosen: tuple[str, ...] = request.param
    return chosen


def a_download(server: Server, path: str, tar: bytes, name: str = "any_0.tar", pid: str = ANY_PID) -> Download:
    return Download(
        pid=pid,
        archive_id=f"openem-network/{name}",
        size=len(tar),
        unpacked_size=0,
        crc64nvme="",
        url=server.put(path, tar),
        expires=datetime(2026, 11, 30, tzinfo=UTC),
    )


def a_script(*downloads: Download, not_retrieved: tuple[str, ...] = ()) -> str:
    return download_script.script("any-job", download_script.rows(downloads), len(downloads), not_retrieved)


def run(shell: tuple[str, ...], script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script in ``folder``, as a user who saved it there does."""
    (folder / "download.sh").write_text(script)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        [*shell, "download.sh"], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def downloaded(folder: Path) -> dict[str, bytes]:
    """What lies in the dataset's folder, without the archiver's own."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".datablock" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def a_plain_tar(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for path, body in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return made.getvalue()


@pytest.mark.parametrize("name", ["any_0.tar", f"{HOSTILE}.tar", "-", "x" * 250])
def test_every_file_arrives_whatever_it_and_its_tar_are_called(
    shell: tuple[str, ...], server: Server, tmp_path: Path, name: str
) -> None:
    ended = run(shell, a_script(a_download(server, "0", our_tar(ANY_FILES), name)), tmp_path)

    assert (ended.returncode, downloaded(tmp_path / FOLDER)) == (0, ANY_FILES), ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [FOLDER, "download.sh"]


def run_as_ordinary_user(shell: tuple[str, ...], script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "download.sh").write_text(script)
    return restoring.as_ordinary_user([*shell, "download.sh"], folder)


def test_an_ordinary_user_gets_every_byte_mode_and_time_and_can_run_the_script_again(
    shell: tuple[str, ...], server: Server
) -> None:
    tars = restoring.datablocks()[::-1]
    downloads = [a_download(server, str(number), tar, f"any_{number}.tar") for number, tar in enumerate(tars)]
    script = a_script(*downloads)
    with restoring.a_folder() as folder:
        for _ in range(2):
            ended = run_as_ordinary_user(shell, script, folder)
            assert ended.returncode == 0, ended.stderr
            assert restoring.restored(folder / FOLDER) == restoring.FILES
            assert restoring.modes(folder / FOLDER) == restoring.MODES
            times = {(folder / FOLDER / path).stat().st_mtime for path in restoring.MODES}
            assert times == {restoring.ANY_SECOND}
        assert sorted(path.name for path in folder.iterdir()) == [FOLDER, "download.sh"]
    assert sorted(server.asked) == [str(number) for number in range(len(tars))]


def test_a_tar_that_is_missing_comes_into_folders_that_are_read_only_again(
    shell: tuple[str, ...], server: Server
) -> None:
    tars = restoring.datablocks()
    downloads = [a_download(server, str(number), tar, f"any_{number}.tar") for number, tar in enumerate(tars)]
    late = server.files.pop("0")
    with restoring.a_folder() as folder:
        assert run_as_ordinary_user(shell, a_script(*downloads), folder).returncode == 1
        server.files["0"] = late
        ended = run_as_ordinary_user(shell, a_script(*downloads), folder)

        assert ended.returncode == 0, ended.stderr
        assert restoring.restored(folder / FOLDER) == restoring.FILES
        assert restoring.modes(folder / FOLDER) == restoring.MODES


def test_the_documented_check_holds_in_a_downloaded_folder(server: Server, tmp_path: Path) -> None:
    tars = [our_tar({"a.mrc": b"1"}, 1), our_tar({"deep/b.mrc": b"2"}, 2)]
    downloads = [a_download(server, str(number), tar, f"any_{number}.tar") for number, tar in enumerate(tars)]

    run(("dash",), a_script(*downloads), tmp_path)

    check = ["sh", "-c", "sha256sum -c .datablock/*/manifest-sha256.txt"]
    checked = subprocess.run(check, cwd=tmp_path / FOLDER, capture_output=True, text=True, check=True)
    assert checked.stdout == "a.mrc: OK\ndeep/b.mrc: OK\n"


def a_hostile_tar(*members: tuple[str, bytes, str]) -> bytes:
    """Name, type and target (or the bytes of a file) of each member, written as they are."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            body = target.encode() if kind == tarfile.REGTYPE else b""
            member.linkname = "" if body else target
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return made.getvalue()


def test_a_link_in_a_tar_is_left_out_and_nothing_is_written_through_it(
    shell: tuple[str, ...], server: Server, tmp_path: Path
) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    linking = a_hostile_tar(("deep", tarfile.SYMTYPE, str(outside)), ("pipe", tarfile.FIFOTYPE, ""), ("a", b"0", "1"))
    writing = our_tar({"deep/b": b"2"}, 2)
    downloads = [a_download(server, "0", linking, "any_0.tar"), a_download(server, "1", writing, "any_1.tar")]

    ended = run(shell, a_script(*downloads), inside)

    assert (ended.returncode, downloaded(inside / FOLDER)) == (0, {"a": b"1", "deep/b": b"2"}), ended.stderr
    assert "Links and special files of any_0.tar that were left out: 2" in ended.stderr
    assert list(outside.iterdir()) == []


def test_nothing_is_written_through_a_link_that_stands_in_the_folder(
    shell: tuple[str, ...], server: Server, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    inside = tmp_path / "inside"
    (inside / FOLDER).mkdir(parents=True)
    (inside / FOLDER / "deep").symlink_to(tmp_path / "outside")

    ended = run(shell, a_script(a_download(server, "0", our_tar({"deep/b": b"2"}))), inside)

    assert ended.returncode == 1
    assert "is a link, and should be a folder" in ended.stderr
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_list_of_modes_changes_nothing_outside_and_makes_no_file_setuid(
    shell: tuple[str, ...], server: Server, tmp_path: Path
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "outside").write_bytes(b"")
    (tmp_path / "outside").chmod(0o600)
    time = "1970-01-01T00:00:00.000000000Z"
    modes = f"0777 {time} ./../../outside\n0777 {time} /tmp\n4755 {time} ./a\n-R77 {time} ./a\n0640 {time} ./a\n"
    manifest = f"{hashlib.sha256(b'1').hexdigest()}  a\n"
    own = ((".datablock/1/modes-and-times.txt", b"0", modes), (".datablock/1/manifest-sha256.txt", b"0", manifest))

    ended = run(shell, a_script(a_download(server, "0", a_hostile_tar(("a", b"0", "1"), *own))), inside)

    assert ended.returncode == 0, ended.stderr
    assert (inside / FOLDER / "a").stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / "outside").stat().st_mode & 0o7777 == 0o600


def test_a_tar_does_not_replace_what_the_script_notes_of_others(server: Server, tmp_path: Path) -> None:
    first = our_tar({"a": b"1"})
    second = a_hostile_tar(("b", b"0", "2"), (".datablock/any_0.tar.sha256", b"0", ""), (".datablock/x/y", b"0", "3"))
    downloads = [a_download(server, "0", first, "any_0.tar"), a_download(server, "1", second, "any_1.tar")]

    run(("dash",), a_script(*downloads), tmp_path)

    notes = tmp_path / FOLDER / ".datablock"
    assert (notes / "any_0.tar.sha256").read_text().endswith("  a\n")
    assert not (notes / "x").exists()


def test_a_tar_of_the_former_layout_is_checked_too(shell: tuple[str, ...], server: Server, tmp_path: Path) -> None:
    tar = former_tar(ANY_FILES | {"-": b"-"})
    script = a_script(a_download(server, "0", tar), a_download(server, "1", our_tar({"other": b""}, 2), "any_1.tar"))

    ended = run(shell, script, tmp_path)

    assert (ended.returncode, downloaded(tmp_path / FOLDER)) == (0, {**ANY_FILES, "-": b"-", "other": b""})
    assert "only its size" not in ended.stderr
    assert (tmp_path / FOLDER / ".datablock" / "any_0.tar.sha256").read_text().count("\n") == len(ANY_FILES) + 1


@pytest.mark.parametrize("pid", ["..", ".", "-x", "a/../../b", "$(touch hacked)", "东京", "\\"])
def test_no_dataset_leaves_the_folder(server: Server, tmp_path: Path, pid: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()

    ended = run(("dash",), a_script(a_download(server, "0", our_tar({"a": b"any"}), pid=pid)), inside)

    assert ended.returncode == 0, ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    (folder,) = (path for path in inside.iterdir() if path.is_dir())
    assert downloaded(folder) == {"a": b"any"}


def test_tars_of_one_name_and_datasets_of_like_names_do_not_meet(server: Server, tmp_path: Path) -> None:
    bodies = {"0": {"a": b"0"}, "1": {"b": b"1"}, "2": {"c": b"2"}}
    pids = {"0": "any/1", "1": "any/1", "2": "any-1"}
    downloads = [a_download(server, body, our_tar(bodies[body]), pid=pids[body]) for body in bodies]

    assert run(("dash",), a_script(*downloads), tmp_path).returncode == 0
    assert downloaded(tmp_path / "any-1") == {"a": b"0", "b": b"1"}
    assert downloaded(tmp_path / "any-1-1") == {"c": b"2"}


def test_datasets_whose_pids_differ_in_case_do_not_meet(server: Server, tmp_path: Path) -> None:
    pids = ("any/A", "any/a", "any-a-1", "any/Á")
    downloads = [a_download(server, str(n), our_tar({"a": pid.encode()}), pid=pid) for n, pid in enumerate(pids)]

    assert run(("dash",), a_script(*downloads), tmp_path).returncode == 0
    folders = {path.name.lower(): downloaded(path) for path in tmp_path.iterdir() if path.is_dir()}
    assert sorted(found["a"].decode() for found in folders.values()) == sorted(pids)


def test_no_name_tells_the_terminal_what_to_do(shell: tuple[str, ...], server: Server, tmp_path: Path) -> None:
    named = "\x1b]0;hacked\x07\x9b2J\r東京"
    tar = a_hostile_tar(
        (named, b"0", "1"),
        (f"{named}/below", b"0", "2"),
        (".datablock/1/manifest-sha256.txt", b"0", f"{'0' * 64}  {named.replace(chr(13), '')}\n"),
    )

    ended = run(shell, a_script(a_download(server, "0", tar)), tmp_path)

    assert ended.returncode == 1
    assert "東京" in ended.stderr
    assert [letter for letter in ended.stderr if unicodedata.category(letter) == "Cc" and letter != "\n"] == []


def test_a_download_that_broke_off_goes_on_where_it_stopped(
    shell: tuple[str, ...], server: Server, tmp_path: Path
) -> None:
    tar = our_tar(ANY_FILES)
    begun = tmp_path / FOLDER / ".datablock" / "any_0.tar"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(tar[:7_000])

    ended = run(shell, a_script(a_download(server, "0", tar)), tmp_path)

    assert (ended.returncode, server.ranges) == (0, ["bytes=7000-"]), ended.stderr
    assert downloaded(tmp_path / FOLDER) == ANY_FILES


def test_what_was_received_and_is_still_right_is_not_downloaded_again(
    shell: tuple[str, ...], server: Server, tmp_path: Path
) -> None:
    script = a_script(a_download(server, "0", our_tar(ANY_FILES)))
    run(shell, script, tmp_path)

    assert run(shell, script, tmp_path).returncode == 0
    assert server.asked == ["0"]


def test_a_file_that_was_changed_since_is_downloaded_again(
    shell: tuple[str, ...], server: Server, tmp_path: Path
) -> None:
    script = a_script(a_download(server, "0", our_tar(ANY_FILES)))
    run(shell, script, tmp_path)
    (tmp_path / FOLDER / "a.mrc").write_bytes(b"changed")

    assert run(shell, script, tmp_path).returncode == 0
    assert downloaded(tmp_path / FOLDER) == ANY_FILES


def test_a_damaged_file_is_named_and_the_other_tars_arrive(
    shell: tuple[str, ...], server: Server, tmp_path: Path
) -> None:
    tar = our_tar({"a.mrc": b"first", "b.mrc": b"second"})
    damaged = a_download(server, "0", flipped(tar), "any_0.tar")
    sound = a_download(server, "1", our_tar({"c.mrc": b"third"}), "any_1.tar")

    ended = run(shell, a_script(damaged, sound), tmp_path)

    assert ended.returncode == 1
    assert "a.mrc: FAILED" in ended.stderr
    assert f"Missing or damaged (run this script again to go on):\n{FOLDER}: any_0.tar\n" in ended.stderr
    assert downloaded(tmp_path / FOLDER)["c.mrc"] == b"third"
    server.put("0", tar)
    assert run(shell, a_script(damaged, sound), tmp_path).returncode == 0
    assert downloaded(tmp_path / FOLDER) == {"a.mrc": b"first", "b.mrc": b"second", "c.mrc": b"third"}
    assert server.asked.count("1") == 1


@pytest.mark.parametrize("tar", [b"", b"no tar at all" * 900, our_tar(ANY_FILES) + bytes(512)])
def test_a_tar_of_the_wrong_size_is_missing(shell: tuple[str, ...], server: Server, tmp_path: Path, tar: bytes) -> None:
    download = a_download(server, "0", our_tar(ANY_FILES))
    server.put("0", tar)

    ended = run(shell, a_script(download), tmp_path)

    assert (ended.returncode, downloaded(tmp_path)) == (1, {"download.sh": (tmp_path / "download.sh").read_bytes()})
    assert f"{FOLDER}: any_0.tar" in ended.stderr


def test_a_link_that_no_longer_works_is_said(shell: tuple[str, ...], server: Server, tmp_path: Path) -> None:
    gone = a_download(server, "0", our_tar(ANY_FILES))
    del server.files["0"]

    ended = run(shell, a_script(gone), tmp_path)

    assert ended.returncode == 1
    assert "404" in ended.stderr
    assert f"{FOLDER}: any_0.tar" in ended.stderr


def test_a_tar_of_another_archiver_without_a_list_of_checksums_is_unpacked(
    shell: tuple[str, ...], server: Server, tmp_path: Path
) -> None:
    script = a_script(a_download(server, "0", a_plain_tar(ANY_FILES)))

    ended = run(shell, script, tmp_path)

    assert (ended.returncode, downloaded(tmp_path / FOLDER)) == (0, ANY_FILES), ended.stderr
    assert "only its size was checked" in ended.stderr
    assert run(shell, script, tmp_path).returncode == 0
    assert server.asked == ["0"]


def test_what_the_archive_could_not_give_back_is_said_and_is_a_failure(
    shell: tuple[str, ...], server: Server, tmp_path: Path
) -> None:
    sentence = "any/2: corrupt_datablock: $(touch hacked)\nEND_OF_LIST\n`touch hacked` 'x'"

    ended = run(shell, a_script(a_download(server, "0", our_tar(ANY_FILES)), not_retrieved=(sentence,)), tmp_path)

    assert ended.returncode == 1
    assert "- any/2: corrupt_datablock: $(touch hacked) END_OF_LIST `touch hacked` 'x'" in ended.stderr
    assert downloaded(tmp_path / FOLDER) == ANY_FILES
    assert not (tmp_path / "hacked").exists()


def test_h07_names_that_other_systems_cannot_hold_are_written_down(
    shell: tuple[str, ...], server: Server, tmp_path: Path
) -> None:
    tars = (
        {"a.mrc": b"1", "deep/12:30.mrc": b"2", "\\.mrc": b"3"},
        {"A.mrc": b"4", "ends with ./b": b"5", "fine": b"6", "-": b"7"},
    )
    downloads = [a_download(server, str(n), our_tar(files, n + 1), f"any_{n}.tar") for n, files in enumerate(tars)]

    ended = run(shell, a_script(*downloads), tmp_path)

    assert ended.returncode == 0
    assert f"{FOLDER}/.datablock/names.txt" in ended.stderr
    names = (tmp_path / FOLDER / ".datablock" / "names.txt").read_text().splitlines()
    assert sorted(names) == ["A.mrc", "\\.mrc", "a.mrc", "deep/12:30.mrc", "ends with ./b"]


def test_h07_nothing_is_said_of_names_that_every_system_can_hold(
    shell: tuple[str, ...], server: Server, tmp_path: Path
) -> None:
    ended = run(shell, a_script(a_download(server, "0", our_tar({"a.mrc": b"", "deep/b c é.mrc": b"any"}))), tmp_path)

    assert (ended.returncode, "Windows" in ended.stderr) == (0, False)


def test_a_long_list_is_downloaded_too(shell: tuple[str, ...], server: Server, tmp_path: Path) -> None:
    rows = download_script.rows([a_download(server, "0", our_tar(ANY_FILES), HOSTILE)])
    link = server.put("list", rows.encode())

    ended = run(shell, download_script.script_with_link("any-job", link, 1, ()), tmp_path)

    assert (ended.returncode, downloaded(tmp_path / FOLDER)) == (0, ANY_FILES), ended.stderr


@pytest.mark.parametrize("listed", [None, b"", b"1\tonly half a ro"])
def test_without_its_whole_list_nothing_is_called_complete(
    server: Server, tmp_path: Path, listed: bytes | None
) -> None:
    link = server.put("list", listed or b"")
    if listed is None:
        del server.files["list"]

    ended = run(("dash",), download_script.script_with_link("any-job", link, 1, ()), tmp_path)

    assert ended.returncode == 1
    assert "The list of tars" in ended.stderr


def test_no_link_is_among_the_arguments_of_a_program(server: Server, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "curl").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nexit 22\n')
    (programs / "curl").chmod(0o755)
    (tmp_path / "download.sh").write_text(a_script(a_download(server, "0", b"any")))

    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    subprocess.run(["dash", "download.sh"], cwd=tmp_path, env=environment, capture_output=True, check=False)

    assert "--config" in (tmp_path / "arguments").read_text()
    assert "127.0.0.1" not in (tmp_path / "arguments").read_text()


@pytest.mark.parametrize("name", ["a\tb.tar", "a\nb.tar"])
def test_a_name_that_would_break_the_list_is_not_written(server: Server, name: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in a list"):
        download_script.rows([a_download(server, "0", b"any", name)])


@pytest.mark.parametrize("kind", ["sh", "bash", "dash"])
def test_shellcheck_finds_nothing(server: Server, tmp_path: Path, kind: str) -> None:
    download = a_download(server, "0", b"any", HOSTILE)
    scripts = {
        "listed.sh": a_script(download, not_retrieved=(HOSTILE,)),
        "linked.sh": download_script.script_with_link("any-job", f"{server.url}/any", 2, ()),
    }
    for name, script in scripts.items():
        (tmp_path / name).write_text(script)
    shellcheck = Path(sys.executable).with_name("shellcheck")

    checked = subprocess.run(
        [shellcheck, f"--shell={kind}", *scripts], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stdout) == (0, "")
