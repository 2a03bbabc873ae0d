"""Of what a sweep looks at, each thing fails alone."""

import json
from collections.abc import Iterable

import pytest

from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.models.states import SweepProgress
from archiver.sweep.sweeping import Sweeping

pytestmark = pytest.mark.usefixtures("environment")

REFUSED = ServiceRefused(Code.PERMISSION, "Any.")
SILENT = ServiceUnavailable(Code.SCICAT_UNAVAILABLE, "Any.")


def swept(errors: Iterable[Exception | None], **begun: int) -> SweepProgress:
    """A call that looks at one thing after the other, each of which ends so."""
    sweeping = Sweeping(SweepProgress(run_id="any", execution_arn="any", part="datasets", **begun))
    for number, error in enumerate(errors):
        with sweeping.alone(f"any/{number}"):
            if error is not None:
                raise error
            sweeping.did("things put right")
    return sweeping.reached(SweepProgress, "any", done=True)


@pytest.mark.parametrize(
    "error", [REFUSED, SILENT, DatasetRejected(Code.BAD_PATH, "Any."), KeyError("pid"), ValueError("of ours")]
)
def test_whatever_fails_with_one_thing_does_not_hold_up_the_others(
    error: Exception, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = swept([None, error, None])

    assert (reached.did, reached.failed, reached.done) == ({"things put right": 2}, 1, True)
    (logged,) = caplog.records
    assert (vars(logged)["part"], vars(logged)["subject"]) == ("datasets", "any/1")
    (metric,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "SweptInVain" in line]
    assert metric["SweptInVain"] == [1.0]


def test_a_service_that_answers_for_nothing_ends_the_part_soon() -> None:
    looked_at = iter([SILENT] * 100)
    with pytest.raises(ServiceUnavailable):
        swept(looked_at)
    assert len(list(looked_at)) == 97


def test_a_service_that_answers_now_and_then_is_asked_on() -> None:
    reached = swept([SILENT, SILENT, None, SILENT, REFUSED] * 10)
    assert (reached.did, reached.failed) == ({"things put right": 10}, 40)


def test_what_was_done_by_earlier_calls_is_remembered() -> None:
    reached = swept([None, REFUSED], calls=2, failed=5)
    assert (reached.calls, reached.failed) == (3, 6)
