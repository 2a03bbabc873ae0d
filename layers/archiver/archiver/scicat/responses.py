"""What an answer of SciCat means: something to read, or one of the three exceptions of ``errors``."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.scicat.json_values import Json

# SciCat answers 500, not 413, to a body of more than 16 MB; one of this size is not sent again after a 500.
LARGE_BODY_BYTES = 12_000_000

# A SciCat whose MongoDB is away answers 403 and 401 after 30 seconds; a real refusal takes less than one.
DATABASE_SECONDS = 20.0

_Failure = type[DatasetRejected] | type[ServiceRefused] | type[ServiceUnavailable]
_UNAVAILABLE = (ServiceUnavailable, Code.SCICAT_UNAVAILABLE)
_REJECTED = (ServiceRefused, Code.SCICAT_REJECTED)
# What an answer means that is not the one asked for; every other status means _REJECTED.
_MEANING: Mapping[int, tuple[_Failure, Code]] = {
    401: (ServiceRefused, Code.SCICAT_FORBIDDEN),
    403: (ServiceRefused, Code.SCICAT_FORBIDDEN),
    404: (DatasetRejected, Code.DATASET_UNKNOWN),
    413: (ServiceRefused, Code.CATALOGUE_ENTRY_TOO_LARGE),
    **dict.fromkeys((408, 425, 429, 500, 502, 503, 504), _UNAVAILABLE),
}

# What SciCat refuses with one of these it gives a reason for, in JSON.
_SAID_IN_JSON = frozenset({400, 401, 403, 404, 405, 422})

# Which of SciCat's settings names the groups that may do what was refused with 403.
_PERMISSIONS = (
    (re.compile(r"PATCH .*/datasetlifecycle"), "UPDATE_DATASET_LIFECYCLE_GROUPS"),
    (re.compile(r"DELETE .*/datablocks/"), "DELETE_GROUPS"),
    (re.compile(r"POST .*/jobs"), "CREATE_JOB_PRIVILEGED_GROUPS"),
    (re.compile(r".*/jobs"), "UPDATE_JOB_PRIVILEGED_GROUPS"),
    (re.compile(r"POST .*/(datasets|(orig)?datablocks)$"), "CREATE_DATASET_PRIVILEGED_GROUPS"),
    (re.compile(r"PATCH .*/datasets/"), "ADMIN_GROUPS"),
    (re.compile(r"GET .*/datasets/"), "UPDATE_DATASET_LIFECYCLE_GROUPS"),
)
# What mends a refusal that SciCat words like this.
_ADVICE = {
    "PID is not following required standards": (
        "The archiver's PidPrefix and SciCat's DATASET_CREATION_VALIDATION_REGEX do not fit each other"
    ),
    "User does not belong to any group, cannot create job": (
        "For a group without a user this SciCat needs a job type of its own: set the archiver's SciCatGroupJobType"
    ),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its status and parsed body, and what had been asked.

    ``retry_after`` is how many seconds SciCat asks to wait, ``waited`` how many it took to answer.
    """

    asked: str
    sent_bytes: int
    status: int
    body: Json
    retry_after: float | None
    waited: float = 0.0

    @property
    def ok(self) -> bool:
        """It was done."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """SciCat's own words: a string, or the list of what was wrong with each field."""
        message = self.body.get("message", "") if isinstance(self.body, dict) else self.body
        return str(message or "")[:500]

    @property
    def told(self) -> str:
        """What was asked, and how SciCat answered, in one sentence."""
        size = f" ({self.sent_bytes} bytes sent)" if self.too_large or self.status == 413 else ""
        return f"SciCat answered {self.status} to {self.asked}{size}: {self.message or 'no message'}"

    @property
    def unavailable(self) -> bool:
        """The same request may be answered later."""
        is_busy = _MEANING.get(self.status) == _UNAVAILABLE and not self.too_large
        return is_busy or self._without_database or self.is_anothers

    @property
    def is_anothers(self) -> bool:
        """A proxy or a page of maintenance answered: SciCat redirects nobody, and says in JSON what it refuses."""
        return 300 <= self.status < 400 or (self.status in _SAID_IN_JSON and not isinstance(self.body, dict))

    @property
    def _without_database(self) -> bool:
        """SciCat waited half a minute for its database, in vain, and says that the account may not."""
        return self.status in {401, 403} and self.waited >= DATABASE_SECONDS

    @property
    def changed_meanwhile(self) -> bool:
        """Somebody else changed the same document (412): what was to be changed must be looked at again."""
        return self.status == 412

    @property
    def too_large(self) -> bool:
        """SciCat failed at the size of the request."""
        return self.status == 500 and self.sent_bytes > LARGE_BODY_BYTES

    @property
    def malformed(self) -> bool:
        """SciCat did not take the body as it is."""
        return self.status in {400, 422}

    @property
    def not_found(self) -> bool:
        """SciCat knows no such thing. A route or proxy that does not exist answers 404 in other words."""
        return self.status == 404 and "not found" in self.message

    @property
    def no_route(self) -> bool:
        """This server has no such route: SciCat's release is too old, or it is another program."""
        return self.status == 404 and self.message.startswith("Cannot ")

    @property
    def unknown_job(self) -> bool:
        """SciCat knows no such job."""
        return self.not_found or (self.status == 400 and self.message == "Invalid job id.")

    @property
    def frozen_job(self) -> bool:
        """SciCat knows the job and lets nobody change it: it looks for the job's datasets first, and one is deleted."""
        return self.status == 404 and self.message.startswith("Unable to get a dataset")

    @property
    def login_refused(self) -> bool:
        """A new token may help. SciCat passes the archiver's own 401 on under this message."""
        return self.status in {401, 403} and not self.message.startswith("A remote URL call failed")

    def read[T](self, reader: Callable[[Json], T]) -> T:
        """What ``reader`` makes of the body. Raises ServiceUnavailable when it lacks what SciCat always sends.

        An answer that is not the one asked for is raised as its ``failure``.
        """
        if not self.ok:
            raise self.failure()
        try:
            return reader(self.body)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            message = f"SciCat's answer to {self.asked} is not understood: {type(error).__name__} {error}."
            raise ServiceUnavailable(Code.SCICAT_UNAVAILABLE, message) from None

    def failure(self) -> DatasetRejected | ServiceRefused | ServiceUnavailable:
        """The exception that it means."""
        failure, code = _MEANING.get(self.status, _REJECTED)
        if self.status == 404 and not self.not_found:
            failure, code = _REJECTED
        if self.too_large:
            failure, code = _MEANING[413]
        return failure(code, self.told + self._what_to_do())

    def _what_to_do(self) -> str:
        """What an operator may have to do."""
        if self.no_route:
            return ". This release of SciCat cannot work with the archiver, or SciCatUrl leads to something else."
        advice = next((advice for words, advice in _ADVICE.items() if words in self.message), None)
        if advice:
            return f". {advice} (docs/scicat)."
        groups = next((groups for asked, groups in _PERMISSIONS if asked.match(self.asked)), None)
        return f". Is the account in a group of {groups}?" if self.status == 403 and groups else ""
