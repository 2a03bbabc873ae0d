"""The API is asked what its OpenAPI document allows and what it forbids, and each answer is checked (schemathesis)."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, get_args

import boto3
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from pydantic_core.core_schema import ErrorType
from schemathesis.checks import CheckContext, CheckFunction
from schemathesis.specs.openapi.checks import ignored_auth, missing_required_header, positive_data_acceptance

from archiver.http.auth import tokens
from archiver.http.auth.callers import Caller
from archiver.keys import Keys
from archiver.retrieve import links
from tests.support.account import ROOT
from tests.support.archive import deliver
from tests.support.archiver_api import JOB_API_ACCOUNT, basic, bearer
from tests.support.catalogue import Scicat
from tests.support.gateway import BASE_URL, gateway
from tests.support.uploading import PID, PREFIX

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# A test keeps this file equal to what the API says of itself.
document = schemathesis.openapi.from_path(ROOT / "docs" / "openapi.json")
document.app = gateway
document.config.base_url = BASE_URL

# Each example is a request to a route, of which there are many.
few = settings(max_examples=10, suppress_health_check=list(HealthCheck))
# Where the Ingestor would take 401 for a success, whoever has no credentials is refused with 422 (see FOR_INGESTOR).
REFUSES_WITH_422 = {"/s3/presignedUrls", "/s3/completeUpload", "/s3/finalizeDatasetUpload"}
# What a made-up name looks like that could be the name of something.
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WORD = re.compile(r"[0-9A-Za-z]{1,300}")
NAMES = {"id": UUID, "job_id": UUID, "dataset_id": WORD, "token": WORD, "refresh_token": WORD}
ABOUT_FORM = set(get_args(ErrorType))
KEY = Keys.datablock(PID, "any-run-1", 0)

type Known = Mapping[str, str]


@pytest.fixture
def known(environment: pytest.MonkeyPatch, aws: "S3Client", scicat: Scicat) -> Known:
    """What is there to be asked for, by the names of parameters and fields."""
    assert aws
    environment.setenv("REQUESTS_PER_SECOND", "10000")
    definition = json.dumps({"StartAt": "Any", "States": {"Any": {"Type": "Pass", "End": True}}})
    role = "arn:aws:iam::123456789012:role/any"
    boto3.client("stepfunctions").create_state_machine(name="archive", definition=definition, roleArn=role)
    scicat.add_dataset(PID, archivable=True)
    deliver(KEY, b"any tar")
    link = links.url(links.issue(KEY, PID, datetime.now(UTC)))
    job_id = scicat.add_job("archive", PID)
    return {
        "id": job_id,
        "job_id": job_id,
        "dataset_id": PID,
        "token": link.rpartition("/")[2],
        "refresh_token": tokens.issue(Caller("user1", frozenset({"group1"}))).refresh_token,
    }


@document.parametrize()
@few
def test_whatever_is_asked_the_answer_is_as_documented(
    case: schemathesis.Case[Any], known: Known, scicat: Scicat
) -> None:
    aim(case, known)
    # 422 also refuses what is well written, such as a file of another dataset: ``accepts_the_form`` tells them apart.
    excluded: list[CheckFunction] = [positive_data_acceptance]
    if case.path in REFUSES_WITH_422:
        excluded += [missing_required_header, ignored_auth]
    case.call_and_validate(
        headers=credentials(case, scicat), additional_checks=[accepts_the_form], excluded_checks=excluded
    )


def credentials(case: schemathesis.Case[Any], scicat: Scicat) -> dict[str, str]:
    """The first of those that the route asks for."""
    for scheme in case.operation.definition.raw.get("security", ()):
        return {"Authorization": basic(*JOB_API_ACCOUNT)} if "basic" in scheme else bearer(scicat.token("user1"))
    return {}


def aim(case: schemathesis.Case[Any], known: Known) -> None:
    """Ask for what is there where a name was made up that could be one; what is no name stays as it is."""
    for place in (case.path_parameters, case.query, case.body):
        made_up = place if isinstance(place, dict) else {}
        for name, value in made_up.items():
            if isinstance(value, str) and name == "object_name":
                made_up[name] = PREFIX + value
            elif isinstance(value, str) and name in NAMES and NAMES[name].fullmatch(value):
                made_up[name] = known[name]


def accepts_the_form(_: CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]) -> None:
    """Who asks as the document says may be refused for what is asked, and not for how."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
        kinds = {wrong["type"] for wrong in response.json()["detail"]}
        assert not kinds & ABOUT_FORM, response.text
    assert response.status_code != HTTPStatus.UNSUPPORTED_MEDIA_TYPE
