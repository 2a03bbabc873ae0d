"""docs/error-codes.md: every code, who sees it, what SciCat shows, what it means and what to do.

The codes come from ``archiver.codes`` and ``archiver.http.request_codes``; what SciCat shows is what
``archiver.reporting`` would write.
"""

import json
from collections.abc import Iterator, Mapping

from archiver.codes import Code, Explanation, Row
from archiver.errors import Reason
from archiver.http.request_codes import RequestCode
from archiver.models.states import JobKind
from archiver.reporting import job_status, lifecycle

_BEGINNING = """\
# Error codes

Every failure has a code, and a message that carries one leads to its paragraph here: in SciCat as `help` of a dataset's
`archiveReturnMessage` or `retrieveReturnMessage`, beside a dropped `dataset.json` as `help`, in an answer of the HTTP
API as `type`, and at the end of a job's message. The parameter `ErrorCodesUrl` says where this page is.

This page is written by `make docs`, from the code.
"""
_OWNER = "Seen by the owner of the dataset: in SciCat, in the job's message, and in the drop's `dataset.status.json`."
_OPERATOR = """\
Seen by the owner of the dataset: in SciCat, in the job's message, and in the drop's `dataset.status.json`; and by the
operator, who finds the execution by `executionArn`. A drop that fails so leaves the dataset in SciCat as it is."""
_ASKER = "Seen by whoever asked: in the job's message, and in the drop's `dataset.status.json`."
_ROWS: Mapping[Row, tuple[str, str]] = {
    Row.USER: ("The data or the request is wrong", _OWNER),
    Row.SYSTEM: ("A system failed", _OPERATOR),
    Row.UNTOUCHED: ("The dataset stays as it is", _ASKER),
}
_REQUEST = "The request is refused"
_REQUESTS = """\
## The request is refused

Seen by whoever sent the request to the HTTP API, in its answer. SciCat shows nothing. The API answers with the codes
above, too.
"""


def page() -> str:
    """The page."""
    return "\n".join(_paragraphs())


def _paragraphs() -> Iterator[str]:
    yield _BEGINNING
    for row, (title, seen) in _ROWS.items():
        codes = [code for code in Code if code.row is row]
        yield f"## {title}\n\n{seen}\n"
        yield _shown(codes[0])
        yield from (_paragraph(code, code.about, title) for code in codes)
    yield _REQUESTS
    yield from (_paragraph(code, code.about, _REQUEST) for code in RequestCode)


def _shown(code: Code) -> str:
    """What SciCat shows of ``code``, as the reports would write it."""
    reason = Reason(code, "Any.", ("any",), 1)
    status, _ = job_status.job_report(JobKind.ARCHIVE, [lifecycle.outcome_of("any", reason)])
    return (
        "| | SciCat shows |\n| --- | --- |\n"
        f"| the job | `{status}`, when no dataset of it did better |\n"
        f"| a dataset that was being archived | {_told(lifecycle.archive_report(reason, 'any'))} |\n"
        f"| a dataset that was being retrieved | {_told(lifecycle.retrieve_report(reason, 'any'))} |\n"
    )


def _told(lifecycle: lifecycle.Lifecycle | None) -> str:
    if lifecycle is None:
        return "what it showed before"
    return ", ".join(_field(name, value) for name, value in lifecycle.items())


def _field(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        return f"`{name}` with `{'`, `'.join(value)}`"
    return f"`{value}`" if isinstance(value, str) else f"`{name}: {json.dumps(value)}`"


def _paragraph(code: Code | RequestCode, about: Explanation, title: str) -> str:
    remedies = {"User": about.user, "Operator": about.operator}
    told = [f"* {who}: {what}" for who, what in remedies.items() if what]
    section = f"* Who sees it, and what SciCat shows: [{title}](#{title.lower().replace(' ', '-')})"
    return "\n".join([f"### {code}", "", about.meaning, "", *told, section, ""])
