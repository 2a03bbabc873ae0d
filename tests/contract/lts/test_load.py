"""The LTS mock with ten thousand objects: it starts, answers and recalls them as fast as a few."""

import time
import timeit
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mocks.lts.ledger import Ledger
from mocks.lts.tape import Hardware, Place, Tape, TapeObject
from tests.support.loopback import LOOPBACK, loopback_client

if TYPE_CHECKING:
    from tests.contract.lts.conftest import StartMock, TapeMock

OBJECTS = 10_000
ASKED_OVER_HTTP = 1_000
KEYS = [f"openem-network/datasets/20.500.11935/{n:05d}/datablocks/run/{n:05d}_0.tar" for n in range(OBJECTS)]
RESTORE = (
    "<RestoreRequest><Days>1</Days><GlacierJobParameters><Tier>Standard</Tier></GlacierJobParameters></RestoreRequest>"
)
FAST_TAPE = Hardware(migration_delay=60.0, drives=16, recall_delay=600.0)

type Timed = Callable[[str, float], None]


@pytest.fixture
def timed(capsys: pytest.CaptureFixture[str]) -> Timed:
    """Prints a figure also when the test passes."""

    def tell(what: str, began: float) -> None:
        with capsys.disabled():
            print(f"\n  {what}: {time.perf_counter() - began:.2f} s", end="")

    return tell


def test_ten_thousand_objects_are_taken_up_shown_recalled_and_kept_over_a_restart(
    start_mock: "StartMock", tmp_path: Path, timed: Timed
) -> None:
    began = time.perf_counter()
    with start_mock(FAST_TAPE, replicas=False) as lts:
        ledger = Ledger(tmp_path)
        for key in KEYS:
            ledger.save(TapeObject(lts.bucket, key, Place.MIGRATING, due=time.time() + 60))
        timed(f"writing {OBJECTS} objects down", began)

    began = time.perf_counter()
    with start_mock(FAST_TAPE, replicas=False) as lts:
        timed("starting with them", began)
        began = time.perf_counter()
        lts.advance(120)
        timed("all of them reach the tape", began)
        _ask_for_a_thousand(lts, timed)
        began = time.perf_counter()
        state = lts.whole_state()
        timed("telling the whole state", began)
        assert (len(state["drives"]["busy"]), len(state["queue"])) == (16, ASKED_OVER_HTTP - 16)
        began = time.perf_counter()
        assert f"Objects: {OBJECTS}" in LOOPBACK.get(f"{lts.url}/__page").text
        timed("the status page", began)

    with start_mock(FAST_TAPE, replicas=False) as lts:
        assert lts.whole_state()["queue"] == state["queue"]
        began = time.perf_counter()
        lts.advance(600 * (ASKED_OVER_HTTP / 16 + 1))
        timed(f"{ASKED_OVER_HTTP} recalls by 16 drives", began)
        places = [one["place"] for one in lts.whole_state()["objects"].values()]
        assert places.count("online") == ASKED_OVER_HTTP
        assert places.count("on tape") == OBJECTS - ASKED_OVER_HTTP


def _ask_for_a_thousand(lts: "TapeMock", timed: Timed) -> None:
    began = time.perf_counter()
    with loopback_client(f"{lts.url}/{lts.bucket}") as client, ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda key: client.post(f"/{key}?restore", content=RESTORE), KEYS[:ASKED_OVER_HTTP])
        assert {answer.status_code for answer in answers} == {202}
    timed(f"{ASKED_OVER_HTTP} recalls asked for", began)


def test_no_move_of_the_tape_takes_longer_the_more_objects_it_has() -> None:
    def move(count: int) -> None:
        tape = Tape(replace(FAST_TAPE, drives=count))
        for n in range(count):
            tape.write("any", str(n), now=0.0)
        tape.advance(60.0)
        for one in tape:
            assert tape.recall(one, 1, one.tier, now=60.0) == "accepted"
        tape.advance(60.0)
        tape.advance(700.0)
        assert all(one.place is Place.ONLINE for one in tape)

    def seconds_for(count: int) -> float:
        # The best of some: what else the process does, as to collect its garbage, only adds.
        return min(timeit.repeat(partial(move, count), timer=time.process_time, number=1, repeat=3))

    assert seconds_for(OBJECTS) < 40 * seconds_for(OBJECTS // 10)
