"""A note that several change at once has all their changes, each made of what was there."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import BaseModel

from archiver.aws.s3 import Bucket
from archiver.storage import buckets
from archiver.storage.shared_documents import Note


class Count(BaseModel):
    number: int = 0


pytestmark = pytest.mark.usefixtures("aws")


def a_note() -> Note[Count]:
    return Note("uploads/any.json", Count)


def one_more(known: Count | None) -> Count:
    return Count(number=known.number + 1 if known else 1)


@pytest.mark.usefixtures("atomic_s3")
def test_of_changes_at_the_same_time_none_is_lost() -> None:
    with ThreadPoolExecutor(8) as changing:
        list(changing.map(lambda _: a_note().change(one_more), range(24)))

    assert a_note().read() == Count(number=24)


def test_what_changes_nothing_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    a_note().write(Count(number=3))
    monkeypatch.setattr(Bucket, "_put", None)

    assert a_note().change(lambda known: known) == Count(number=3)
    assert a_note().change(lambda _: None) == Count(number=3)


def test_a_change_that_is_refused_leaves_the_note_as_it_is() -> None:
    a_note().write(Count(number=3))

    def refuse(_: Count | None) -> Count:
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        a_note().change(refuse)
    assert a_note().read() == Count(number=3)


def test_a_change_whose_answer_was_lost_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    put = Bucket._put

    def put_twice(bucket: Bucket, key: str, *more: object) -> bool:
        put(bucket, key, *more)  # type: ignore[arg-type]  # as it was called
        return put(bucket, key, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Bucket, "_put", put_twice)

    assert [a_note().change(one_more) for _ in range(2)] == [Count(number=1), Count(number=2)]
    a_note().delete()
    assert buckets.staging().head("uploads/any.json") is None
