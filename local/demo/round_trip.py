"""The round trip: drop real cryo-EM files, watch them go to tape, ask for them, and compare every byte."""

import filecmp
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from local.accounts import Accounts
from local.client import Visitor, wait_for
from local.configuration import CACHE, Configuration, StageFailed
from local.demo.sample_data import PACKAGE, EmFiles, em_files
from local.endpoints import Endpoints
from local.progress import Outcome, Progress

# Who drops and retrieves, and the group that owns the dataset.
USER, GROUP = "user1", "group1"

_INGEST_SECONDS, _JOB_SECONDS, _TAPE_SECONDS = 120.0, 900.0, 120.0
_MANIFESTS = ".datablock/*/manifest-sha256.txt"
_DOCUMENTS = {"dataset.json", "dataset.status.json"}


def demo(configuration: Configuration, endpoints: Endpoints, console: Console) -> int:
    """Show the round trip on a running stack.

    Returns 0 when all of it held, else 1 after one line that says what did not.
    """
    try:
        RoundTrip(_visitor(configuration, endpoints), console).run()
    except Exception as error:  # noqa: BLE001 - whatever it is, the person sees one line and where to look
        sentence = str(error) if isinstance(error, StageFailed) else f"{type(error).__name__}: {error}"
        console.print(f"[red]✗[/] {escape(' '.join(sentence.split()))}. Logs: {escape(endpoints.logs)}", soft_wrap=True)
        return 1
    return 0


def _visitor(configuration: Configuration, endpoints: Endpoints) -> Visitor:
    account = endpoints.accounts.get(USER)
    if account is None:
        raise StageFailed(f"The demonstration needs the account {USER} of the SciCat mock")
    job_api = Accounts.read(configuration.state / "accounts.json").job_api
    return Visitor(endpoints, account, job_api, configuration.lts_login)


@dataclass(frozen=True, slots=True)
class Bar:
    """One line that moves: bytes done of total, and a few words."""

    bars: Bars
    task: TaskID

    def advance(self, size: int) -> None:
        """So many bytes more are done."""
        self.bars.advance(self.task, size)

    def say(self, words: str) -> None:
        """Replace the words."""
        self.bars.update(self.task, words=words)

    def show(self, told: Mapping[str, Any]) -> None:
        """Show what the archiver's API tells of a dataset: step, files and bytes done of total."""
        files, size = told["files"], told["bytes"]
        if size["total"] is not None:
            self.bars.update(self.task, total=size["total"], completed=size["done"])
        counted = "" if files["total"] is None else f"{files['done']}/{files['total']} files  "
        self.say(f"{counted}{told['step'] or 'waits'}")


