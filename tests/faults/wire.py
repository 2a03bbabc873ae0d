"""What lies between a worker and the services: here requests get lost, are refused, and workers die.

Every request of a worker, to AWS or to SciCat, is carried by the ``Wire``. A ``Mishap`` befalls the n-th request of
one call; an outage befalls all requests to a service until it is over.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn

from tests.support.s3_faults import WorkerKilled


class Befall(StrEnum):
    """What may happen to a request."""

    KILLED_BEFORE = "the worker is killed before the request"
    KILLED_AFTER = "the worker is killed before it hears the answer"
    REFUSED = "the service refuses it"
    LOST = "the service does it, and the answer is lost"
    REPEATED = "the answer is lost, and the client's own repetition answered"
    STUCK_BEFORE = "it takes minutes to reach the service"
    STUCK_AFTER = "its answer takes a minute to arrive"
    ALTERED = "what it brings, or is answered, arrives as something else"


_KILLS = {Befall.KILLED_BEFORE, Befall.KILLED_AFTER}
STUCK = {Befall.STUCK_BEFORE, Befall.STUCK_AFTER}
# Only while they wait for these: in SciCat's client, threads would wait for each other.
_MAY_BE_STUCK = {"s3", "lts"}


@dataclass(frozen=True, slots=True)
class Mishap:
    """What befalls a call's ``at``-th request (from 1) to a ``service`` (empty: to any), and ``times`` in all."""

    befall: Befall
    at: int
    times: int = 1
    service: str = ""


@dataclass(slots=True)
class Worker:
    """One call of a function: what it asked for so far, and what will befall it. ``run_id`` is what it works for."""

    mishap: Mishap | None = None
    run_id: str = ""
    requests: int = 0
    dead: bool = False
    was_stuck: bool = False
    # Set when it is stuck, and when it has ended.
    rests: threading.Event = field(default_factory=threading.Event)
    freed: threading.Event = field(default_factory=threading.Event)

    def be_stuck(self) -> None:
        """Rest until somebody frees it."""
        self.was_stuck = True
        self.rests.set()
        self.freed.wait()


@dataclass(frozen=True, slots=True)
class Request[R]:
    """What is asked of a service: how it is done, refused, not answered, and done with bytes altered on their way."""

    do: Callable[[], R]
    refusal: Exception
    silence: Exception
    altered: Callable[[], R]


@dataclass(slots=True)
class Wire:
    """Carries requests. ``down`` are the services that do not answer: ``s3``, ``lts``, ``scicat``, ``states``."""

    down: set[str] = field(default_factory=set)
    # How many requests of workers there were, and how many of them something befell.
    carried: int = 0
    befallen: int = 0
    _worker: ContextVar[Worker | None] = field(default_factory=lambda: ContextVar("worker", default=None))

    @contextmanager
    def of(self, worker: Worker) -> Iterator[None]:
        """The requests in this block are those of ``worker``."""
        token = self._worker.set(worker)
        try:
            yield
        finally:
            self._worker.reset(token)

    @property
    def worker(self) -> Worker | None:
        """Who asks; None when it is the test."""
        return self._worker.get()

    def carry[R](self, service: str, request: Request[R]) -> R:
        """Do a request, unless something befalls it."""
        worker = self._worker.get()
        if worker is None:
            return request.do()
        if worker.dead:
            raise WorkerKilled
        self.carried += 1
        if service in self.down:
            raise request.silence
        befallen = self._befallen(worker, service)
        if befallen is None:
            return request.do()
        self.befallen += 1
        return _befall(worker, befallen, request)

    def _befallen(self, worker: Worker, service: str) -> Befall | None:
        mishap = worker.mishap
        if mishap is None or mishap.service not in {"", service}:
            return None
        if mishap.befall in STUCK and (service not in _MAY_BE_STUCK or worker.was_stuck):
            return None
        worker.requests += 1
        return mishap.befall if mishap.at <= worker.requests < mishap.at + mishap.times else None


def _befall[R](worker: Worker, befallen: Befall, request: Request[R]) -> R:
    if befallen in _KILLS:
        _die(worker, befallen, request.do)
    if befallen in STUCK:
        return _be_stuck(worker, befallen, request.do)
    if befallen is Befall.REFUSED:
        raise request.refusal
    if befallen is Befall.ALTERED:
        return request.altered()
    _quietly(request.do)
    if befallen is Befall.LOST:
        raise request.silence
    return request.do()


def _die(worker: Worker, befallen: Befall, do: Callable[[], object]) -> NoReturn:
    worker.dead = True
    if befallen is Befall.KILLED_AFTER:
        _quietly(do)
    raise WorkerKilled


def _be_stuck[R](worker: Worker, befallen: Befall, do: Callable[[], R]) -> R:
    if befallen is Befall.STUCK_BEFORE:
        worker.be_stuck()
        return do()
    try:
        return do()
    finally:
        worker.be_stuck()


def _quietly(do: Callable[[], object]) -> None:
    """Do it; whatever the answer, nobody hears of it."""
    try:
        do()
    except Exception:  # any refusal is as unheard as an answer
        return
