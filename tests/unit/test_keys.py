"""The run to which a datablock belongs can be read from its key."""

import pytest

from archiver.keys import Keys

PID = "20.500.11935/any"


@pytest.mark.parametrize("pid", [PID, "any", "a/b/c", "any/datablocks/odd"])
def test_the_run_of_a_datablock_is_read_back_from_its_key(pid: str) -> None:
    key = Keys.datablock(pid, "any-job-1", 1)
    assert Keys.run_of(key) == (pid, "any-job-1")
    assert Keys.run_of(Keys.second_copy(key)) == (pid, "any-job-1")


@pytest.mark.parametrize(
    "key", ["", "any", "runs/any-job-1/plan.json", f"elsewhere/{PID}/datablocks/any-job-1/any.tar", Keys.uploads(PID)]
)
def test_any_other_key_is_of_no_run(key: str) -> None:
    assert Keys.run_of(key) is None
