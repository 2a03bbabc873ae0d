"""The step StartIngest."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import pytest
import time_machine
from moto.events.models import EventPattern

from archiver.errors import Code, Reason, ServiceUnavailable
from archiver.models.states import ObjectEvent
from functions.start_ingest.app import handler
from tests.support import dropping
from tests.support.account import ROOT, LambdaContext, state_machine_arn
from tests.support.template import RESOURCES, resources_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


ANY_MOMENT = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def ingest(aws: "S3Client") -> None:
    """A workflow that only records that it was started."""
    assert aws
    nothing = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    boto3.client("stepfunctions").create_state_machine(
        name="ingest", definition=json.dumps(nothing), roleArn="arn:aws:iam::123456789012:role/any"
    )


def started() -> list[dict[str, Any]]:
    """The inputs of all executions."""
    client = boto3.client("stepfunctions")
    found = client.list_executions(stateMachineArn=state_machine_arn("ingest"))["executions"]
    return [json.loads(client.describe_execution(executionArn=one["executionArn"])["input"]) for one in found]


def test_the_arrival_of_dataset_json_starts_the_ingest_of_its_folder(aws: "S3Client") -> None:
    dropping.drop(aws, {})

    drop = handler(dropping.an_event(aws), LambdaContext())

    assert drop is not None
    assert started() == [drop]
    assert drop["prefix"] == dropping.PREFIX
    assert drop["execution_arn"].endswith(f":execution:ingest:{drop['run_id']}")


def test_a01_a_second_delivery_of_the_same_event_starts_nothing(aws: "S3Client") -> None:
    dropping.drop(aws, {})
    event = dropping.an_event(aws)

    assert handler(event, LambdaContext()) == handler(event, LambdaContext())
    assert len(started()) == 1


def test_another_write_of_the_same_dataset_json_is_another_execution(aws: "S3Client") -> None:
    for second in range(2):
        with time_machine.travel(ANY_MOMENT + timedelta(seconds=second)):
            dropping.drop(aws, {})
        handler(dropping.an_event(aws), LambdaContext())

    assert len(started()) == 2


@pytest.mark.parametrize("name", ["with space", "Übersicht 🧊", "a+b", "100%25 sure", "it's"])
def test_a_key_is_found_whether_the_event_encodes_it_or_not(aws: "S3Client", name: str) -> None:
    key = f"incoming/{name}/dataset.json"
    dropping.drop(aws, {}, prefix=f"incoming/{name}/")

    as_aws = handler(dropping.an_event(aws, key), LambdaContext())
    as_localstack = handler(dropping.an_event(aws, key, told_key=quote(key)), LambdaContext())

    assert as_aws is not None
    assert as_aws["prefix"] == f"incoming/{name}/"
    assert as_localstack == as_aws


def test_a14_an_event_of_a_foreign_bucket_is_ignored(aws: "S3Client") -> None:
    dropping.drop(aws, {})
    event = dropping.an_event(aws)
    event["detail"]["bucket"]["name"] = "somebody-elses"

    assert handler(event, LambdaContext()) is None
    assert started() == []


@pytest.mark.parametrize("key", ["incoming/a/b/dataset.json", "incoming/a/b/Dataset.json", "elsewhere/a/dataset.json"])
def test_a_dataset_json_that_may_be_data_is_left_to_the_sweep(aws: "S3Client", key: str) -> None:
    aws.put_object(Bucket="landing", Key=key, Body=b"{}")

    assert handler(dropping.an_event(aws, key), LambdaContext()) is None


@pytest.mark.parametrize(
    "key",
    ["incoming/dataset.json", "incoming/a/Dataset.json", "incoming/a/dataset.json.txt", "Incoming/a/dataset.json"],
)
def test_a_dataset_json_that_cannot_be_a_drops_gets_an_ingest_that_says_so(aws: "S3Client", key: str) -> None:
    aws.put_object(Bucket="landing", Key=key, Body=b"{}")

    drop = handler(dropping.an_event(aws, key), LambdaContext())

    assert drop is not None
    assert (drop["misplaced"], drop["prefix"]) == (key, key.rpartition("/")[0] + "/")


def test_beside_dataset_json_a_file_of_nearly_the_same_name_is_data(aws: "S3Client") -> None:
    dropping.drop(aws, {"Dataset.json": b"{}"})
    assert handler(dropping.an_event(aws, f"{dropping.PREFIX}Dataset.json"), LambdaContext()) is None


def test_an_event_of_a_dataset_json_that_was_replaced_or_removed_since_is_ignored(aws: "S3Client") -> None:
    dropping.drop(aws, {})
    event = dropping.an_event(aws)
    dropping.drop(aws, {}, b"another")
    assert handler(event, LambdaContext()) is None

    aws.delete_object(Bucket="landing", Key=f"{dropping.PREFIX}dataset.json")
    assert handler(event, LambdaContext()) is None


def test_a12_an_ingest_that_cannot_be_started_is_an_error_for_eventbridge_to_repeat(
    aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    dropping.drop(aws, {})
    event = dropping.an_event(aws)
    environment.setenv("INGEST_STATE_MACHINE_ARN", state_machine_arn("gone"))

    with pytest.raises(ServiceUnavailable) as error:
        handler(event, LambdaContext())
    assert Reason.from_json(str(error.value)).code is Code.INTERNAL


def test_the_sample_event_is_understood() -> None:
    event = ObjectEvent.model_validate(json.loads((ROOT / "events" / "object-created.json").read_text()))
    assert event.possible_keys == ("incoming/2026-11-20 apoferritin/dataset.json",)


def the_rules_pattern() -> str:
    """The pattern of the deployed rule, for the bucket of these tests."""
    pattern = RESOURCES["StartIngest"]["Properties"]["Events"]["DatasetDropped"]["Properties"]["Pattern"]
    return json.dumps(pattern).replace('"LandingBucket"', '"landing"')


@pytest.mark.parametrize(
    ("bucket", "key", "told"),
    [
        ("landing", "incoming/any drop/dataset.json", True),
        ("landing", "incoming/any drop/Movies/0001.mrc", False),
        ("landing", "incoming/any drop/SHA256SUMS", False),
        ("landing", "incoming/any drop/dataset.status.json", False),
        ("landing", "incoming/any drop/dataset.json.bak", False),
        ("landing", "incoming/dataset.json", True),
        ("landing", "incoming/any drop/DATASET.JSON", True),
        ("landing", "Incoming/any drop/dataset.json", True),
        ("landing", "incoming/any drop/subdataset.json", False),
        ("landing", "openem-network/datasets/20.500.11935/any/raw_files/dataset.json", False),
        ("another", "incoming/any drop/dataset.json", False),
    ],
)
def test_a11_a14_the_rule_tells_of_dataset_json_in_our_bucket_and_of_no_data(
    bucket: str, key: str, *, told: bool
) -> None:
    event: Any = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": bucket}, "object": {"key": key}},
    }
    assert EventPattern.load(the_rules_pattern()).matches_event(event) is told


def test_j08_an_event_that_is_not_acted_upon_waits_among_the_dead_letters_and_raises_an_alarm() -> None:
    queue = "DeadLetterQueue.Arn"
    start = RESOURCES["StartIngest"]["Properties"]
    assert start["DeadLetterQueue"]["TargetArn"] == queue
    assert start["Events"]["DatasetDropped"]["Properties"]["DeadLetterConfig"]["Arn"] == queue
    (alarm,) = (one for one in resources_of("AWS::CloudWatch::Alarm").values() if one["Namespace"] == "AWS/SQS")
    assert (alarm["MetricName"], alarm["Threshold"]) == ("ApproximateNumberOfMessagesVisible", 1)
