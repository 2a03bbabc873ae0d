"""The step RestoreUploads: uploads that a client wrote to tape are read only when they can be."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from botocore.exceptions import ClientError

from archiver.archive import restoring
from archiver.aws import clients
from archiver.errors import Code, ServiceRefused
from functions.restore_uploads import app as restore_uploads
from functions.snapshot_dataset.app import handler as snapshot
from tests.support.account import LambdaContext
from tests.support.dataset import ADataset

START = datetime(2026, 11, 23, 8, tzinfo=UTC)


class Tape:
    """Which uploads cannot be read yet, and how often each was asked for."""

    def __init__(self, dataset: ADataset) -> None:
        self.dataset = dataset
        self.offline = set(dataset.files)
        self.asked: Counter[str] = Counter()
        events = clients.s3().meta.events
        events.register("provide-client-params.s3.GetObject", self._refuse)
        events.register("provide-client-params.s3.RestoreObject", self._note)

    def _refuse(self, params: dict[str, Any], **_: Any) -> None:
        if params["Key"].removeprefix(self.dataset.prefix) in self.offline:
            raise ClientError({"Error": {"Code": "InvalidObjectState"}}, "GetObject")

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.asked[params["Key"].removeprefix(self.dataset.prefix)] += 1


@pytest.fixture
def tape(a_dataset: Callable[..., ADataset], lambda_context: LambdaContext) -> Tape:
    """A matched dataset that today's Ingestor uploaded."""
    dataset = a_dataset(files={"a.mrc": b"first", "b.mrc": b"second", "empty": b""})
    for path, body in dataset.files.items():
        dataset.s3.put_object(Bucket="landing", Key=dataset.prefix + path, Body=body, StorageClass="GLACIER")
    matched = snapshot(dataset.run, lambda_context)
    assert matched is not None
    assert matched["offline"] is True
    return Tape(dataset)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


def restore(tape: Tape, state: dict[str, Any] | None = None) -> dict[str, Any]:
    result = restore_uploads.handler(state or tape.dataset.run, LambdaContext())
    assert result is not None
    return result


def test_d11_uploads_on_tape_are_asked_for_once_and_waited_for(tape: Tape, clock: time_machine.Traveller) -> None:
    waits = []
    state = restore(tape)
    for _ in range(3):
        waits.append(state["wait_seconds"])
        clock.shift(state["wait_seconds"] * 10)
        state = restore(tape, state)
    assert waits == sorted(waits)
    assert waits[0] == 2
    assert tape.asked == {"a.mrc": 1, "b.mrc": 1}

    tape.offline = {"b.mrc"}
    state = restore(tape, state)
    assert (state["readable"], state["wait_seconds"] > 0) == (1, True)
    tape.offline.clear()
    assert restore(tape, state)["wait_seconds"] == 0
    assert tape.asked == {"a.mrc": 1, "b.mrc": 1}


def test_d11_nothing_is_asked_for_where_all_can_be_read(tape: Tape) -> None:
    for path in tape.offline:
        key = tape.dataset.prefix + path
        tape.dataset.s3.restore_object(Bucket="landing", Key=key, RestoreRequest={"Days": 1})
    tape.offline.clear()
    assert restore(tape)["wait_seconds"] == 0
    assert not tape.asked


def test_d11_uploads_that_do_not_come_back_are_told_as_landing_offline(
    tape: Tape, clock: time_machine.Traveller
) -> None:
    state = restore(tape)
    clock.shift(restoring.RESTORE_TIMEOUT + timedelta(seconds=1))
    with pytest.raises(ServiceRefused) as refused:
        restore(tape, state)
    assert (refused.value.reason.code, refused.value.reason.files) == (Code.LANDING_OFFLINE, ("a.mrc",))


def test_d11_a_call_without_time_left_says_where_it_stopped(tape: Tape, environment: pytest.MonkeyPatch) -> None:
    environment.setattr(restoring, "deadline", lambda: 0.0)
    state = restore(tape)
    assert (state["asked"], state["readable"], state["wait_seconds"]) == (0, 0, 2)


def test_d07_an_upload_that_was_replaced_while_tape_was_waited_for_is_refused(tape: Tape) -> None:
    tape.offline.clear()
    tape.dataset.s3.put_object(Bucket="landing", Key=f"{tape.dataset.prefix}a.mrc", Body=b"other")
    with pytest.raises(Exception, match="changed_after_validate"):
        restore(tape)
