"""What an execution environment prints: per function into a file as it comes, per invocation for CloudWatch."""

import contextlib
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

# The emulator's talk about itself, which Lambda does not show.
_EMULATOR_TALK = re.compile(r"^\d\d \w{3} \d{4} \d\d:\d\d:\d\d,\d{3} \[\w+\] \(rapid\) ")
_MEMORY_USED = re.compile(r"(Max Memory Used: )\d+( MB)")
# How long the last lines of an invocation may take through the pipe after its answer.
_LAST_LINES_SECONDS = 0.3


class InvocationLog:
    """The output of one execution environment. Appending is thread-safe; one invocation at a time."""

    def __init__(self, file: Path, memory_mb: Callable[[], int]) -> None:
        """``memory_mb`` says how much the function has held at most, and is asked when an invocation is reported."""
        self._file = file
        self._memory_mb = memory_mb
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._reported = threading.Event()

    def follow(self, output: IO[bytes] | None) -> None:
        """Read ``output`` until it ends, in a thread of its own."""
        if output is not None:
            threading.Thread(target=self._read, args=(output,), name="function-output", daemon=True).start()

    def begin(self) -> None:
        """An invocation starts: what comes from here on belongs to it."""
        with self._lock:
            self._lines.clear()
            self._reported.clear()

    def append(self, text: str) -> None:
        """Add ``text``, one or more lines, to the file and to the invocation."""
        with self._lock:
            self._lines.extend(f"{line}\n" for line in text.splitlines())
            # One write per piece: the environments of a function share the file.
            with self._file.open("a") as file:
                file.write(f"{text}\n")

    def end(self) -> str:
        """The invocation's lines, once the emulator has reported it."""
        self._reported.wait(_LAST_LINES_SECONDS)
        return self.text()

    def report(self, request_id: str, milliseconds: float, memory_size_mb: int) -> None:
        """Write the lines that Lambda ends an invocation with, where the emulator did not."""
        self._reported.wait(_LAST_LINES_SECONDS)
        if not self._reported.is_set():
            self.append(
                f"END RequestId: {request_id}\n"
                f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
                f"Billed Duration: {milliseconds + 1:.0f} ms\tMemory Size: {memory_size_mb} MB\t"
                f"Max Memory Used: {self._memory_mb()} MB\t"
            )
            self._reported.set()

    def text(self) -> str:
        """What the present (or last) invocation has printed so far."""
        with self._lock:
            return "".join(self._lines)

    def _read(self, output: IO[bytes]) -> None:
        with contextlib.suppress(ValueError), output:  # closed while we read: the environment was stopped
            for raw in output:
                # The runtime joins the lines of a traceback by carriage returns, for CloudWatch.
                line = raw.decode(errors="replace").rstrip("\n").replace("\r", "\n")
                if _EMULATOR_TALK.match(line):
                    continue
                if line.startswith("REPORT RequestId:"):
                    self.append(_MEMORY_USED.sub(rf"\g<1>{self._memory_mb()}\g<2>", line))
                    self._reported.set()
                else:
                    self.append(line)


def timestamp() -> str:
    """Now, as Lambda writes it before a timeout's line."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000Z"
