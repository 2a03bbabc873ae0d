"""How often one caller may ask.

API Gateway limits all callers together; this limits each of them, in each process of the function. What is
counted is a bucket of tokens: a request takes one, and so many a second come back.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Hashable
from functools import cache
from http import HTTPStatus
from threading import Lock

from archiver.http.problems import Refusal
from archiver.http.request_codes import RequestCode
from archiver.settings import settings

_CALLERS = 10_000
# Guessing a password, or making us ask SciCat about tokens: a person's mistakes pass, a program's do not.
_FAILURES, _FAILURES_PER_SECOND = 60, 1.0


class Pace:
    """A bucket of ``burst`` tokens for each caller, filled again with ``per_second``."""

    def __init__(self, burst: float, per_second: float) -> None:
        self._burst, self._per_second = burst, per_second
        # What was left in a bucket, and when; whoever is not in here has a full one.
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def keep(self, caller: Hashable) -> None:
        """Refuse a caller whose bucket is empty (429), and say when to ask again."""
        left = self._tokens(caller)
        if left < 1:
            message = "There are too many requests. Please ask again later."
            retry = {"Retry-After": str(math.ceil((1 - left) / self._per_second))}
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, RequestCode.TOO_MANY_REQUESTS, message, headers=retry)

    def count(self, caller: Hashable) -> None:
        """Take a token out of the caller's bucket."""
        with self._lock:
            self._left[caller] = self._tokens(caller) - 1, time.monotonic()
            self._left.move_to_end(caller)
            while len(self._left) > _CALLERS:
                self._left.popitem(last=False)

    def _tokens(self, caller: Hashable) -> float:
        left, at = self._left.get(caller, (self._burst, 0.0))
        return min(self._burst, left + (time.monotonic() - at) * self._per_second)


@cache
def of_requests() -> Pace:
    """The pace of whatever a caller asks."""
    return Pace(2.0 * settings().requests_per_second, settings().requests_per_second)


@cache
def of_failures() -> Pace:
    """The pace of credentials that turn out to be wrong, by the address they come from."""
    return Pace(_FAILURES, _FAILURES_PER_SECOND)
