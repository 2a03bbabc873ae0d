"""The step EndWait."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import pytest

from archiver.errors import ServiceUnavailable
from archiver.keys import Keys
from functions.end_wait.app import handler
from tests.support.account import LambdaContext

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

KEY = "openem-network/datasets/20.500.11935/any/datablocks/any-1/ü 0.tar"


def readable(key: str, bucket: str = "lts") -> dict[str, Any]:
    """The event that an object of the LTS can be read."""
    return {"detail-type": "Object Restore Completed", "detail": {"bucket": {"name": bucket}, "object": {"key": key}}}


def ended(event: Mapping[str, Any]) -> int:
    answer = handler(dict(event), LambdaContext())
    assert answer is not None
    return int(answer["ended"])


def wait(s3: "S3Client", key: str, run_id: str, token: str = "any-token") -> None:
    s3.put_object(Bucket="staging", Key=Keys.wait(key, run_id), Body=json.dumps({"token": token}).encode())


def waits(s3: "S3Client") -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket="staging", Prefix="waits/").get("Contents", [])]


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens of the waits that were ended; those that begin with "late" do not wait any more."""
    tokens: list[str] = []

    def end_wait(token: str) -> bool:
        tokens.append(token)
        return not token.startswith("late")

    monkeypatch.setattr("archiver.aws.step_functions.end_wait", end_wait)
    return tokens


@pytest.mark.parametrize("told", [KEY, quote(KEY, safe="/"), quote(KEY, safe="")])
def test_all_runs_that_wait_for_the_datablock_go_on(aws: "S3Client", given_back: list[str], told: str) -> None:
    wait(aws, KEY, "first-1", "first")
    wait(aws, KEY, "second-1", "second")
    wait(aws, "another.tar", "first-1", "of another")

    assert ended(readable(told)) == 2
    assert sorted(given_back) == ["first", "second"]
    assert waits(aws) == [Keys.wait("another.tar", "first-1")]


def test_g20_an_event_that_comes_twice_or_too_late_is_fine(aws: "S3Client", given_back: list[str]) -> None:
    wait(aws, KEY, "any-1", "late")

    assert ended(readable(KEY)) == 0
    assert ended(readable(KEY)) == 0
    assert given_back == ["late"]


def test_g20_an_event_of_a_datablock_that_nobody_waits_for_is_fine(aws: "S3Client", given_back: list[str]) -> None:
    assert waits(aws) == []
    assert ended(readable(KEY)) == 0
    assert given_back == []


def test_an_event_of_another_bucket_ends_nothing(aws: "S3Client", given_back: list[str]) -> None:
    wait(aws, KEY, "any-1")

    assert ended(readable(KEY, bucket="foreign")) == 0
    assert given_back == []
    assert len(waits(aws)) == 1


def test_a_token_that_means_nothing_to_step_functions_is_swallowed(aws: "S3Client") -> None:
    wait(aws, KEY, "any-1")

    assert ended(readable(KEY)) == 0
    assert waits(aws) == []


def test_a_wait_is_kept_when_step_functions_does_not_answer(aws: "S3Client", environment: pytest.MonkeyPatch) -> None:
    wait(aws, KEY, "any-1")
    assert boto3.client("stepfunctions").list_state_machines()["stateMachines"] == []
    environment.setenv("AWS_ENDPOINT_URL_SFN", "http://127.0.0.1:9")
    environment.setenv("AWS_MAX_ATTEMPTS", "1")

    with pytest.raises(ServiceUnavailable):
        ended(readable(KEY))

    assert len(waits(aws)) == 1
