"""Answers that are remembered for a short while, and not many of them."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock


class Remembered[K: Hashable, V]:
    """At most ``entries`` values, each for ``seconds``; what was remembered first is forgotten first."""

    def __init__(self, seconds: float, entries: int) -> None:
        self._seconds, self._entries = seconds, entries
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: K, find: Callable[[], V]) -> V:
        """The value under ``key``, or what ``find`` gives; what ``find`` raises is not remembered."""
        with self._lock:
            until, *known = self._values.get(key, (0.0,))
        if known and time.monotonic() < until:
            return known[0]
        value = find()
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = time.monotonic() + self._seconds, value
            while len(self._values) > self._entries:
                self._values.popitem(last=False)
        return value

    def forget(self, key: K) -> None:
        """Find the value under ``key`` anew the next time."""
        with self._lock:
            self._values.pop(key, None)
