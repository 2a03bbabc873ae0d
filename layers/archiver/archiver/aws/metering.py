"""What this process asked of S3: requests by kind, and bytes read, sent and copied; each step logs its share.

A Lambda does one invocation at a time, so the difference between two moments belongs to one step.
"""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Literal

type Way = Literal["read", "sent", "copied"]

_lock = threading.Lock()
_moved: Counter[str] = Counter()
_asked: Counter[str] = Counter()


def count(way: Way, size: int) -> None:
    """Add ``size`` bytes. Requests run in threads."""
    with _lock:
        _moved[way] += size


def moved() -> Counter[str]:
    """The bytes moved since the process began, by way; subtract an earlier answer."""
    with _lock:
        return Counter(_moved)


def counter_of(service: str) -> Callable[..., None]:
    """What botocore calls before it sends a request (``before-send``) to ``service``; one sent again counts again."""

    def note(event_name: str, **_: object) -> None:
        with _lock:
            _asked[f"{service} {event_name.rpartition('.')[2]}"] += 1

    return note


def asked() -> Counter[str]:
    """The requests made since the process began, by service and operation ("s3 GetObject"); subtract as above."""
    with _lock:
        return Counter(_asked)
