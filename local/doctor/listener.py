"""In the archiver's place: hears what SciCat's url action really sends, and says what is wrong with it."""

import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from archiver.http.auth import basic
from local.configuration import Login

_PATH = "/archiver/jobs"
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived."""

    method: str
    path: str
    content_type: str
    authorization: str = field(repr=False)
    body: str

    def __str__(self) -> str:
        kind = self.content_type or "no content type"
        return f"{self.method} {self.path} ({kind}) {' '.join(self.body.split())[:_SHOWN_CHARACTERS]}"


@dataclass(frozen=True, slots=True)
class Listener:
    """What was heard at ``port`` of the loopback interface."""

    port: int
    calls: list[Call] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What ARCHIVER_URL must be for it."""
        return f"http://127.0.0.1:{self.port}"

    def call_for(self, job_id: str) -> Call | None:
        """The call that names the job."""
        return next((call for call in self.calls if job_id in call.body), None)


@contextmanager
def listening(port: int) -> Iterator[Listener]:
    """Listen on the loopback interface until the block ends; any free port when ``port`` is 0. Raises OSError."""
    calls: list[Call] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            """Hear, and accept."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(errors="replace")
            kind, authorization = self.headers.get("Content-Type", ""), self.headers.get("Authorization", "")
            calls.append(Call(self.command, self.path, kind, authorization, body))
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815 - the names http.server calls

        def log_message(self, *_: object) -> None:
            """Stay silent: what was heard is reported."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield Listener(server.server_port, calls)
        finally:
            server.shutdown()
            thread.join()


def wrong_with(call: Call, job_id: str, expected: Login | None) -> str | None:
    """What the archiver would refuse in ``call``, in one sentence with what to change; None when all is right.

    ``expected`` are the credentials that the archiver was deployed with. No password is repeated.
    """
    return _wrong_request(call) or _wrong_body(call, job_id) or _wrong_credentials(call, expected)


def username_of(call: Call) -> str:
    """Who SciCat says it is, in a call with which nothing is wrong."""
    return basic.decoded(_credentials(call)).decode(errors="replace").partition(":")[0]


def _wrong_request(call: Call) -> str | None:
    if call.method != "POST":
        return f"It was a {call.method}: the url action needs `method: POST`."
    if not call.path.partition("?")[0].endswith(_PATH):
        return f"The path does not end in {_PATH}: the url action's `url` is {{{{{{ env.ARCHIVER_URL }}}}}}{_PATH}."
    if call.content_type.partition(";")[0].strip().lower() != "application/json":
        return "The content type is not application/json: the url action needs it among its `headers`."
    return None


def _wrong_body(call: Call, job_id: str) -> str | None:
    try:
        sent: Any = json.loads(call.body)
    except ValueError:
        return "The body is not JSON: does the url action's `body` have triple braces?"
    if not isinstance(sent, dict) or sent.get("id") != job_id or "type" not in sent:
        return 'The body does not name the job: the url action\'s `body` needs "id" and "type".'
    return None


def _wrong_credentials(call: Call, expected: Login | None) -> str | None:
    if not call.authorization:
        return "There is no Authorization header: the url action needs it among its `headers`."
    if not call.authorization.lower().startswith("basic"):
        return "The Authorization header does not begin with Basic."
    try:
        account = basic.decoded(_credentials(call))
    except basic.Malformed as error:
        return str(error)
    if expected and not hmac.compare_digest(account, f"{expected.username}:{expected.password}".encode()):
        return (
            "The credentials are well formed, and not those of the archiver: ARCHIVER_BASIC must be the base64 of "
            "JobApiUsername:JobApiPassword of its deployment."
        )
    return None


def _credentials(call: Call) -> str:
    return call.authorization.partition(" ")[2].strip()
