"""What is remembered is asked for once, forgotten in time, and never much."""

from types import SimpleNamespace

import pytest

from archiver.http import ttl_cache
from archiver.http.ttl_cache import Remembered


@pytest.fixture
def asked() -> list[str]:
    """What had to be found out, in order."""
    return []


def ask(memory: Remembered[str, int], asked: list[str], key: str) -> int:
    def find() -> int:
        asked.append(key)
        return len(asked)

    return memory.get(key, find)


def test_an_answer_is_remembered_for_so_many_seconds(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(ttl_cache, "time", SimpleNamespace(monotonic=lambda: now))
    memory = Remembered[str, int](seconds=60, entries=10)

    assert [ask(memory, asked, "a"), ask(memory, asked, "b"), ask(memory, asked, "a")] == [1, 2, 1]
    now = 59.9
    assert ask(memory, asked, "a") == 1
    now = 60.0
    assert ask(memory, asked, "a") == 3


def test_the_oldest_answers_are_forgotten_first(asked: list[str]) -> None:
    memory = Remembered[str, int](seconds=60, entries=2)

    for key in ("a", "b", "c", "b", "c", "a"):
        ask(memory, asked, key)

    assert asked == ["a", "b", "c", "a"]
    assert len(memory._values) == 2


def test_what_could_not_be_found_out_is_asked_again() -> None:
    memory = Remembered[str, int](seconds=60, entries=2)

    def fail() -> int:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        memory.get("a", fail)

    assert memory.get("a", lambda: 1) == 1


def test_nothing_is_an_answer_as_well(asked: list[str]) -> None:
    memory = Remembered[str, None](seconds=60, entries=2)

    for _ in range(2):
        memory.get("a", lambda: asked.append("a"))

    assert asked == ["a"]


def test_what_changed_is_found_anew(asked: list[str]) -> None:
    memory = Remembered[str, int](seconds=60, entries=10)

    assert ask(memory, asked, "a") == 1
    memory.forget("a")
    memory.forget("unknown")

    assert ask(memory, asked, "a") == 2
