"""Datasets on the whole stack, seen from outside: files dropped, SciCat asked, files back."""

import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.client import Visitor, wait_for
from local.configuration import Login
from tests.e2e.conftest import RunningStack
from tests.support.archiver_api import basic
from tests.support.catalogue import a_dataset
from tests.support.dropping import a_document

MIB = 1024**2


def drop(visitor: Visitor, name: str, bodies: Mapping[str, bytes], **fields: Any) -> str:
    """Drop files, then their dataset.json; returns the prefix."""
    prefix = f"incoming/{name}/"
    for path, body in bodies.items():
        visitor.write(prefix + path, body)
    document = a_document(datasetName=name) | fields
    visitor.write(prefix + "dataset.json", json.dumps(document).encode())
    return prefix


def status_of(visitor: Visitor, prefix: str, *, other_than: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The drop's ``dataset.status.json``, once it says something."""

    def look() -> dict[str, Any] | None:
        told = visitor.drop_status(prefix)
        return None if told == other_than else told

    return wait_for("dataset.status.json", 150, look)


def end_of(visitor: Visitor, job_id: str, seconds: float = 240) -> dict[str, Any]:
    """The job when it is finished."""
    return wait_for(f"the end of job {job_id}", seconds, lambda: visitor.finished_job(job_id))


def executions(stack: RunningStack, workflow: str) -> list[str]:
    """The names of a workflow's executions."""
    arn = stack.endpoints.stateMachines[workflow]
    return [found["name"] for found in stack.clients.stepfunctions.list_executions(stateMachineArn=arn)["executions"]]


INCOMPLETE = [{"path": "here.mrc"}, {"path": "ä lost/gone.mrc"}]


@pytest.fixture(scope="module")
def incomplete(visitor: Visitor) -> str:
    """A folder in which a listed file is missing. The service waits a minute for it, while other tests go on."""
    return drop(visitor, "incomplete", {"here.mrc": b"any bytes"}, files=INCOMPLETE)


@pytest.mark.usefixtures("incomplete")
def test_the_demonstration_holds(stack: RunningStack) -> None:
    shown = stack.command("demo")
    assert shown.returncode == 0, shown.stdout
    pid, *rest = shown.stdout.splitlines()[-4:]
    assert pid.startswith("20.500.11935/")
    assert rest == ["datasetOnArchiveDisk", "datasetRetrieved", "all bytes equal"]


def test_the_same_drop_twice_archives_once(stack: RunningStack, visitor: Visitor) -> None:
    before = len(executions(stack, "archive_dataset"))
    prefix = drop(visitor, "twice", {"a.mrc": b"any bytes"})
    first = status_of(visitor, prefix)
    end_of(visitor, first["job"])
    archived = status_of(visitor, prefix)
    assert archived["status"] == "archived"
    drop(visitor, "twice", {})
    second = status_of(visitor, prefix, other_than=archived)
    assert (second["pid"], second["status"]) == (first["pid"], "already_archived")
    assert len(executions(stack, "archive_dataset")) == before + 1
    assert len(visitor.dataset(first["pid"])["datablocks"]) == 1


def test_a_link_serves_get_head_and_ranges_and_a_forged_one_nothing(visitor: Visitor) -> None:
    told = status_of(visitor, drop(visitor, "linked", {"a.mrc": os.urandom(3 * MIB)}))
    end_of(visitor, told["job"])
    (item,) = end_of(visitor, visitor.ask_for("retrieve", told["pid"]))["jobResultObject"]["result"]
    with httpx.Client(follow_redirects=True, trust_env=False) as client:
        whole = client.get(item["url"])
        assert whole.status_code == 200
        assert len(whole.content) == item["size"]
        assert client.head(item["url"]).headers["content-length"] == str(item["size"])
        part = client.get(item["url"], headers={"Range": "bytes=512-1023"})
        assert (part.status_code, part.content) == (206, whole.content[512:1024])
        assert client.get(item["url"][:-1] + "x").status_code in {403, 404}


def test_only_scicat_may_start_jobs_and_only_jobs_that_it_knows(stack: RunningStack) -> None:
    url = f"{stack.endpoints.api}/archiver/jobs"
    body = {"id": "dec50ed7-03d4-4bf7-b036-17c4d778f5cd", "type": "archive"}
    with httpx.Client(trust_env=False) as client:
        assert client.post(url, json=body).status_code == 401
        wrong = Login(stack.job_api.username, "wrong")
        assert client.post(url, json=body, auth=(wrong.username, wrong.password)).status_code == 401
        right = (stack.job_api.username, stack.job_api.password)
        assert client.post(url, json=body, auth=right).status_code == 404
        assert client.get(f"{stack.endpoints.api}/health/readyz").status_code == 200


def test_scicats_exact_request_starts_a_job_in_two_seconds_and_ten_at_once_start_it_once(
    stack: RunningStack, visitor: Visitor
) -> None:
    pid = visitor.create_dataset(a_dataset())
    # Of a process that has to start first the bench tells how long it takes.
    assert httpx.get(f"{stack.endpoints.api}/health/livez", timeout=60, trust_env=False).status_code == 200
    begun = time.monotonic()
    job_id = visitor.ask_for("archive", pid)  # within this request SciCat calls the archiver, and waits for it
    seconds = time.monotonic() - begun

    with ThreadPoolExecutor(10) as callers:
        answers = list(callers.map(lambda _: as_scicat_asks(stack, job_id), range(10)))

    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert answers[0].json() == {"uuid": job_id, "name": job_id}
    assert executions(stack, "archive").count(job_id) == 1
    assert seconds < 2
    assert end_of(visitor, job_id)["statusCode"] == "finishedWithDatasetErrors"  # it has no files


def as_scicat_asks(stack: RunningStack, job_id: str) -> httpx.Response:
    """The answer to what a real SciCat was seen to send: its headers, and its body byte for byte."""
    login = stack.job_api
    headers = {
        "Content-Type": "application/json",
        "Authorization": basic(login.username, login.password),
        "accept": "*/*",
        "accept-language": "*",
        "sec-fetch-mode": "cors",
        "user-agent": "node",
        "accept-encoding": "gzip, deflate",
    }
    body = f'{{"id": "{job_id}", "type": "archive"}}'
    return httpx.post(
        f"{stack.endpoints.api}/archiver/jobs", content=body, headers=headers, timeout=60, trust_env=False
    )


def test_sixteen_files_of_64_mib_are_archived_with_functions_of_512_mb(
    stack: RunningStack, visitor: Visitor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block = os.urandom(MIB)
    digests = {}
    for number in range(16):
        path = tmp_path / f"{number:02}.mrc"
        with path.open("wb") as file:
            for piece in range(64):
                file.write(bytes([number, piece]) + block[2:])
        with path.open("rb") as written:
            digests[path.name] = hashlib.file_digest(written, "sha256").hexdigest()
        visitor.upload(f"incoming/large/{path.name}", path, lambda _: None)
    begun = time.monotonic()
    told = status_of(visitor, drop(visitor, "large", {}))
    assert end_of(visitor, told["job"])["statusCode"] == "finishedSuccessful"
    seconds = time.monotonic() - begun

    (record,) = visitor.dataset(told["pid"])["datablocks"]
    assert {file["path"]: file["chk"] for file in record["dataFileList"]} == digests
    sent, copied = _moved(stack, told["pid"])
    memory = {name: _most_memory(stack, name) for name in ("PackageDatablock", "SealDatablock", "StoreDatablock")}
    with capsys.disabled():
        print(f"\n1 GiB in 16 files: {seconds:.1f} s from drop to archived ({1024 / seconds:.0f} MiB/s)")
        print(
            f"packaging sent {sent / 16 / MIB:.2f} MiB per file through the function, S3 copied {copied / MIB:.0f} MiB"
        )
        print("most memory of a function, MB: " + ", ".join(f"{name} {used}" for name, used in memory.items()))
    assert sent <= 16 * 6 * MIB
    assert sent + copied >= 1024 * MIB
    assert max(memory.values()) <= 512


def test_a_listed_file_that_is_missing_is_named_and_nothing_is_deleted(visitor: Visitor, incomplete: str) -> None:
    told = status_of(visitor, incomplete)
    assert (told["code"], told["files"]) == ("missing_files", ["ä lost/gone.mrc"]), told
    lifecycle = visitor.dataset(told["pid"])["datasetlifecycle"]
    assert lifecycle["archiveStatusMessage"] == "missingFilesError"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, False)
    assert lifecycle["archiveReturnMessage"]["files"] == ["ä lost/gone.mrc"]
    assert visitor.read(incomplete + "here.mrc") == b"any bytes"

    visitor.write(incomplete + "ä lost/gone.mrc", b"found again")
    drop(visitor, "incomplete", {}, files=INCOMPLETE)
    again = status_of(visitor, incomplete, other_than=told)
    assert again["pid"] == told["pid"]
    assert end_of(visitor, again["job"])["statusCode"] == "finishedSuccessful"


def _moved(stack: RunningStack, pid: str) -> tuple[int, int]:
    """The bytes that packaging sent itself, and those that S3 copied for it, as its functions' logs say."""
    total: Counter[str] = Counter()
    for name in ("PackageDatablock", "SealDatablock"):
        log = (stack.configuration.logs / "functions" / _function(stack, name)).read_text()
        lines = (json.loads(line) for line in log.splitlines() if '"step finished"' in line)
        for line in lines:
            if line["pid"] == pid:
                total += line["bytes"]
    return total["sent"], total["copied"]


def _most_memory(stack: RunningStack, name: str) -> int:
    """The most memory, in MB, that Lambda's REPORT lines say a function has used."""
    log = (stack.configuration.logs / "functions" / _function(stack, name)).read_text()
    return max(int(used) for used in re.findall(r"Max Memory Used: (\d+) MB", log))


def _function(stack: RunningStack, name: str) -> str:
    """The file of a function's log."""
    folder = stack.configuration.logs / "functions"
    (file,) = (file.name for file in folder.iterdir() if f"-{name}-" in file.name or file.stem == name)
    return file
