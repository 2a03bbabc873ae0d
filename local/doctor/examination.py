"""The examination: all checks, one after the other, and the removal of what they made, however they end."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

import httpx

from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from local.doctor import dataset_checks, job_checks
from local.doctor.check import Check, Doubt, Fault, Untried
from local.doctor.removal import removed
from local.doctor.visit import Visit

CHECKS = (*dataset_checks.CHECKS, *job_checks.CHECKS)
_UNANSWERED = "SciCat does not answer as it should: see its log, and whether its MongoDB is up."


class Verdict(StrEnum):
    """What a check came to."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"
    UNTRIED = "untried"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, and what mends it."""

    name: str
    title: str
    verdict: Verdict
    detail: str
    mend: str = ""


def examine(
    visit: Visit, tell: Callable[[Finding], None], begin: Callable[[str], None] = lambda _: None
) -> list[Finding]:
    """Do every check that concerns the visit; ``tell`` each finding, and ``begin`` what comes next.

    What was made is removed, and the visit closed, also when it is interrupted.
    """
    findings: list[Finding] = []
    bad: set[str] = set()

    def note(finding: Finding) -> None:
        findings.append(finding)
        if finding.verdict in {Verdict.BAD, Verdict.UNTRIED}:
            bad.add(finding.name)
        tell(finding)

    try:
        for check in CHECKS:
            if check.concerns(visit):
                begin(check.title)
                note(examined(check, visit, bad))
    finally:
        begin(removed.title)
        note(examined(removed, visit))
        visit.close()
    return findings


def examined(check: Check, visit: Visit, bad: Collection[str] = ()) -> Finding:
    """What one check comes to, when those of ``bad`` have failed."""
    missing = next((needed.title for needed in check.needs if needed.name in bad), None)
    if missing is not None:
        return Finding(check.name, check.title, Verdict.UNTRIED, f"it needs: {missing}")
    verdict, detail, mend = _examined(check, visit)
    return Finding(check.name, check.title, verdict, detail, mend)


def _examined(check: Check, visit: Visit) -> tuple[Verdict, str, str]:
    try:
        return Verdict.GOOD, check.examine(visit), ""
    except Untried as reason:
        return Verdict.UNTRIED, str(reason), ""
    except Fault as fault:
        verdict = Verdict.DOUBTFUL if isinstance(fault, Doubt) else Verdict.BAD
        return verdict, str(fault), _mend(check, visit) if fault.mend is None else fault.mend
    except (ServiceRefused, ServiceUnavailable, DatasetRejected) as error:
        away = error.reason.code is Code.SCICAT_UNAVAILABLE
        return Verdict.BAD, error.reason.message, _UNANSWERED if away else _mend(check, visit)
    except httpx.HTTPError as error:
        return Verdict.BAD, f"SciCat did not answer ({type(error).__name__})", _UNANSWERED


def _mend(check: Check, visit: Visit) -> str:
    archiver = visit.patient.archiver.username
    creator = visit.patient.creator.username if visit.patient.creator else archiver
    groups = f"{archiver} (its groups: {', '.join(visit.groups)})" if visit.groups else archiver
    return check.mend.format(archiver=groups, creator=creator)
