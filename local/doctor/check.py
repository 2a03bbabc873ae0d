"""What a check is: a function over a visit, with what it needs, and what mends what it finds.

A check returns what it saw, or raises ``Fault`` (what it says does not work), ``Doubt`` (it works, but) or ``Untried``.
What the archiver's client raises is a fault.
"""

from collections.abc import Callable
from dataclasses import dataclass

from local.doctor.visit import Visit

type Examine = Callable[[Visit], str]


class Fault(Exception):
    """It does not work. ``mend`` takes the place of what mends this check as a rule."""

    def __init__(self, sentence: str, mend: str | None = None) -> None:
        super().__init__(sentence)
        self.mend = mend


class Doubt(Fault):
    """It works, but somebody should look."""


class Untried(Exception):
    """There is no way to tell, for this reason."""


def always(visit: Visit) -> bool:
    """Every visit."""
    del visit
    return True


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the archiver needs; ``needs`` are the checks without which it cannot be tried.

    ``mend`` is what mends it as a rule, with ``{archiver}`` and ``{creator}`` for the accounts.
    """

    title: str
    examine: Examine
    needs: tuple["Check", ...]
    mend: str
    # Whether it applies to this visit.
    concerns: Callable[[Visit], bool]

    @property
    def name(self) -> str:
        """A word for programs."""
        return self.examine.__name__


def check(
    title: str, *, needs: tuple[Check, ...] = (), mend: str, concerns: Callable[[Visit], bool] = always
) -> Callable[[Examine], Check]:
    """Make a check of a function; its name is the check's."""

    def made(examine: Examine) -> Check:
        return Check(title, examine, needs, mend, concerns)

    return made
