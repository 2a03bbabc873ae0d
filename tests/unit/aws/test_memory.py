"""A function's memory does not depend on the size of its first dataset."""

import tracemalloc

from archiver.aws.memory import reserve

MIB = 1024**2


def test_memory_is_taken_once_and_given_back() -> None:
    tracemalloc.start()
    reserve(400 * MIB)
    left, most = tracemalloc.get_traced_memory()
    assert most >= 400 * MIB
    assert left < MIB
    tracemalloc.reset_peak()
    reserve(400 * MIB)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < MIB
