"""When SciCat is asked once more: after no usable answer, three times within a minute."""

from collections.abc import Callable

import stamina

from archiver.errors import Code, ServiceUnavailable

_ATTEMPTS, _SECONDS = 3, 60.0


class UnansweredError(Exception):
    """No usable answer; the next attempt may get one, at the earliest after ``seconds``."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        self.seconds = seconds
        super().__init__(message)


def until_answered[T](ask: Callable[[], T]) -> T:
    """What ``ask`` returns, called again while it raises UnansweredError.

    What is still not answered after the last attempt is unavailable: raises ServiceUnavailable.
    """
    try:
        return stamina.RetryingCaller(attempts=_ATTEMPTS, timeout=_SECONDS)(worth_repeating, ask)
    except UnansweredError as error:
        raise ServiceUnavailable(Code.SCICAT_UNAVAILABLE, str(error)) from None


def worth_repeating(error: Exception) -> bool | float:
    """Whether to repeat after ``error``, or after how many seconds."""
    if not isinstance(error, UnansweredError):
        return False
    return True if error.seconds is None else error.seconds


def pause_asked_for(retry_after: str | None) -> float | None:
    """How many seconds ``Retry-After`` asks to wait, at most a minute; its date form is not used."""
    return min(float(retry_after), _SECONDS) if retry_after and retry_after.isdecimal() else None
