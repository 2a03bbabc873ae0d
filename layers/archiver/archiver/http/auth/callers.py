"""Who calls: what every way to authenticate comes down to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller: a user, by SciCat's name and the user's groups, or SciCat itself, which starts jobs."""

    username: str
    groups: frozenset[str] = frozenset()
    may_start_jobs: bool = False


class NotVerified(Exception):
    """Credentials are wrong; the reason is for the log, never for whoever sent them.

    The ``hint``, if there is one, is for them: it tells of the form alone.
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint
