"""What the functions' logs say: each invocation's step, run, seconds, memory, bytes and requests."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_REPORT = re.compile(
    r"^REPORT RequestId: (?P<id>[\w-]+)\t(?:.*\t)?Duration: (?P<ms>[\d.]+) ms\t.*Max Memory Used: (?P<mb>\d+) MB"
)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a function. ``seconds`` as billed, of which the step itself took ``working``.

    ``bytes`` are those read, sent and copied; ``requests`` counts by service and operation.
    """

    function: str
    run_id: str
    seconds: float
    working: float
    memory_mb: int
    bytes: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)


class Watch:
    """The invocations that ended since it was made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = {file: file.stat().st_size for file in self._logs()}

    def invocations(self) -> list[Invocation]:
        """All of them so far."""
        return [invocation for file in self._logs() for invocation in _invocations(self._new_lines(file))]

    def _logs(self) -> list[Path]:
        return sorted(self._folder.glob("*.log"))

    def _new_lines(self, file: Path) -> Sequence[str]:
        with file.open("rb") as log:
            log.seek(self._read.get(file, 0))
            return log.read().decode().splitlines()


def _invocations(lines: Sequence[str]) -> Iterator[Invocation]:
    finished = {said["request_id"]: said for line in lines if '"step finished"' in line for said in [json.loads(line)]}
    for line in lines:
        report = _REPORT.match(line)
        if report and (said := finished.get(report["id"])):
            yield Invocation(
                function=_function(said["step"]),
                run_id=said.get("run_id", ""),
                seconds=float(report["ms"]) / 1000,
                working=said["seconds"],
                memory_mb=int(report["mb"]),
                bytes=Counter(said["bytes"]),
                requests=Counter(said["requests"]),
            )


def _function(deployed_name: str) -> str:
    """A function's name in the template: AWS puts the stack's before it, and a random word after it."""
    return deployed_name.rpartition("-")[0].rpartition("-")[2]


def peak_memory(invocations: Iterable[Invocation]) -> dict[str, int]:
    """The most memory that each function has used, in MB."""
    most: dict[str, int] = {}
    for invocation in invocations:
        most[invocation.function] = max(invocation.memory_mb, most.get(invocation.function, 0))
    return most


def total_requests(invocations: Iterable[Invocation]) -> Counter[str]:
    """Requests by service and operation."""
    return sum((invocation.requests for invocation in invocations), Counter[str]())


def total_bytes(invocations: Iterable[Invocation]) -> Counter[str]:
    """Bytes read, sent and copied."""
    return sum((invocation.bytes for invocation in invocations), Counter[str]())
