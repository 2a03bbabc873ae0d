"""Workers that die at any of their requests, and states that time out: nothing is left lying about."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from archiver.settings import MIB
from mocks.scicat.storage.store import Kind
from tests.faults.promises import Promises
from tests.faults.stepper import Call, Step
from tests.faults.wire import Befall, Mishap
from tests.faults.world import World, a_world
from tests.support.dropping import EVENT, a_document
from tests.support.memory_account import Stored, etag_of, now

PREFIX = "incoming/any/"
# One datablock with a part that S3 copies, and one of glue alone.
FILES: Mapping[str, bytes] = {
    "big.mrc": bytes(range(256)) * 40 * 1024,
    "deep/ä.txt": b"small",
    "deep/b.txt": b"smaller",
    "empty": b"",
}
STEPS = (
    "StartIngest", "ReadDrop", "RegisterDataset", "MatchDrop", "RegisterFiles", "RequestArchive", "ReportDrop",
    "BeginJob", "ClaimDataset", "SnapshotDataset", "PlanDatablocks", "PackageDatablock", "SealDatablock",
    "StoreDatablock", "VerifyDatablocks", "RegisterDatablocks", "CompleteDataset", "CleanUpDataset", "FinishJob",
)  # fmt: skip


@dataclass(slots=True)
class Archiving:
    """A drop on its way to the archive; ``requests`` are those that the first call of each function made.

    The state of the function ``times_out`` does so before its worker answers.
    """

    world: World
    files: Mapping[str, bytes] = field(default_factory=lambda: FILES)
    times_out: str = ""
    requests: dict[str, int] = field(default_factory=dict)
    killed: int = 0

    def run(self, mishap: Mishap | None = None) -> None:
        """From the drop until nothing is left to do, while ``mishap`` befalls the first call of every function."""
        marker = json.dumps(a_document()).encode()
        for path, body in {**self.files, "dataset.json": marker}.items():
            self.world.aws.put("landing", PREFIX + path, Stored(body, etag_of(body), now()))
        event: dict[str, Any] = json.loads(EVENT.read_text())
        event["detail"]["bucket"]["name"] = "landing"
        event["detail"]["object"] |= {"key": f"{PREFIX}dataset.json", "etag": etag_of(marker)}
        for _ in range(2):  # an event is told again when the worker that it was told to dies
            self._work("StartIngest", partial(self.world.call, "StartIngest", event), mishap)
        while steps := self.world.stepper.ready():
            self._take(steps[0], mishap)
            self._hear_of_jobs()

    def _take(self, step: Step, mishap: Mishap | None) -> None:
        function = step.pending.function.rpartition(":")[2] if isinstance(step.pending, Call) else ""
        if function and function == self.times_out:
            self.world.stepper.answer(step, (json.dumps({"errorType": "States.Timeout", "errorMessage": ""}), True))
        elif function:
            self._work(function, partial(self.world.take, step), mishap)
        else:
            self.world.take(step)
        self.world.clock.shift(1)

    def _work(self, function: str, work: Callable[[Mishap | None], object], mishap: Mishap | None) -> None:
        before = self.world.wire.carried
        is_first = function not in self.requests
        work(mishap if is_first else None)
        if is_first:
            self.requests[function] = self.world.wire.carried - before
            self.killed += mishap is not None and self.requests[function] == mishap.at

    def _hear_of_jobs(self) -> None:
        """SciCat tells the API of its new jobs."""
        for job in self.world.scicat.store.all(Kind.JOB):
            if job["statusCode"] == "jobSubmitted":
                self.world.tell_archiver(job["_id"], job["type"])

    def assert_archived_once(self) -> None:
        """The dataset is in the LTS and in SciCat, each datablock once; nothing of the work is left."""
        promises = Promises(self.world)
        promises.check()
        promises.check_at_rest()
        (dataset,) = self.world.scicat.store.all(Kind.DATASET)
        assert dataset["datasetlifecycle"]["archiveStatusMessage"] == "datasetOnArchiveDisk"
        assert [job["statusCode"] for job in self.world.scicat.store.all(Kind.JOB)] == ["finishedSuccessful"]
        registered = [block["archiveId"] for block in self.world.scicat.datablocks(dataset["_id"])]
        assert len(registered) == 2
        assert sorted(self.world.aws.buckets["lts"]) == sorted(registered)
        left = self.world.aws.buckets["landing"].keys()
        assert left == {f"{PREFIX}dataset.json", f"{PREFIX}dataset.status.json"}


@pytest.mark.parametrize("befall", [Befall.KILLED_BEFORE, Befall.KILLED_AFTER], ids=["before it", "after it"])
def test_e01_workers_killed_at_any_request_leave_one_archive_and_nothing_else(
    befall: Befall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABLOCK_BYTES", str(10 * MIB))
    monkeypatch.setenv("LANES", "1")  # one worker does all of a step

    def archive(mishap: Mishap | None, name: str) -> Archiving:
        with a_world(tmp_path / name) as world:
            archiving = Archiving(world)
            archiving.run(mishap)
            archiving.assert_archived_once()
        return archiving

    requests = archive(None, "undisturbed").requests
    assert requests.keys() == set(STEPS)
    killed = [archive(Mishap(befall, at), str(at)).killed for at in range(1, max(requests.values()) + 1)]
    assert sum(killed) == sum(requests.values())
    with capsys.disabled():
        print(f"\n{len(STEPS)} functions, {len(killed)} archivings, workers killed at {sum(killed)} checkpoints")


@pytest.mark.parametrize("function", STEPS[8:17])
def test_e04_a_state_that_times_out_is_reported_and_tidied_up(function: str, tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        Archiving(world, {"a.mrc": b"any"}, times_out=function).run()
        Promises(world).check_at_rest()
        (dataset,) = world.scicat.store.all(Kind.DATASET)
        told = dataset["datasetlifecycle"]
        assert (told["archiveStatusMessage"], told["archivable"]) == ("scheduleArchiveJobFailed", True)
        assert told["archiveReturnMessage"]["code"] == "timeout"
        assert f"{PREFIX}a.mrc" in world.aws.buckets["landing"]


def test_e14_e15_what_passes_between_states_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    def passed(count: int) -> list[tuple[list[str], int]]:
        with a_world(tmp_path / str(count)) as world:
            Archiving(world, {f"deep/{number:04}.mrc": b"any" for number in range(count)}).run()
            return [
                (execution.states, max(map(len, execution.seen))) for execution in world.stepper.executions.values()
            ]

    few, many = passed(1), passed(300)
    assert [states for states, _ in few] == [states for states, _ in many]
    assert max(size for _, size in many) < 2_000
