"""When this invocation should stop and hand the rest of its work to the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_DEADLINE: ContextVar[float] = ContextVar("deadline", default=float("inf"))


def deadline() -> float:
    """The ``time.monotonic()`` at which this invocation should stop; infinite outside of one."""
    return _DEADLINE.get()


@contextmanager
def until(moment: float) -> Iterator[None]:
    """Give what is called in here time until ``moment``, in the seconds of ``time.monotonic()``."""
    token = _DEADLINE.set(moment)
    try:
        yield
    finally:
        _DEADLINE.reset(token)
