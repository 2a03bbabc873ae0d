"""Every function that archives, killed at each of its requests, one after the other: minutes, for ``make faults``."""

import time
from collections import Counter
from itertools import batched, product

import pytest

from local.client import Visitor
from tests.e2e.conftest import RunningStack
from tests.e2e.killing import Killed, archive_under_fire
from tests.e2e.test_kill import DEATHS

# No function asks more often for a dataset of three files; what dies at a request that it does not make lives on.
MOST_REQUESTS = 40
# So many datasets at once, and so many deaths of a function, one for each of them.
DATASETS = 3
# A process that was called before has logged in already: of a function's last requests some may not be made.
SAVED_REQUESTS = 3


@pytest.mark.timeout(3_600)
def test_e01_a_dataset_is_archived_once_wherever_any_of_its_functions_is_killed(
    stack: RunningStack, visitor: Visitor, capsys: pytest.CaptureFixture[str]
) -> None:
    begun, killed, alive = time.monotonic(), list[Killed](), set(DEATHS)
    checkpoints = product(range(1, MOST_REQUESTS + 1), ("before", "after"))
    for number, some in enumerate(batched(checkpoints, DATASETS, strict=False)):
        orders = [f"{request}-{when}" for request, when in some]
        folders = [f"checkpoint-{number}-{dataset}" for dataset in range(DATASETS)]
        died = archive_under_fire(stack, visitor, dict.fromkeys(alive, orders), folders)
        killed += died
        # A function that outlived all of them has no later request.
        alive &= {death.function for death in died}
        with capsys.disabled():
            print(f"\n{len(killed)} killed, {time.monotonic() - begun:.0f} s, on: {', '.join(sorted(alive))}", end="")
        if not alive:
            break
    with capsys.disabled():
        print(f"\n{len(set(killed))} checkpoints:", Counter(death.function for death in set(killed)))
    assert not alive, "there are later requests"
    for function in DEATHS:
        requests = {(death.request, death.when) for death in killed if death.function == function}
        most = max(request for request, _ in requests)
        assert requests >= set(product(range(1, most - SAVED_REQUESTS), ("before", "after"))), function