@dataclass(slots=True)
class RoundTrip:
    """One dataset's way to tape and back, as ``visitor`` sees it."""

    visitor: Visitor
    console: Console
    prefix: str = field(default_factory=lambda: f"incoming/demo {datetime.now(UTC):%Y-%m-%d %H.%M.%S}/")
    _facts: list[tuple[str, str]] = field(default_factory=list)

    def run(self) -> None:
        """Do it. Raises StageFailed at the first thing that does not hold."""
        source = self._fetch()
        self._drop(source)
        pid, archive_job = self._ingested()
        self._await_job("archive", archive_job)
        archived = self._expect_lifecycle(pid, "archiveStatusMessage", "datasetOnArchiveDisk")
        self._expect_landing_is_empty()
        self._expect_on_tape([block["archiveId"] for block in archived["datablocks"]])
        retrieve_job = self.visitor.ask_for("retrieve", pid)
        result = self._await_job("retrieve", retrieve_job)["jobResultObject"]["result"]
        with tempfile.TemporaryDirectory(prefix="retrieved-") as scratch:
            self._download(result, Path(scratch))
            self._compare(source, Path(scratch))
        self._expect_lifecycle(pid, "retrieveStatusMessage", "datasetRetrieved")
        self._summarise(pid, archive_job, retrieve_job)

    def _fetch(self) -> EmFiles:
        with self._stage("files") as outcome:
            source = em_files(CACHE)
            kind = f"real, from {PACKAGE}" if source.real else "generated"
            outcome.note(f"{len(source.files)} files, {_megabytes(source.size)}, {kind}")
        if not source.real:
            self.console.print(f"  [yellow]{PACKAGE} cannot be fetched here: MRC files were generated in its place.[/]")
        self._fact("Dataset", f"{len(source.files)} files, {_megabytes(source.size)} ({kind})")
        return source

    def _drop(self, source: EmFiles) -> None:
        checksums = source.sha256()
        with self._bar("drop", source.size) as bar:
            for path, file in source.files.items():
                self.visitor.upload(self.prefix + path, file, bar.advance)
            bar.say(f"{len(source.files)} files")
        document = {
            "ownerGroup": GROUP,
            "owner": "User One",
            "contactEmail": "user1@your.site",
            "principalInvestigator": "user1@your.site",
            "creationLocation": "Demonstration",
            "creationTime": "2025-01-22T12:00:00Z",
            "datasetName": self.prefix.split("/")[1],
            "keywords": ["cryo-EM", "demonstration"],
            "files": [
                {"path": path, "size": file.stat().st_size, "chk": checksums[path]}
                for path, file in source.files.items()
            ],
        }
        # Last: its arrival is what starts the ingest.
        self.visitor.write(f"{self.prefix}dataset.json", json.dumps(document, ensure_ascii=False, indent=1).encode())
        self._fact("Dropped in", f"s3://{self.visitor.endpoints.buckets['landing']}/{self.prefix}")

    def _ingested(self) -> tuple[str, str]:
        """The pid and the archive job that dataset.status.json tells."""
        with self._stage("ingest") as outcome:
            status = wait_for("dataset.status.json", _INGEST_SECONDS, lambda: self.visitor.drop_status(self.prefix))
            if status["status"] != "requested":
                raise StageFailed(f"The drop was {status['status']}: {status['message']}")
            outcome.note(status["pid"])
        return status["pid"], status["job"]

    def _await_job(self, kind: str, job_id: str) -> dict[str, Any]:
        """Show how far the job is until SciCat says that it finished."""
        with self._bar(kind, None) as bar:

            def finished() -> dict[str, Any] | None:
                told = self.visitor.progress(job_id)
                if told is not None:
                    bar.show(told)
                return self.visitor.finished_job(job_id)

            job = wait_for(f"The end of the {kind} job", _JOB_SECONDS, finished)
        if job["statusCode"] != "finishedSuccessful":
            raise StageFailed(f"The {kind} job ended as {job['statusCode']}: {job['statusMessage']}")
        return job

    def _expect_lifecycle(self, pid: str, name: str, expected: str) -> dict[str, Any]:
        dataset = self.visitor.dataset(pid)
        told = dataset["datasetlifecycle"][name]
        if told != expected:
            raise StageFailed(f"SciCat's {name} is {told!r}, not {expected!r}")
        self._fact(name, told)
        return dataset

    def _expect_landing_is_empty(self) -> None:
        with self._stage("landing") as outcome:
            left = {key.removeprefix(self.prefix) for key in self.visitor.landing(self.prefix)}
            if left - _DOCUMENTS:
                raise StageFailed(f"{len(left - _DOCUMENTS)} data files are still in the landing bucket")
            outcome.note("empty of data files")
        self._fact("Landing folder", f"only {' and '.join(sorted(left))}")

    def _expect_on_tape(self, archive_ids: list[str]) -> None:
        with self._stage("tape") as outcome:
            for archive_id in archive_ids:
                migrated = partial(self._is_on_tape, archive_id)
                wait_for(f"The tape copy of {archive_id}", _TAPE_SECONDS, migrated)
            classes = {self.visitor.storage_class(archive_id) for archive_id in archive_ids}
            if not archive_ids or classes == {"STANDARD"}:
                raise StageFailed("The long-term storage holds no archived tar")
            outcome.note(f"{len(archive_ids)} tars, {', '.join(classes)}, unreadable without a recall")
        self._fact("On tape", "\n".join(archive_ids))

    def _is_on_tape(self, archive_id: str) -> bool | None:
        return None if self.visitor.is_readable(archive_id) else True

    def _download(self, result: list[dict[str, Any]], folder: Path) -> None:
        """Fetch each tar through its link, extract it with tar and let sha256sum check all of them at once."""
        with self._bar("download", sum(one["size"] for one in result)) as bar:
            for one in result:
                tar = folder.with_suffix(".tar")
                self.visitor.download(one["url"], tar, bar.advance)
                _tool("tar", "-xf", str(tar), "-C", str(folder))
                tar.unlink()
        manifests = sorted(str(found.relative_to(folder)) for found in folder.glob(_MANIFESTS))
        _tool("sha256sum", "--check", "--strict", "--quiet", *manifests, folder=folder)
        self._fact("Retrieved", f"{len(result)} tars, sha256sum -c {_MANIFESTS}: OK")

    def _compare(self, source: EmFiles, folder: Path) -> None:
        with self._stage("compare") as outcome:
            shutil.rmtree(folder / ".datablock")
            found = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
            if found != source.files.keys():
                raise StageFailed(f"Other files came back than went: {sorted(found ^ source.files.keys())[:5]}")
            other = [path for path, file in source.files.items() if not _same(file, folder / path)]
            if other:
                raise StageFailed(f"{len(other)} files came back with other bytes, the first: {other[0]}")
            outcome.note(f"all {_megabytes(source.size)} equal")

    def _summarise(self, pid: str, archive_job: str, retrieve_job: str) -> None:
        table = Table(title="Round trip", show_header=False, title_justify="left")
        jobs = f"archive {archive_job}\nretrieve {retrieve_job}"
        endpoints = self.visitor.endpoints
        addresses = {
            "API": endpoints.docs,
            "SciCat": f"{endpoints.scicat}/explorer",
            "Long-term storage": endpoints.lts,
            "Logs": endpoints.logs,
        }
        for name, value in [*self._facts, ("Jobs", jobs), *addresses.items()]:
            table.add_row(name, Text(value, overflow="fold"))
        self.console.print(table)
        for line in (pid, "datasetOnArchiveDisk", "datasetRetrieved", "all bytes equal"):
            self.console.print(escape(line), soft_wrap=True, highlight=False)

    # What a person sees meanwhile

    def _stage(self, title: str) -> AbstractContextManager[Outcome]:
        return Progress(self.console).stage(title)

    @contextmanager
    def _bar(self, title: str, total: int | None) -> Iterator[Bar]:
        columns = (
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
        )
        with Bars(*columns, console=self.console) as bars:
            yield Bar(bars, bars.add_task(f"  {title}", total=total, words=""))

    def _fact(self, name: str, value: str) -> None:
        self._facts.append((name, value))


def _tool(*command: str, folder: Path | None = None) -> None:
    """Run one of the two programs that are all it takes to restore a dataset."""
    ran = subprocess.run(
        command, cwd=folder, env=os.environ | {"LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise StageFailed(f"{command[0]} ended with {ran.returncode}: {ran.stderr.strip()[:300]}")


def _same(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False)


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"
