"""Everything that may happen to the service, at random and in any order; what always holds is checked after each step.

Hypothesis chooses (https://hypothesis.readthedocs.io/en/latest/stateful.html): a failing sequence is shortened to the
few steps that matter, and printed as a program.
"""

import json
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from archiver.keys import Keys
from mocks.scicat.storage.store import Document, Kind
from tests.faults.promises import Promises
from tests.faults.stepper import Execution
from tests.faults.wire import Befall, Mishap
from tests.faults.world import World, a_world
from tests.support.account import state_machine_arn
from tests.support.catalogue import ANY_TIME, a_dataset
from tests.support.dropping import EVENT, a_document
from tests.support.memory_account import Stored, etag_of, now

# Legal names, some of them odd.
_NAMES = ("a.mrc", "deep/b.mrc", "grid 1/Übersicht 🧊.mrc", "a+b=c/#1?.dat", "%2e%2e/x", "-rf", "n" * 120)
_SIZES = (0, 1, 511, 512, 513, 5000)
FILES = st.dictionaries(st.sampled_from(_NAMES), st.sampled_from(_SIZES), min_size=1, max_size=3)
WHICH = st.integers(0, 30)
MISHAPS = st.builds(
    Mishap,
    befall=st.sampled_from([*Befall, Befall.ALTERED]),
    at=st.sampled_from([1, 1, 1, 2, 2, 3, 4, 6, 9, 14]),
    times=st.sampled_from([1, 1, 1, 5]),
    service=st.sampled_from(["", "", "s3", "scicat", "states"]),
)
SERVICES = st.sampled_from(["s3", "lts", "scicat", "states"])
_DROPS = ("incoming/one/", "incoming/two/", "incoming/three/")
# A recall waits, is asked again and gives up after some hundred looks, each a few steps; everything else is shorter.
_ENDLESS = 5_000
# So many put everything right: what one starts may leave work to the next. The first of an hour looks at every drop.
_SWEEPS = 4
_BETWEEN_SWEEPS = 3600 + 60


@dataclass(slots=True)
class Tally:
    """How much was done, by all machines of this process."""

    steps: int = 0
    examples: int = 0
    checks: Counter[str] = field(default_factory=Counter)

    def add(self, checked: Counter[str]) -> None:
        """Count what one example looked after."""
        self.examples += 1
        self.checks += checked


TALLY = Tally()


