"""What a person sees while the stack starts: one line per stage, with its time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Progress:
    """Shows stages on ``console``: a spinner while one runs, its outcome and seconds when it is over."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    @contextmanager
    def stage(self, title: str) -> Iterator["Outcome"]:
        """Show ``title`` while the block runs, then a tick, what ``Outcome.note`` says, and the seconds."""
        outcome = Outcome()
        begun = time.monotonic()
        try:
            with self.console.status(title):
                yield outcome
        except BaseException:
            self._line("[red]✗[/]", title, "failed", begun)
            raise
        self._line("[green]✓[/]", title, outcome.text, begun)

    def _line(self, mark: str, title: str, text: str, begun: float) -> None:
        self.console.print(f"{mark} {title:<14} {text:<44} {time.monotonic() - begun:6.1f} s")


class Outcome:
    """What a stage has done, in a few words."""

    def __init__(self) -> None:
        self.text = "done"

    def note(self, text: str) -> None:
        """Say what was done."""
        self.text = text
