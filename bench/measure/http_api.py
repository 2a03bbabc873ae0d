"""How fast the HTTP API is on the local stack, from outside: cold starts, and presigned URLs at a steady pace.

A cold start is the first answer of a fresh process: a presigned URL for a user of this service. The pace is that of an
Ingestor with many small files. Exit code 1 when a limit is missed.
"""

import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import batched
from typing import Any

import httpx
from rich.console import Console
from rich.progress import track

from bench.harness.stack import RunningStack, a_stack
from local.client import Visitor
from local.deployment import physical_ids
from tests.support.catalogue import ANY_TIME, a_dataset

COLD_STARTS, COLD_LIMIT = 5, 1.5
PER_SECOND, SECONDS, P95_LIMIT = 20, 30, 0.1
# What SciCat lists of the dataset: a request must take as long as of a small one.
FILES, FILES_PER_BLOCK = 400_000, 20_000
NOT_UPLOADED = {"archiveStatusMessage": "filesNotYetAvailable", "archivable": False}

console = Console(highlight=False)


class Uploader:
    """A user with a dataset, who asks where its files may be sent."""

    def __init__(self, visitor: Visitor) -> None:
        self._http = httpx.Client(timeout=60, trust_env=False)
        self._api = visitor.endpoints.api
        self._pid = visitor.create_dataset(a_dataset(datasetlifecycle=NOT_UPLOADED))
        for listed in batched(range(FILES), FILES_PER_BLOCK, strict=False):
            visitor.list_files(self._pid, [{"path": f"{number}.tif", "size": 1, "time": ANY_TIME} for number in listed])
        self._token = self._post("token", None, visitor.log_in())["access_token"]
        begun = time.monotonic()
        self._post("s3/requestDatasetUpload", {"dataset_id": self._pid, "dataset_size_gib": 0}, self._token)
        console.print(f"requestDatasetUpload, {FILES:,} files {time.monotonic() - begun:8.1f} s")

    def ask(self, number: int) -> None:
        """Ask for the URL of a file. Raises RuntimeError when there is none."""
        name = f"openem-network/datasets/{self._pid}/raw_files/{number}.tif"
        asked = {"dataset_id": self._pid, "object_name": name, "parts": 1}
        self._post("s3/presignedUrls", asked, self._token)

    def _post(self, path: str, body: object, token: str) -> dict[str, Any]:
        answer = self._http.post(f"{self._api}/{path}", json=body, headers={"Authorization": f"Bearer {token}"})
        if answer.status_code != HTTPStatus.CREATED:
            raise RuntimeError(f"/{path} answered {answer.status_code}: {answer.text[:300]}")
        said: dict[str, Any] = answer.json()
        return said


def cold_starts(stack: RunningStack, uploader: Uploader) -> list[float]:
    """Seconds until the first answer of each of some fresh processes."""
    functions = stack.aws.functions
    api = physical_ids(stack.configuration)["Api"]
    seconds = []
    for number in track(range(COLD_STARTS), "cold starts", console=console, transient=True):
        # A function whose configuration changed gets new processes.
        functions.update_function_configuration(FunctionName=api, Description=f"Cold start {number}, {time.time()}")
        functions.get_waiter("function_updated_v2").wait(FunctionName=api, WaiterConfig={"Delay": 1})
        seconds.append(timed(uploader, number, time.monotonic()))
    return seconds


def warm_up(uploader: Uploader) -> None:
    """Start as many processes as there can be requests at once: while one starts here, it slows down all the others."""
    with ThreadPoolExecutor(max_workers=PER_SECOND) as askers:
        list(askers.map(uploader.ask, range(PER_SECOND)))


def at_a_pace(uploader: Uploader) -> list[float]:
    """Seconds of each answer when they are asked for at a steady pace, whether earlier ones are there or not."""
    begun = time.monotonic()
    with ThreadPoolExecutor(max_workers=PER_SECOND) as askers:
        asked = []
        for number in track(range(SECONDS * PER_SECOND), "presigned URLs", console=console, transient=True):
            due = begun + number / PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            asked.append(askers.submit(timed, uploader, number, due))
        return [answer.result() for answer in asked]


def timed(uploader: Uploader, number: int, due: float) -> float:
    """Seconds from when it was due until the URL is there."""
    uploader.ask(number)
    return time.monotonic() - due


def show(name: str, seconds: float, limit: float) -> bool:
    """Print a figure beside its limit; whether it keeps it."""
    kept = seconds <= limit
    verdict = "[green]PASS[/]" if kept else "[red]FAIL[/]"
    console.print(f"{name:34} {seconds * 1000:6.0f} ms   limit {limit * 1000:5.0f} ms   {verdict}")
    return kept


def main() -> int:
    """Measure, print, and say by the exit code whether the limits are kept."""
    with a_stack(console) as stack:
        uploader = Uploader(stack.visitor)
        cold = cold_starts(stack, uploader)
        warm_up(uploader)
        warm = at_a_pace(uploader)
    console.print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    kept = [
        show(f"cold start, median of {len(cold)}", statistics.median(cold), COLD_LIMIT),
        show(f"presignedUrls, p95 of {len(warm)}", statistics.quantiles(warm, n=20)[-1], P95_LIMIT),
    ]
    console.print(f"presignedUrls, p50 {statistics.median(warm) * 1000:21.0f} ms")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
