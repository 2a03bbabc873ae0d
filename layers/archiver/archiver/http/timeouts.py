"""How long a caller is kept waiting.

API Gateway gives up after 29 seconds, while a client module may repeat its question for a minute. What
has not answered in time is unavailable; its thread ends by itself.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache

from archiver.errors import Code, ServiceUnavailable

_SECONDS = 20.0


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="asked")


class Asked[T]:
    """A question on its way; the clock runs since it was asked, for ``seconds`` or as long as most are waited for."""

    def __init__(self, question: Callable[[], T], unavailable: Code, seconds: float | None = None) -> None:
        self._seconds = _SECONDS if seconds is None else seconds
        self._deadline = time.monotonic() + self._seconds
        self._unavailable = unavailable
        self._future: Future[T] = _threads().submit(question)

    def is_late(self) -> bool:
        """Whether there is no answer in time, which is waited for."""
        wait([self._future], max(0.0, self._deadline - time.monotonic()))
        return not self._future.done()

    def answer(self) -> T:
        """The answer, or what the question raised. Raises ServiceUnavailable when it is late."""
        if self.is_late():
            sentence = f"There was no answer within {self._seconds:.0f} seconds."
            raise ServiceUnavailable(self._unavailable, sentence)
        return self._future.result()
