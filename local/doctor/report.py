"""The report: a line for each check as it is done, the sum of them, or all as JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from local.doctor.examination import Finding, Verdict

_MARKS = {Verdict.GOOD: "✓", Verdict.DOUBTFUL: "!", Verdict.BAD: "✗", Verdict.UNTRIED: "-"}
_COLOURS = {Verdict.GOOD: "green", Verdict.DOUBTFUL: "yellow", Verdict.BAD: "red", Verdict.UNTRIED: "dim"}


@dataclass(frozen=True, slots=True)
class Report:
    """Writes lines to a console: coloured, and with what is being done, on a terminal; plain elsewhere."""

    console: Console
    status: Status

    def begin(self, title: str) -> None:
        """Say what is being done now."""
        self.status.update(escape(title))

    def tell(self, finding: Finding) -> None:
        """One line."""
        colour = _COLOURS[finding.verdict]
        mend = f" [bold]→ {escape(finding.mend)}[/]" if finding.mend else ""
        untried = "not tried, " if finding.verdict is Verdict.UNTRIED else ""
        detail = escape(" ".join(f"{untried}{finding.detail}".split()))
        self.console.print(f"[{colour}]{_MARKS[finding.verdict]}[/] {finding.title}: {detail}{mend}", soft_wrap=True)

    def close(self, findings: Iterable[Finding]) -> None:
        """The sum."""
        self.console.print(f"[bold]{summary(findings)}[/]", soft_wrap=True)


@contextmanager
def reporting(console: Console) -> Iterator[Report]:
    """A report on ``console``."""
    with console.status("") as status:
        yield Report(console, status)


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether the archiver can work with this SciCat: all that it needs was seen to work."""
    return all(finding.verdict in {Verdict.GOOD, Verdict.DOUBTFUL} for finding in findings)


def summary(findings: Iterable[Finding]) -> str:
    """One sentence."""
    findings = list(findings)
    number = Counter(finding.verdict for finding in findings)
    if healthy(findings):
        doubts = number[Verdict.DOUBTFUL]
        look = f" Look at {'the line' if doubts == 1 else f'the {doubts} lines'} with an exclamation mark." * (
            doubts > 0
        )
        return f"The archiver can work with this SciCat: {number[Verdict.GOOD] + doubts} checks passed.{look}"
    failed, untried = number[Verdict.BAD], number[Verdict.UNTRIED]
    return (
        f"The archiver cannot work with this SciCat yet: {failed} {'check' if failed == 1 else 'checks'} failed, "
        f"{untried} {'was' if untried == 1 else 'were'} not tried."
    )


def as_json(url: str, findings: Iterable[Finding]) -> str:
    """All findings for a program."""
    findings = list(findings)
    body = {
        "scicat": url,
        "healthy": healthy(findings),
        "summary": summary(findings),
        "checks": [asdict(finding) for finding in findings],
    }
    return json.dumps(body, indent=1, ensure_ascii=False)
