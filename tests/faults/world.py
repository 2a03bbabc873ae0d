"""The whole service in one process without a thread or a socket: real handlers, real state machines, step by step."""

import importlib
import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import stamina
import time_machine
import urllib3
from botocore.client import BaseClient

from archiver.aws import clients
from archiver.keys import Keys
from tests.faults.memory_aws import MemoryAws
from tests.faults.memory_scicat import MemoryScicat
from tests.faults.stepper import Step, Stepper
from tests.faults.wire import STUCK, Befall, Mishap, Wire, Worker
from tests.support.account import (
    BUCKETS,
    ENVIRONMENT,
    LambdaContext,
    execution_arn,
    forget_what_processes_remember,
    state_machine_arn,
)
from tests.support.archiver_api import Api
from tests.support.memory_account import Stored, etag_of, now
from tests.support.permissions import as_function, enforced_permissions
from tests.support.s3_faults import WorkerKilled
from tests.support.state_machines import definitions, snake

_BEGIN = "2026-11-23T08:00:00Z"
_SCICAT = "http://scicat"
# Seconds: S3's client repeats what it cannot send, and gives up on an answer.
_LONGEST = {Befall.STUCK_BEFORE: 300.0, Befall.STUCK_AFTER: 60.0}


@dataclass(frozen=True, slots=True)
class Told:
    """A change of a dataset that an archiving asked SciCat for, and the run that held the dataset's lease then."""

    run_id: str
    asked: str
    holder: str


@dataclass(slots=True)
class Stuck:
    """A worker on its way, that may be stuck in it ``until`` then (seconds since the epoch)."""

    step: Step
    worker: Worker
    until: float
    thread: threading.Thread = field(default_factory=threading.Thread)
    answer: tuple[str, bool] | None = None
    ended: bool = False


