"""The demonstration ends with success only when everything it shows held. The stack is a pretended one."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from archiver.names import wrong_path
from local import client
from local.accounts import Accounts
from local.configuration import Configuration, Login, StageFailed
from local.demo import round_trip, sample_data
from local.endpoints import Endpoints

ENDPOINTS = Endpoints(
    **{name: f"http://127.0.0.1:9/{name}" for name in ("aws", "api", "docs", "scicat", "lts")},
    buckets={"landing": "landing", "lts": "lts"},
    stateMachines={},
    logs="/any/logs",
    accounts={"user1": Login("user1", "any")},
)
PID = "20.500.11935/any"


class PretendedStack(client.Visitor):
    """Archives in a moment what is dropped, and gives it back as one tar."""

    def __init__(self, *_: Any) -> None:
        self.endpoints = ENDPOINTS
        self.objects: dict[str, bytes] = {}
        self.tar = b""
        self.status = "requested"
        self.job_status = "finishedSuccessful"
        self.lifecycle = {"archiveStatusMessage": "datasetOnArchiveDisk", "retrieveStatusMessage": "datasetRetrieved"}
        self.readable = False
        self.damage: Callable[[dict[str, bytes]], None] = lambda _: None

    def upload(self, key: str, file: Path, sent: Callable[[int], None]) -> None:
        self.objects[key] = file.read_bytes()
        sent(file.stat().st_size)

    def write(self, key: str, body: bytes) -> None:
        self.objects[key] = body
        prefix = key.removesuffix("dataset.json")
        documents = {"dataset.json", "dataset.status.json"}
        files = {name.removeprefix(prefix): body for name, body in self.objects.items()}
        listed = {file["path"]: file["chk"] for file in json.loads(body)["files"]}
        data = {path: files[path] for path in listed}
        assert listed == {path: hashlib.sha256(body).hexdigest() for path, body in data.items()}
        self.damage(data)
        self.tar = a_tar(data)
        status = {"status": self.status, "message": "any reason", "pid": PID, "job": "any-archive-job"}
        self.objects = {key: body, f"{prefix}dataset.status.json": json.dumps(status).encode()}
        assert documents == {key.removeprefix(prefix) for key in self.objects}

    def read(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def landing(self, prefix: str) -> list[str]:
        return [key for key in self.objects if key.startswith(prefix)]

    def storage_class(self, _: str) -> str:
        return "GLACIER"

    def is_readable(self, _: str) -> bool:
        return self.readable

    def dataset(self, _: str) -> dict[str, Any]:
        return {"datasetlifecycle": self.lifecycle, "datablocks": [{"archiveId": "any/key_1.tar"}]}

    def job(self, _: str) -> dict[str, Any]:
        link = {"url": "any", "size": len(self.tar)}
        return {"statusCode": self.job_status, "statusMessage": "any end", "jobResultObject": {"result": [link]}}

    def ask_for(self, kind: str, pid: str) -> str:
        assert (kind, pid) == ("retrieve", PID)
        return "any-retrieve-job"

    def progress(self, _: str) -> dict[str, Any]:
        return {"step": "PackageDatablock", "files": {"done": 1, "total": 2}, "bytes": {"done": 10, "total": 20}}

    def download(self, _: str, file: Path, received: Callable[[int], None]) -> None:
        file.write_bytes(self.tar)
        received(len(self.tar))


def a_tar(files: dict[str, bytes]) -> bytes:
    manifest = "".join(f"{hashlib.sha256(body).hexdigest()}  {path}\n" for path, body in files.items()).encode()
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, body in {**files, ".datablock/1/manifest-sha256.txt": manifest}.items():
            member = tarfile.TarInfo(path)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return output.getvalue()


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PretendedStack:
    """No package registry, small files, no pauses."""
    pretended = PretendedStack()
    monkeypatch.setattr(round_trip, "Visitor", lambda *_: pretended)
    monkeypatch.setattr(round_trip, "CACHE", tmp_path)
    monkeypatch.setattr(Accounts, "read", lambda _: Accounts.of({}))
    monkeypatch.setattr(round_trip, "_TAPE_SECONDS", 0.0)
    monkeypatch.setattr(sample_data, "_fetch", lambda _: False)
    monkeypatch.setattr(sample_data, "_GENERATED", ((8, 2), (4, 1), (2, 1), (1, 1), (3, 1), (5, 1)))
    monkeypatch.setattr(client, "_LOOK_SECONDS", 0.0)
    return pretended


def run(endpoints: Endpoints = ENDPOINTS) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=200)
    code = round_trip.demo(Configuration.of({}), endpoints, console)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


@pytest.mark.usefixtures("stack")
def test_the_last_lines_name_the_pid_and_what_held() -> None:
    code, shown = run()
    assert code == 0
    assert shown.splitlines()[-4:] == [PID, "datasetOnArchiveDisk", "datasetRetrieved", "all bytes equal"]
    assert "MRC files were generated" in shown


def _flip(files: dict[str, bytes]) -> None:
    first = next(iter(files))
    files[first] = bytes([files[first][0] ^ 1]) + files[first][1:]


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda stack: setattr(stack, "damage", _flip), "other bytes"),
        (lambda stack: setattr(stack, "damage", dict.popitem), "Other files came back"),
        (lambda stack: setattr(stack, "damage", lambda files: files.update(more=b"1")), "Other files came back"),
        (lambda stack: setattr(stack, "status", "rejected"), "The drop was rejected: any reason"),
        (lambda stack: setattr(stack, "job_status", "finishedUnsuccessful"), "ended as finishedUnsuccessful: any end"),
        (lambda stack: setattr(stack, "readable", True), "did not come within"),
        (lambda stack: stack.lifecycle.update(archiveStatusMessage="started"), "archiveStatusMessage is 'started'"),
        (lambda stack: stack.lifecycle.update(retrieveStatusMessage="started"), "retrieveStatusMessage is 'started'"),
        (lambda stack: setattr(stack, "landing", lambda prefix: [f"{prefix}left.mrc"]), "1 data files are still"),
        (lambda stack: setattr(stack, "download", lambda *_: 1 / 0), "ZeroDivisionError"),
    ],
)
def test_whatever_does_not_hold_ends_in_one_line_with_the_logs(
    stack: PretendedStack, break_it: Callable[[PretendedStack], None], told: str
) -> None:
    break_it(stack)
    code, shown = run()
    assert code == 1
    assert told in shown.splitlines()[-1]
    assert "/any/logs" in shown.splitlines()[-1]


def test_a_stack_without_the_mocks_account_says_so() -> None:
    code, shown = run(replace(ENDPOINTS, accounts={}))
    assert code == 1
    assert "needs the account user1" in shown


def test_generated_files_are_mrc_files_with_odd_legal_names_and_always_the_same(
    stack: PretendedStack, tmp_path: Path
) -> None:
    assert stack
    source = sample_data.em_files(tmp_path)
    assert not source.real
    assert source.sha256() == sample_data.em_files(tmp_path / "again").sha256()
    for path, file in source.files.items():
        assert wrong_path(path, "incoming/any/") is None
        assert file.read_bytes()[208:212] == b"MAP "
    first = source.files[min(source.files, key=lambda path: source.files[path].name)]
    assert first.stat().st_size == 1024 + 4 * 8 * 8 * 2


def test_what_does_not_come_in_time_is_named() -> None:
    with pytest.raises(StageFailed, match="The moon did not come within 0 seconds"):
        client.wait_for("The moon", 0, lambda: None)
