"""livez says that the function runs, readyz that the service could do its work."""

import io
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import boto3
import pytest
from types_boto3_s3 import S3Client

from archiver.http import timeouts, ttl_cache
from tests.support.account import ROOT
from tests.support.archiver_api import Api
from tests.support.catalogue import Scicat


def failing(api: Api) -> dict[str, dict[str, str]]:
    """What readyz finds failing, by the dependency's name."""
    answer = api.get("/health/readyz")
    assert answer.status == 503
    assert answer.json["status"] == "not ready"
    return {one["dependency"]: one for one in answer.json["errors"]}


def test_a_running_function_is_alive(api: Api) -> None:
    answer = api.get("/health/livez")

    assert (answer.status, answer.json["status"]) == (200, "healthy")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(answer.json["timestamp"])).total_seconds() < 60


@pytest.mark.usefixtures("scicat")
def test_the_service_is_ready_when_everything_it_needs_answers(api: Api) -> None:
    answer = api.get("/health/readyz")

    assert (answer.status, answer.json["status"]) == (200, "ready")
    assert set(answer.json) == {"status", "timestamp"}


@pytest.mark.usefixtures("scicat")
def test_the_sample_event_asks_whether_the_service_is_ready(api: Api) -> None:
    answer = api.answer(json.loads((ROOT / "events" / "api-get-readyz.json").read_text()))

    assert (answer.status, answer.json["status"]) == (200, "ready")


def test_without_scicat_the_service_is_not_ready(api: Api) -> None:
    assert failing(api) == {
        "scicat": {
            "dependency": "scicat",
            "endpoint": "http://127.0.0.1:9",
            "message": "does not answer (scicat_unavailable)",
        }
    }


def test_with_a_wrong_password_for_scicat_the_service_is_not_ready(api: Api, scicat: Scicat) -> None:
    account = json.dumps({"username": "archiver", "password": "any-wrong-password"})
    boto3.client("secretsmanager").put_secret_value(SecretId="scicat", SecretString=account)

    found = failing(api)

    assert list(found) == ["scicat"]
    assert found["scicat"]["endpoint"] == scicat.url
    assert found["scicat"]["message"] == "answers, but refuses the archiver's password (scicat_login)"


@pytest.mark.usefixtures("scicat")
def test_with_a_wrong_password_of_the_account_that_creates_jobs_the_service_is_not_ready(api: Api) -> None:
    account = json.dumps({"username": "jobcreator", "password": "any-wrong-password"})
    boto3.client("secretsmanager").put_secret_value(SecretId="scicat-jobs", SecretString=account)

    assert failing(api)["scicat"]["message"] == "answers, but refuses the archiver's password (scicat_login)"


@pytest.mark.parametrize(
    ("refused", "setting"),
    [
        ("^PATCH /api/v4/jobs", "UPDATE_JOB_PRIVILEGED_GROUPS"),
        ("^POST /api/v4/jobs", "CREATE_JOB_PRIVILEGED_GROUPS"),
        ("^POST /api/v3/datasets", "CREATE_DATASET_PRIVILEGED_GROUPS"),
    ],
)
def test_without_a_right_in_scicat_the_service_is_not_ready_and_the_log_names_the_setting(
    api: Api, scicat: Scicat, log: io.StringIO, refused: str, setting: str
) -> None:
    scicat.faults({"match": refused, "status": 403})

    message = failing(api)["scicat"]["message"]

    assert message == "answers, but refuses the archiver (scicat_forbidden)"
    assert setting in log.getvalue()


def test_the_answer_is_remembered_for_ten_seconds_and_changes_nothing_in_scicat(
    api: Api, scicat: Scicat, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(ttl_cache, "time", SimpleNamespace(monotonic=lambda: now))
    scicat.faults({"match": ".", "nth": 1_000})
    assert api.get("/health/readyz").status == 200
    asked = scicat.seen()
    now = 9.9
    assert api.get("/health/readyz").status == 200
    assert scicat.seen() == asked
    now = 10.1
    assert api.get("/health/readyz").status == 200
    assert scicat.seen() > asked
    assert scicat.jobs() == []


@pytest.mark.usefixtures("scicat")
@pytest.mark.parametrize(("bucket", "dependency"), [("landing", "s3"), ("lts", "lts")])
def test_without_its_bucket_the_service_is_not_ready(api: Api, aws: S3Client, bucket: str, dependency: str) -> None:
    aws.delete_bucket(Bucket=bucket)

    assert list(failing(api)) == [dependency]


def test_what_takes_too_long_counts_as_not_answered(api: Api, scicat: Scicat, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scicat
    monkeypatch.setattr(timeouts, "_SECONDS", 0.0)

    assert "scicat" in failing(api)


def test_credentials_in_an_address_are_not_shown(api: Api, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SCICAT_URL", "http://any-user:any-password@127.0.0.1:9/any/path?any=query")

    assert failing(api)["scicat"]["endpoint"] == "http://127.0.0.1:9"
