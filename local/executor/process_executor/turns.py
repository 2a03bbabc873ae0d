"""A limit on how many work at once; the others wait in line."""

import heapq
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets ``count`` threads through at once, then those of the lowest rank, in the order in which they came."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[str, int, threading.Event]] = []
        self._arrivals = itertools.count()
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @contextmanager
    def taken(self, rank: str) -> Iterator[None]:
        """Wait for a turn, and keep it until the block ends."""
        self._come_in(rank)
        try:
            yield
        finally:
            self._go()

    def _come_in(self, rank: str) -> None:
        turn = threading.Event()
        with self._lock:
            if self._free:
                self._free -= 1
                return
            heapq.heappush(self._waiting, (rank, next(self._arrivals), turn))
        turn.wait()

    def _go(self) -> None:
        with self._lock:
            if self._waiting:
                _, _, turn = heapq.heappop(self._waiting)
                turn.set()
            else:
                self._free += 1
