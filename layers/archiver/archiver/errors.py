"""What can go wrong: three exceptions, each with a code of the one list in ``codes``.

Step Functions sees the bare class name of an exception and its text. So the names are few and
never subclassed, and the text is JSON (``Reason``) that the reporting steps read back.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from archiver.codes import Code, Row

__all__ = ["Code", "DatasetRejected", "Reason", "Row", "ServiceRefused", "ServiceUnavailable", "reason"]

MAX_NAMED_FILES = 100
# Step Functions cuts a Cause at 32,768 characters, and it quotes ours twice: a cut one could not be read back.
MAX_NAMED_CHARACTERS = 12_000


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something failed, as a person and a program read it.

    ``files`` names at most the first hundred; ``count`` says how many there were.
    """

    code: Code
    message: str
    files: tuple[str, ...] = field(default=())
    count: int = 0

    def to_json(self) -> str:
        """One line of JSON; lone surrogates and control characters arrive escaped."""
        body: dict[str, object] = {"code": str(self.code), "message": self.message}
        if self.files:
            body |= {"files": list(self.files), "count": self.count}
        return json.dumps(body)

    @classmethod
    def from_json(cls, text: str) -> "Reason":
        """Read back ``to_json``. Raises ValueError on anything else."""
        body = json.loads(text)
        if not isinstance(body, dict) or "code" not in body:
            raise ValueError("not a reason")
        files = tuple(body.get("files", ()))
        return cls(Code(body["code"]), str(body["message"]), files, int(body.get("count", len(files))))


def reason(code: Code, message: str, files: Sequence[str] = (), count: int | None = None) -> Reason:
    """A reason that names the first hundred of ``files``; ``count`` says how many there are if not all are given."""
    named, characters = [], 0
    for file in files[:MAX_NAMED_FILES]:
        characters += len(json.dumps(file))
        if characters > MAX_NAMED_CHARACTERS:
            break
        named.append(file)
    return Reason(code, message, tuple(named), len(files) if count is None else count)


class DatasetRejected(Exception):
    """The data or the request is wrong. Never retried; the reason is shown to the user."""

    def __init__(self, code: Code, message: str, files: Sequence[str] = (), count: int | None = None) -> None:
        self.reason = reason(code, message, files, count)
        super().__init__(self.reason.to_json())


class ServiceUnavailable(Exception):
    """S3, SciCat or the LTS did not answer. Retried by the state machine."""

    def __init__(self, code: Code, message: str) -> None:
        self.reason = reason(code, message)
        super().__init__(self.reason.to_json())


class ServiceRefused(Exception):
    """S3, SciCat or the LTS answered, and asking again would not change the answer. Never retried."""

    def __init__(self, code: Code, message: str, files: Sequence[str] = (), count: int | None = None) -> None:
        self.reason = reason(code, message, files, count)
        super().__init__(self.reason.to_json())