class Service(RuleBasedStateMachine):
    """The service among users, faults and operators."""

    def __init__(self) -> None:
        super().__init__()
        self._exit = ExitStack()
        folder = Path(tempfile.mkdtemp(prefix="random-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self._exit.callback(shutil.rmtree, folder)
        self.world: World = self._exit.enter_context(a_world(folder))
        self.promises = Promises(self.world)
        self._numbers = 0
        self._coming: deque[Mishap] = deque()

    # Users

    @initialize(dropped=FILES, uploaded=FILES)
    def begin_with_two_datasets(self, dropped: Mapping[str, int], uploaded: Mapping[str, int]) -> None:
        self.drop(_DROPS[0], dropped, 1)
        self.upload(uploaded)
        self.ask_for_a_job(0, None, "archive")
        self.tell_of_job(0)

    @rule(prefix=st.sampled_from(_DROPS), files=FILES, told=st.integers(0, 2))
    def drop(self, prefix: str, files: Mapping[str, int], told: int) -> None:
        """Somebody drops a folder; its event arrives, arrives twice, or is lost."""
        for path, size in files.items():
            self._put(prefix + path, size)
        self._write(f"{prefix}dataset.json", json.dumps(a_document(datasetName=f"n{self._number()}")).encode())
        for _ in range(told):
            self.tell_of_drop(prefix, None)

    @rule(prefix=st.sampled_from(_DROPS), mishap=st.none() | MISHAPS)
    def tell_of_drop(self, prefix: str, mishap: Mishap | None) -> None:
        """The event arrives (again)."""
        marker = self.world.aws.buckets["landing"].get(f"{prefix}dataset.json")
        if marker is not None:
            event = json.loads(EVENT.read_text())
            event["detail"]["bucket"]["name"] = "landing"
            event["detail"]["object"] |= {"key": f"{prefix}dataset.json", "etag": marker.etag}
            self.world.call("StartIngest", event, mishap)

    @precondition(lambda self: len(self._datasets()) < 4)
    @rule(files=FILES)
    def upload(self, files: Mapping[str, int]) -> None:
        """Somebody registers a dataset, and uploads its files by the API."""
        pid = f"20.500.11935/{UUID(int=self._number())}"
        self.world.scicat.ask("archiver", "POST", "/api/v3/datasets", a_dataset(pid=pid))
        entries = [{"path": path, "size": size, "time": ANY_TIME} for path, size in files.items()]
        body = {"size": sum(files.values()), "dataFileList": entries}
        self.world.scicat.ask("archiver", "POST", f"{_path(pid)}/origdatablocks", body)
        for path, size in files.items():
            self._put(Keys.uploads(pid) + path, size)

    @precondition(lambda self: self._files())
    @rule(which=WHICH, size=st.none() | st.sampled_from(_SIZES))
    def meddle(self, which: int, size: int | None) -> None:
        """Somebody deletes a file that was uploaded, or replaces it."""
        key = _chosen(self._files(), which)
        if size is None:
            self.world.aws.remove("landing", key)
        else:
            self._put(key, size)

    @precondition(lambda self: self._datasets())
    @rule(which=WHICH, another=st.none() | WHICH, kind=st.sampled_from(["archive", "archive", "retrieve"]))
    def ask_for_a_job(self, which: int, another: int | None, kind: str) -> None:
        """Somebody wants one or two datasets archived or retrieved; SciCat may refuse."""
        pids = {_chosen(self._datasets(), one)["_id"]: None for one in (which, another) if one is not None}
        datasets = [{"pid": pid, "files": []} for pid in pids]
        body = {"type": kind, "ownerUser": "user1", "ownerGroup": "group1", "jobParams": {"datasetList": datasets}}
        self.world.scicat.try_to("user1", "POST", "/api/v4/jobs", body)

    @precondition(lambda self: self._datasets())
    @rule(which=WHICH, size=st.sampled_from([0, 0, 1]))
    def add_a_file(self, which: int, size: int) -> None:
        """Somebody lists and uploads one more file, perhaps while the dataset is being archived."""
        pid, path = _chosen(self._datasets(), which)["_id"], f"more-{self._number()}"
        body = {"size": size, "dataFileList": [{"path": path, "size": size, "time": ANY_TIME}]}
        self.world.scicat.ask("archiver", "POST", f"{_path(pid)}/origdatablocks", body)
        self._put(self.promises.prefix_of(pid) + path, size)

    # The service goes on

    @precondition(lambda self: self._jobs())
    @rule(which=WHICH)
    def tell_of_job(self, which: int) -> None:
        """SciCat tells the archiver of a job, or tells it again."""
        job = _chosen(self._jobs(), which)
        self.world.tell_archiver(job["_id"], job["type"])

    @precondition(lambda self: self.world.stepper.ready())
    @rule(choices=st.lists(WHICH, min_size=1, max_size=25))
    def go_on(self, choices: list[int]) -> None:
        """Executions take steps, in any order."""
        for choice in choices:
            self._take(choice)

    @precondition(lambda self: self.world.stepper.ready())
    @rule(first=st.integers(0, 2), steps=st.integers(1, 60))
    def go_on_in_order(self, first: int, steps: int) -> None:
        """One execution goes on, as long as it can, then the next."""
        for _ in range(steps):
            self._take(first)

    @rule(mishaps=st.lists(MISHAPS, min_size=3, max_size=12))
    def trouble_comes(self, mishaps: list[Mishap]) -> None:
        """Workers to come are killed, or a request of theirs goes wrong: one mishap after the other."""
        self._coming.extend(mishaps)

    @precondition(lambda self: self.world.stuck)
    @rule(which=WHICH, lost=st.booleans())
    def look_after_the_stuck(self, which: int, lost: bool) -> None:
        """A worker that was stuck goes on; or Step Functions calls another, and then both do the work."""
        errand = _chosen(self.world.stuck, which)
        if lost:
            self.world.give_up(errand)
        else:
            self.world.free(errand)

    @precondition(lambda self: any(self._running()))
    @rule(which=WHICH, children=st.booleans())
    def stop(self, which: int, children: bool) -> None:
        """Somebody stops an execution; Step Functions stops the nested ones too, where it can."""
        execution = _chosen(self._running(), which)
        nested = [one.arn for one in self.world.stepper.nested(execution.arn)] if children else []
        self.world.stepper.stop(execution.arn)
        for arn in nested:
            self.world.stepper.stop(arn)

    @rule()
    def sweep(self) -> None:
        """The hour strikes: a sweep starts, also beside one that runs."""
        self.world.stepper.start(state_machine_arn("sweep"), f"sweep-{self._number()}", "{}")

    # Services and time

    @rule(service=SERVICES)
    def service_goes_down(self, service: str) -> None:
        self.world.wire.down.add(service)

    @precondition(lambda self: self.world.wire.down)
    @rule()
    def services_come_back(self) -> None:
        self.world.wire.down.clear()

    @rule(rotated=st.booleans())
    def tokens_end(self, rotated: bool) -> None:
        """SciCat's logins expire, or it signs with another secret from now on."""
        if rotated:
            self.world.scicat.accounts.replace_secret()
        else:
            self.world.scicat.accounts.expire_tokens()

    @rule(hours=st.sampled_from([0.1, 1, 13, 200]))
    def time_passes(self, hours: float) -> None:
        self._shift(hours * 3600)

    # What holds

    @invariant()
    def promises_are_kept(self) -> None:
        TALLY.steps += 1
        self.promises.check()

    def teardown(self) -> None:
        """Let everything come to its end, then look whether all is in order."""
        try:
            self._finish()
        finally:
            TALLY.add(self.promises.checked)
            while self.world.stuck:
                self.world.free(self.world.stuck[0])
            self._exit.close()

    def _finish(self) -> None:
        self.world.wire.down.clear()
        while self.world.stuck:
            self.world.free(self.world.stuck[0])
        self._drain()
        self._coming.clear()
        for _ in range(_SWEEPS):
            self._drain()
            self._shift(_BETWEEN_SWEEPS)
            self.sweep()
        self._drain()
        self.promises.check_at_rest()

    def _drain(self) -> None:
        """Take every step that is left."""
        for _ in range(_ENDLESS):
            if not self.world.stepper.ready():
                return
            self._take(0)
        raise AssertionError("the executions do not come to an end")

    # How it is done

    def _take(self, which: int) -> None:
        ready = self.world.stepper.ready()
        if ready:
            befallen = self.world.wire.befallen
            self.world.take(_chosen(ready, which), self._coming[0] if self._coming else None)
            if self.world.wire.befallen > befallen:
                self._coming.popleft()
            # This worker asked too little to meet it; the next one may meet another.
            self._coming.rotate(-1)
            self._shift(1)
            self.promises_are_kept()

    def _shift(self, seconds: float) -> None:
        """Move the clock; whoever is stuck goes on before it shows too much."""
        for errand in [one for one in self.world.stuck if one.until <= self.world.clock_seconds() + seconds]:
            self.world.free(errand)
        self.world.clock.shift(seconds)

    def _running(self) -> list[Execution]:
        return [execution for execution in self.world.stepper.executions.values() if execution.status == "RUNNING"]

    def _datasets(self) -> list[Document]:
        return self.world.scicat.store.all(Kind.DATASET)

    def _jobs(self) -> list[Document]:
        return self.world.scicat.store.all(Kind.JOB)

    def _files(self) -> list[str]:
        """The keys of what lies in the landing bucket, but for the drops' own documents."""
        return [key for key in self.world.aws.buckets["landing"] if not key.endswith(".json")]

    def _put(self, key: str, size: int) -> None:
        """A file whose bytes were never there before."""
        self._write(key, f"{self._number():08d}".encode().ljust(size, b".")[:size])

    def _write(self, key: str, body: bytes) -> None:
        self.world.aws.put("landing", key, Stored(body, etag_of(body), now()))

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers


def _path(pid: str) -> str:
    return f"/api/v3/datasets/{quote(pid, safe='')}"


def _chosen[T](among: list[T], which: int) -> T:
    return among[which % len(among)]
