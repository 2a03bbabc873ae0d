"""How many bytes this process read from S3, sent to it, and had it copy by itself; each step logs its share.

A Lambda does one invocation at a time, so the difference between two moments belongs to one step.
"""

import threading
from collections import Counter
from typing import Literal

type Way = Literal["read", "sent", "copied"]

_lock = threading.Lock()
_moved: Counter[str] = Counter()


def count(way: Way, size: int) -> None:
    """Add ``size`` bytes. Requests run in threads."""
    with _lock:
        _moved[way] += size


def moved() -> Counter[str]:
    """The bytes moved since the process began, by way; subtract an earlier answer."""
    with _lock:
        return Counter(_moved)
