"""The run to which a datablock belongs can be read from its key."""

import pytest

from archiver.keys import Keys

PID = "20.500.11935/any"


@pytest.mark.parametrize("pid", [PID, "any", "a/b/c", "any/datablocks/odd"])
def test_the_run_of_a_datablock_is_read_back_from_its_key(pid: str) -> None:
    key = Keys.datablock(pid, "any-job-1", 1)
    assert Keys.made(key) == (pid, "any-job-1", 1)
    assert Keys.made(Keys.second_copy(key)) == (pid, "any-job-1", 1)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "any",
        "runs/any-job-1/plan.json",
        f"elsewhere/{PID}/datablocks/any-job-1/20.500.11935-any_1.tar",
        Keys.uploads(PID),
        Keys.selection(PID, "any-job-1", 1),
        *(
            f"openem-network/datasets/{PID}/datablocks/{rest}"
            for rest in (
                "any-job-1/20.500.11935-other_1.tar",
                "any-job-1/20.500.11935-any_1.tar.gz",
                "any-job-1/20.500.11935-any.tar",
                "any-job-1/other/20.500.11935-any_1.tar",
                "any.job/20.500.11935-any_1.tar",
                "20.500.11935-any_1.tar",
            )
        ),
    ],
)
def test_any_other_key_is_of_no_run(key: str) -> None:
    assert Keys.made(key) is None
