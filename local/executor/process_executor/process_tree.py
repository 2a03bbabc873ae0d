"""What the kernel says of a process and its descendants (Linux, ``/proc``; see proc(5))."""

import contextlib
import os
import signal
from pathlib import Path

_PROC = Path("/proc")


def children(pid: int) -> list[int]:
    """The direct children of ``pid``; none when it has ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it, or one of its threads, ended while we looked
        for task in (_PROC / str(pid) / "task").iterdir():
            found.extend(int(child) for child in (task / "children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on; parents come before their children."""
    found = children(pid)
    for child in found:  # grows while it is walked
        found.extend(children(child))
    return found


def memory_bytes(pids: list[int]) -> int:
    """The most memory that ``pids`` have held resident so far, in bytes, summed."""
    return sum(_peak_resident_bytes(pid) for pid in pids)


def kill(pids: list[int]) -> None:
    """End ``pids`` at once; those that have already ended are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _peak_resident_bytes(pid: int) -> int:
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return 0
    # VmHWM, the high-water mark, so that no peak hides between two looks. A zombie has none.
    kilobytes = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(next(kilobytes, "0")) * 1024
