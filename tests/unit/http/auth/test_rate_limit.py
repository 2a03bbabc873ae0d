"""Whoever asks too often is told when to ask again, and keeps nobody else from asking."""

from types import SimpleNamespace

import pytest
import time_machine

from archiver.http.auth import rate_limit
from archiver.http.auth.rate_limit import Pace
from archiver.http.problems import Refusal
from tests.support.archiver_api import JOB_API_ACCOUNT, Api, basic, bearer, event

WRONG = {"Authorization": basic(JOB_API_ACCOUNT[0], "any-wrong-password")}


def asked(limit: Pace, caller: str) -> str | None:
    """When a caller is told to ask again, who asks once more; None when the caller is served."""
    try:
        limit.keep(caller)
    except Refusal as refused:
        return refused.headers["Retry-After"]
    limit.count(caller)
    return None


def test_b39_a_bucket_is_emptied_at_once_and_fills_again_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(rate_limit, "time", SimpleNamespace(monotonic=lambda: now))
    limit = Pace(burst=3, per_second=0.5)

    assert [asked(limit, "any") for _ in range(5)] == [None, None, None, "2", "2"]
    assert asked(limit, "another") is None

    now += 2
    assert [asked(limit, "any"), asked(limit, "any")] == [None, "2"]

    now += 1_000_000
    assert [asked(limit, "any") for _ in range(4)] == [None, None, None, "2"]


def test_b39_so_many_callers_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_CALLERS", 10)
    limit = Pace(burst=1, per_second=0.001)

    assert {asked(limit, f"caller-{number}") for number in range(1_000)} == {None}

    assert len(limit._left) == 10
    assert asked(limit, "caller-999") is not None


def test_b39_a_caller_who_asks_too_often_is_told_when_to_come_back(api: Api, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REQUESTS_PER_SECOND", "1")

    with time_machine.travel(0, tick=False):
        answers = [api.post("/archiver/jobs", {}) for _ in range(3)]

    assert [answer.status for answer in answers] == [422, 422, 429]
    assert (answers[-1].json["code"], answers[-1].headers["retry-after"]) == ("too_many_requests", "1")
    assert api.get("/health/livez").status == 200


def test_b23_whoever_guesses_passwords_is_throttled_and_another_is_not(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "_FAILURES", 5)

    assert [api.post("/archiver/jobs", {}, WRONG).status for _ in range(8)] == [401] * 5 + [429] * 3
    # The right password does not help any more than a wrong one: a guess is not confirmed.
    assert api.post("/archiver/jobs", {}).status == 429

    request = event("POST", "/archiver/jobs", "{}", {"Content-Type": "application/json", **WRONG})
    request["requestContext"]["identity"] = {"sourceIp": "192.0.2.99"}
    assert api.answer(request).status == 401


def test_b23_tokens_that_cost_nothing_to_refuse_throttle_nobody(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_FAILURES", 1)

    refused = {api.post("/s3/requestDatasetUpload", {}, bearer("not.a.token")).status for _ in range(5)}

    assert refused == {401}
    assert api.post("/archiver/jobs", {}).status == 422
