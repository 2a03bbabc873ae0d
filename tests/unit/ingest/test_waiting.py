"""How long a drop is waited for. Nothing passes here but the waits themselves."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

from archiver.ingest import LONGEST_SECONDS, FileCount, Look, Patience, Waiting, wait_for_documents, wait_on

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
PATIENCE = Patience(quiet=30, missing=120)


def a_look(files: int = 3, **said: object) -> Look:
    """A look that found so many files, unlike one that found more."""
    return Look(arrived=FileCount(files=files, size=files), fingerprint=str((files, said)), **said)  # type: ignore[arg-type]


def waits(look_at: Callable[[int], Look], patience: Patience = PATIENCE, *, listed: bool) -> list[int]:
    """The waits until nothing is waited for any more; ``look_at`` says what is there after so many seconds."""
    waiting, all_waits = Waiting(), [0]
    while (waiting := wait_on(waiting, look_at(sum(all_waits)), patience, listed=listed, now=NOW)).seconds:
        all_waits.append(waiting.seconds)
    return all_waits[1:]


def test_a_list_whose_files_are_there_is_not_waited_for() -> None:
    assert waits(lambda _: a_look(), listed=True) == []


def test_without_a_list_a_folder_in_which_nothing_comes_is_waited_for_as_long_as_the_setting_says() -> None:
    assert sum(waits(lambda _: a_look(), listed=False)) == 30


def test_listed_files_that_are_missing_are_looked_for_until_nothing_came_for_two_minutes() -> None:
    assert 120 <= sum(waits(lambda _: a_look(missing=("a",)), listed=True)) <= 127


@pytest.mark.parametrize("seconds", [1, 10, 100, 1000, 10_000])
def test_the_last_listed_file_is_noticed_soon(seconds: int) -> None:
    told = waits(lambda now: a_look(now, missing=("a",) if now < seconds else ()), listed=True)
    assert seconds <= sum(told) <= seconds + min(max(2, seconds // 8), 120)


@pytest.mark.parametrize("seconds", [1, 10, 100, 1000, 10_000])
def test_without_a_list_the_quiet_is_noticed_soon(seconds: int) -> None:
    assert sum(waits(lambda now: a_look(min(now, seconds)), listed=False)) <= seconds + 30 + 2 * max(5, seconds // 8)


def test_an_open_upload_is_no_quiet() -> None:
    said: Mapping[bool, tuple[str, ...]] = {True: ("big.mrc",), False: ()}
    told = waits(lambda now: a_look(open_uploads=said[now < 7200]), listed=False)
    assert 7200 + 30 <= sum(told) <= 7200 + 300


def test_an_empty_folder_is_waited_for_as_a_missing_file_is() -> None:
    assert 120 <= sum(waits(lambda _: a_look(0), listed=False)) <= 127


@pytest.mark.parametrize("patience", [PATIENCE, Patience(1, 1), Patience(3600, 86_400)])
@pytest.mark.parametrize("listed", [True, False])
def test_what_never_ends_is_waited_for_a_day_and_takes_few_of_an_executions_events(
    patience: Patience, *, listed: bool
) -> None:
    told = waits(lambda now: a_look(now, missing=("a",)), patience, listed=listed)
    assert 24 * 3600 <= sum(told) < 24 * 3600 + 120
    # Nine events each: Step Functions allows 25,000.
    assert len(told) < 900


def test_documents_that_are_written_anew_all_the_time_are_read_less_and_less_and_for_a_day() -> None:
    waiting, all_waits = Waiting(), [0]
    while (waiting := wait_for_documents(waiting, NOW)).seconds:
        all_waits.append(waiting.seconds)
    assert all_waits == sorted(all_waits)
    assert LONGEST_SECONDS <= sum(all_waits) < LONGEST_SECONDS + 600
    assert len(all_waits) < 200
