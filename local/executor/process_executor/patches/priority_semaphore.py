"""A limit on how many work at once; the others wait in line, in groups that a crowd in one of them does not hold up."""

import heapq
import itertools
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets ``count`` threads through at once.

    Then the group has its turn of which the fewest work; within a group the lowest rank, then whoever came first.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._working: Counter[str] = Counter()
        self._waiting: defaultdict[str, list[tuple[str, int, threading.Event]]] = defaultdict(list)
        self._arrivals = itertools.count()
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    @contextmanager
    def taken(self, rank: str, group: str = "") -> Iterator[None]:
        """Wait for a turn, and keep it until the block ends."""
        self._come_in(rank, group)
        try:
            yield
        finally:
            self._go(group)

    def _come_in(self, rank: str, group: str) -> None:
        turn = threading.Event()
        with self._lock:
            if self._free:
                self._free -= 1
                self._working[group] += 1
                return
            heapq.heappush(self._waiting[group], (rank, next(self._arrivals), turn))
        turn.wait()

    def _go(self, group: str) -> None:
        with self._lock:
            self._working[group] -= 1
            if not self._working[group]:
                del self._working[group]
            if not self._waiting:
                self._free += 1
                return
            following = min(self._waiting, key=lambda other: (self._working[other], self._waiting[other][0][:2]))
            _, _, turn = heapq.heappop(self._waiting[following])
            if not self._waiting[following]:
                del self._waiting[following]
            self._working[following] += 1
            turn.set()
