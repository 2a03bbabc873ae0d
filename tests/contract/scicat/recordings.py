"""What real SciCats answered: one file of recorded requests and answers per release, in ``recordings/``.

They were made on releases 4.28.0 and 5.2.1 and on the unreleased commit 783086a of 2026-08-20 (``master``), the same
requests on each under the same numbers. Tokens, passwords and the secret of basic credentials are ``<token>``.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

FOLDER = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Recording:
    """One request with its answer; of a url action, the request that the archiver received."""

    number: int
    name: str
    account: str | None
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    status: int
    content_type: str | None
    answer: Any

    @property
    def route(self) -> str:
        """The path without its query, decoded."""
        return unquote(self.path.partition("?")[0])

    @property
    def was_received(self) -> bool:
        """Whether it was SciCat that asked, and not a client of it."""
        return self.account == "SciCat's url action"

    def creates(self, what: str) -> bool:
        """Whether it is a POST of one of these."""
        return self.method == "POST" and self.route in {f"/api/v3/{what}", f"/api/v4/{what}"}


@cache
def recordings(release: str) -> tuple[Recording, ...]:
    """The recordings of a release, by their numbers."""
    entries = [json.loads(line) for line in (FOLDER / f"{release}.jsonl").read_text().splitlines()]
    return tuple(
        Recording(
            number=entry["number"],
            name=entry["name"],
            account=entry["account"],
            method=entry["request"]["method"],
            path=entry["request"]["path"],
            headers=entry["request"]["headers"],
            body=entry["request"]["body"],
            status=entry["response"]["status"],
            content_type=entry["response"]["content_type"],
            answer=entry["response"]["body"],
        )
        for entry in entries
    )
