"""SciCat, asked by one account: logged in, and asked again where that helps and does no harm."""

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import orjson

from archiver.errors import Code, ServiceUnavailable
from archiver.log import logger
from archiver.scicat import shapes
from archiver.scicat.json_values import Json
from archiver.scicat.responses import Answer
from archiver.scicat.retries import UnansweredError, until_answered
from archiver.scicat.shapes import Shape
from archiver.scicat.transport import Request, Server

# How often a change is made again when somebody else changed the same document meanwhile (412).
CHANGES = 5
# A token is renewed after this share of its life, so that it does not end between two calls.
_TOKEN_SHARE = 0.8
# Credentials that SciCat refused are tried again after this time, and not by each request: that could lock the account.
_REFUSED_SECONDS = 30.0
# So much of a body that SciCat rejected stands in the log.
_LOGGED_CHARACTERS = 2_000


class Session:
    """An account's way to SciCat. Safe to share between threads; its methods raise as ``Catalogue`` says."""

    def __init__(self, server: Server, credentials: Callable[[], tuple[str, str]], parameters: str) -> None:
        """``credentials`` gives username and password; ``parameters`` are what an operator knows these by."""
        self._server = server
        self._parameters = parameters
        self._credentials = credentials
        self._token: tuple[str, float] | None = None
        # What SciCat did not accept, until when it is not tried again, and what SciCat said.
        self._refused: tuple[tuple[str, str], float, str] | None = None
        self._login_lock = Lock()

    @property
    def username(self) -> str:
        """Who writes."""
        return self._credentials()[0]

    def ping(self) -> None:
        """Ask SciCat who we are: it answers, and the account's password is right."""
        answer = self.ask(Request("GET", "/api/v3/users/my/self", shapes.USER))
        if not answer.ok:
            raise answer.failure()

    def ask(self, request: Request) -> Answer:
        """Ask something that may be asked twice, until there is an answer that another attempt would not change."""
        return until_answered(lambda: self._once(request))

    def ask_as(self, token: str, request: Request) -> Answer:
        """As ``ask``, with somebody else's token, for which there is no other."""
        return until_answered(lambda: self._answered(request, token))

    def ask_for_list(self, request: Request) -> Answer:
        """Ask for something with a list in it.

        To a token that it does not know SciCat shows a list as it shows it to anybody: empty, and 200. Who
        took that for the truth would register everything once more. So the token is made sure of first.
        """
        self.ping()
        return self.ask(request)

    def change(self, path: str, fields: Mapping[str, Any], shape: Shape) -> Answer:
        """Change these fields of a document, which SciCat merges into it as it is by then."""
        request = Request("PATCH", path, shape, fields)
        answer = self.ask(request)
        for _ in range(CHANGES - 1):
            if not answer.changed_meanwhile:
                break
            answer = self.ask(request)
        return answer

    def create[T](self, request: Request, look: Callable[[], T | None], read: Callable[[Json], T]) -> T:
        """POST something that must not exist twice.

        An attempt that was not answered may have succeeded, and SciCat answers 500 to a duplicate: before
        anything is sent again or refused, ``look`` tells whether it is there.
        """

        def attempt() -> T:
            try:
                answer = self._once(request)
            except UnansweredError:
                if (found := look()) is not None:
                    return found
                raise
            if not answer.ok and (found := look()) is not None:
                return found
            return answer.read(read)

        return until_answered(attempt)

    def _once(self, request: Request) -> Answer:
        """One attempt with a valid token. Raises UnansweredError for an answer that is worth another attempt."""
        token = self._login()
        answer = self._answered(request, token)
        if answer.login_refused:
            # Expired (401; 403 before release 5), or signed with a secret that SciCat has replaced (403).
            answer = self._answered(request, self._login(instead_of=token))
        if answer.malformed and answer.status not in request.expects:
            _log_rejected(request, answer)
        return answer

    def _login(self, instead_of: str | None = None) -> str:
        """The token of this process; a new one when it is old or refused."""
        with self._login_lock:
            if self._token and self._token[0] != instead_of and time.time() < self._token[1]:
                return self._token[0]
            username, password = credentials = self._credentials()
            asked_at = time.time()
            if self._refused and self._refused[0] == credentials and asked_at < self._refused[1]:
                raise ServiceUnavailable(Code.SCICAT_LOGIN, self._refused[2])
            login = {"username": username, "password": password}
            answer = self._answered(Request("POST", "/api/v3/auth/login", shapes.LOGIN, login))
            if answer.login_refused:
                # Somebody changes a password in two places, one after the other: Step Functions tries again later.
                sentence = f"{answer.told}. Are {self._parameters} right?"
                self._refused = credentials, asked_at + _REFUSED_SECONDS, sentence
                raise ServiceUnavailable(Code.SCICAT_LOGIN, sentence)
            self._refused = None
            token, lifetime = answer.read(lambda body: (str(body["access_token"]), float(body["expires_in"])))
            self._token = token, asked_at + lifetime * _TOKEN_SHARE
            return token

    def _answered(self, request: Request, token: str | None = None) -> Answer:
        """The answer to one request. Raises UnansweredError for one that is worth another attempt."""
        answer = self._server.exchange(request, token)
        is_expected = answer.status in request.expects and not answer.is_anothers
        if answer.unavailable and not is_expected:
            raise UnansweredError(answer.told, answer.retry_after)
        if answer.ok:
            _refuse_other_form(request, answer)
        return answer


def _refuse_other_form(request: Request, answer: Answer) -> None:
    """Raise UnansweredError for a success that says something else than SciCat would."""
    try:
        request.shape(answer.body)
    except ValueError as error:
        raise UnansweredError(f"SciCat's answer to {request} is not understood: {error}.") from None


def _log_rejected(request: Request, answer: Answer) -> None:
    """Keep what SciCat did not accept. Our bug, most likely; a job's result holds links, which are secrets."""
    sent = {name: value for name, value in (request.body or {}).items() if name != "jobResultObject"}
    text = orjson.dumps(sent).decode()[:_LOGGED_CHARACTERS]
    logger.warning("SciCat rejected a request", extra={"answer": answer.told, "body": text})
