"""How long a caller is kept waiting.

API Gateway gives up after 29 seconds, while a client module may repeat its question for a minute. What
has not answered in time is unavailable; its thread ends by itself.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from archiver.errors import Code, ServiceUnavailable

_SECONDS = 20.0


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="asked")


class Asked[T]:
    """A question on its way; the clock runs since it was asked."""

    def __init__(self, question: Callable[[], T], unavailable: Code) -> None:
        self._deadline = time.monotonic() + _SECONDS
        self._unavailable = unavailable
        self._future: Future[T] = _threads().submit(question)

    def answer(self) -> T:
        """The answer, or what the question raised. Raises ServiceUnavailable when it is late."""
        try:
            return self._future.result(max(0.0, self._deadline - time.monotonic()))
        except TimeoutError:
            raise ServiceUnavailable(self._unavailable, f"There was no answer within {_SECONDS:.0f} seconds.") from None