class World:
    """The service, its neighbours, and the people who use it. Time stands still unless ``clock`` is moved."""

    def __init__(self, folder: Path, clock: time_machine.Traveller) -> None:
        machines = {state_machine_arn(name): json.loads(text) for name, text in definitions().items()}
        self.clock = clock
        self.wire = Wire()
        self.aws = MemoryAws(self.wire, BUCKETS)
        self.scicat = MemoryScicat(folder, self.wire)
        self.stepper = Stepper(machines, self._invoke, self._put)
        self.aws.stepper = self.stepper
        self.told: list[Told] = []
        self.scicat.heard = self._note
        # Workers that are stuck, the first that was first.
        self.stuck: list[Stuck] = []
        self._next = Worker()

    def take(self, step: Step, mishap: Mishap | None = None) -> None:
        """Take an execution's step; ``mishap`` befalls the worker that does it, which may get stuck."""
        self._next = Worker(mishap)
        if mishap is None or mishap.befall not in STUCK:
            self.stepper.take(step)
            return
        errand = Stuck(step, self._next, self.clock_seconds() + _LONGEST[mishap.befall])
        errand.thread = threading.Thread(target=self._do, args=(errand,))
        errand.thread.start()
        errand.worker.rests.wait()
        if errand.ended:
            self._answer(errand)
        else:
            step.thread.busy = True
            self.stuck.append(errand)

    def free(self, errand: "Stuck") -> None:
        """Let a stuck worker go on to its end; whoever still waits for it gets its answer."""
        self.stuck.remove(errand)
        errand.worker.freed.set()
        errand.thread.join()
        self._answer(errand)

    def give_up(self, errand: "Stuck") -> None:
        """Let Step Functions believe that a stuck worker is lost; it is not, and goes on later."""
        self.stepper.answer(errand.step, (_error("Lambda.Unknown", "The function could not be reached."), True))

    def call(self, function: str, payload: object, mishap: Mishap | None = None) -> tuple[str, bool]:
        """Call a function as an event does."""
        self._next = Worker(None if mishap is None or mishap.befall in STUCK else mishap)
        return self._invoke(function, json.dumps(payload))

    @staticmethod
    def clock_seconds() -> float:
        """What the clock shows, in seconds since the epoch."""
        return time.time()

    def _do(self, errand: "Stuck") -> None:
        try:
            errand.answer = self.stepper.ask(errand.step)
        finally:
            errand.ended = True
            errand.worker.rests.set()

    def _answer(self, errand: "Stuck") -> None:
        if errand.answer is not None:
            self.stepper.answer(errand.step, errand.answer)

    def tell_archiver(self, job_id: str, kind: str) -> int:
        """Tell the API of a job, as SciCat does; returns the status of its answer."""
        with self.wire.of(Worker(run_id="api")):
            return Api(LambdaContext("Api")).post("/archiver/jobs", {"id": job_id, "type": kind}).status

    def _invoke(self, arn: str, payload: str) -> tuple[str, bool]:
        function = arn.rpartition(":")[2]
        event = json.loads(payload)
        handler: Callable[[Any, LambdaContext], Any] = importlib.import_module(
            f"functions.{snake(function)}.app"
        ).handler
        worker, self._next = self._next, Worker()
        worker.run_id = str(event.get("run_id", event.get("job_id", function)))
        try:
            with self.wire.of(worker):
                answer = as_function(function, handler)(event, LambdaContext(function_name=function))
        except WorkerKilled:
            return _error("Runtime.ExitError", "RequestId: any Error: Runtime exited with error: signal: killed"), True
        except Exception as error:  # Lambda tells of any exception
            return _error(type(error).__name__, str(error), traceback.format_tb(error.__traceback__)), True
        return json.dumps(answer), False

    def _note(self, run_id: str, asked: str) -> None:
        """Note who holds the lease while an archiving changes a dataset."""
        pid = unquote(asked.partition("/datasets/")[2].partition("/")[0])
        if pid and execution_arn("archive_dataset", run_id) in self.stepper.executions:
            lease = self.aws.buckets["staging"].get(Keys.lease(pid))
            self.told.append(Told(run_id, asked, json.loads(lease.body)["run_id"] if lease else ""))

    def _put(self, bucket: str, key: str, body: bytes) -> None:
        self.aws.put(bucket, key, Stored(body, etag_of(body), now()))


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    """A new world; everything that would leave the process leads into it."""
    with (
        pytest.MonkeyPatch.context() as patch,
        _silence(),
        time_machine.travel(_BEGIN, tick=False) as clock,
    ):
        _be_a_function(patch)
        world = World(folder, clock)

        def answered(client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
            return world.aws.answer(client, operation, request)

        patch.setattr(BaseClient, "_make_api_call", answered)
        patch.setattr(urllib3.PoolManager, "request", lambda _, *asked, **named: world.scicat.request(*asked, **named))
        patch.setattr(ThreadPoolExecutor, "submit", _done_at_once)
        with enforced_permissions() as refused, stamina.set_testing(True, attempts=3, cap=True):
            yield world
        world.scicat.close()
        assert not refused, refused
    forget_what_processes_remember()


@contextmanager
def _silence() -> Iterator[None]:
    """Without logs: thousands of steps would write ten times as many lines."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _be_a_function(patch: pytest.MonkeyPatch) -> None:
    """The environment of a function, and the memory of a process that has just begun."""
    arns = {f"{name.upper()}_STATE_MACHINE_ARN": state_machine_arn(name) for name in definitions()}
    for name, value in (ENVIRONMENT | arns | {"SCICAT_URL": _SCICAT}).items():
        patch.setenv(name, value)
    forget_what_processes_remember()
    # Making a client reads its service's whole description.
    patch.setattr(clients, "s3", _kept(clients.s3))
    patch.setattr(clients, "stepfunctions", _kept(clients.stepfunctions))


_clients: dict[Callable[[], Any], Any] = {}


def _kept[C](make: Callable[[], C]) -> Callable[[], C]:
    """A client that outlives the process that made it: it remembers nothing."""

    def kept() -> C:
        if make not in _clients:
            _clients[make] = make()
        client: C = _clients[make]
        return client

    return kept


def _done_at_once(_: ThreadPoolExecutor, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
    """What a pool's thread would do, done before the next line: the same run has the same order every time."""
    done: Future[Any] = Future()
    try:
        done.set_result(work(*args, **kwargs))
    except BaseException as error:  # as the pool hands on whatever ended the work
        done.set_exception(error)
    return done


def _error(name: str, message: str, stack: list[str] | None = None) -> str:
    return json.dumps({"errorMessage": message, "errorType": name, "stackTrace": stack or []})
