"""Every route for users, asked by everybody but those whose dataset it is: nobody learns or changes anything."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import jwt
import pytest

from archiver.http.auth import tokens
from archiver.http.auth.callers import Caller
from archiver.models.states import JobBegun, JobKind, Run
from archiver.retrieve import links
from archiver.storage.documents import JOB
from archiver.storage.run_folder import RunFolder
from tests.support.account import execution_arn, state_machine_arn
from tests.support.archiver_api import JOB_API_ACCOUNT, Answer, Api, basic, bearer, event
from tests.support.catalogue import Scicat
from tests.support.identity_provider import OTHER_KEY, a_token

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PID = "20.500.11935/any"
PREFIX = f"openem-network/datasets/{PID}/raw_files/"
OWNER = Caller("user1", frozenset({"group1"}))
FILE = {"dataset_id": PID, "object_name": PREFIX + "any.mrc"}
PART = {"part_number": 1, "etag": "0" * 32, "checksum_sha256": "A" * 43 + "="}

type Headers = dict[str, str]

# What a client of user1 sends on each route for users; "{upload_id}" and "{job_id}" are those of user1's.
REQUESTS: Mapping[tuple[str, str], dict[str, Any]] = {
    ("POST", "/s3/requestDatasetUpload"): {"dataset_id": PID, "dataset_size_gib": 1},
    ("POST", "/s3/presignedUrls"): FILE | {"parts": 2},
    ("GET", "/s3/uploads/{upload_id}/parts"): FILE,
    ("POST", "/s3/completeUpload"): FILE | {"upload_id": "{upload_id}", "parts": [PART]},
    ("POST", "/s3/abortMultipartUpload"): FILE | {"upload_id": "{upload_id}"},
    ("POST", "/s3/finalizeDatasetUpload"): {"dataset_id": PID, "create_archiving_job": True},
    ("POST", "/s3/abortDatasetUpload"): {"dataset_id": PID},
    ("GET", "/archiver/jobs/{job_id}"): {},
    ("POST", "/archiver/jobs/{job_id}/cancel"): {},
}


def tampered(token: str) -> str:
    """The owner's name in somebody else's token."""
    header, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False}) | {"sub": "user1", "groups": ["group1"]}
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.{signature}"


# Everybody who is not user1.
STRANGERS: Mapping[str, Callable[[Scicat], Headers]] = {
    "nobody": lambda _: {},
    "user2 by SciCat": lambda scicat: bearer(scicat.token("user2")),
    "user2 by our token": lambda _: bearer(tokens.issue(Caller("user2", frozenset({"group2"}))).access_token),
    "user2 by the provider": lambda _: bearer(a_token(preferred_username="user2", groups=["/group2", "/a/group1"])),
    "user2 who tampers": lambda _: bearer(tampered(tokens.issue(Caller("user2")).access_token)),
    "a stranger's provider": lambda _: bearer(a_token(key=OTHER_KEY)),
    "the service's own account": lambda scicat: bearer(scicat.token("archiver")),
    "user1's refresh token": lambda _: bearer(tokens.issue(OWNER).refresh_token),
    "a download link": lambda _: bearer(links.url(links.issue("any", PID, datetime.now(UTC))).rpartition("/")[2]),
    "user1's password": lambda _: {"Authorization": basic("user1", "any-password")},
}


@pytest.fixture
def begun(api: Api, aws: "S3Client", scicat: Scicat) -> dict[str, str]:
    """A dataset of user1 with a file and an upload that is not completed, and a job that runs. Returns their ids."""
    scicat.add_dataset(PID)
    scicat.add_files(PID, {"path": "any.mrc", "size": 3, "perm": "Lrwxrwxrwx"})
    owner = bearer(tokens.issue(OWNER).access_token)
    assert ask(api, owner, "POST", "/s3/requestDatasetUpload", {}).status == 201
    aws.put_object(Bucket="landing", Key=PREFIX + "other.mrc", Body=b"any")
    upload = ask(api, owner, "POST", "/s3/presignedUrls", {})
    job_id = scicat.add_job("archive", PID)
    wait = {"StartAt": "Any", "States": {"Any": {"Type": "Wait", "Seconds": 60, "End": True}}}
    stepfunctions = boto3.client("stepfunctions")
    stepfunctions.create_state_machine(
        name="archive", definition=json.dumps(wait), roleArn="arn:aws:iam::123456789012:role/any"
    )
    stepfunctions.start_execution(stateMachineArn=state_machine_arn("archive"), name=job_id)
    runs = (Run(job_id=job_id, run_id=f"{job_id}-1", pid=PID),)
    RunFolder(job_id).save(JOB, JobBegun(job_id=job_id, kind=JobKind.ARCHIVE, runs=runs))
    scicat.told.clear()
    return {"{upload_id}": upload.json["upload_id"], "{job_id}": job_id}


def ask(api: Api, headers: Headers, method: str, route: str, ids: Mapping[str, str]) -> Answer:
    """The answer to a request about user1's dataset."""
    path, body = route, json.dumps(REQUESTS[method, route])
    for name, value in ids.items():
        path, body = path.replace(name, value), body.replace(name, value)
    if method == "POST":
        return api.answer(event(method, path, body, headers | {"Content-Type": "application/json"}))
    query = json.loads(body)
    many = {name: [value] for name, value in query.items()}
    asked = event(method, path, headers=headers)
    return api.answer(asked | {"queryStringParameters": query, "multiValueQueryStringParameters": many})


def state(aws: "S3Client", scicat: Scicat, job_id: str) -> dict[str, Any]:
    """All that a caller could have changed."""
    arn = execution_arn("archive", job_id)
    return {
        "objects": [found["Key"] for found in aws.list_objects_v2(Bucket="landing").get("Contents", [])],
        "notes": [found["Key"] for found in aws.list_objects_v2(Bucket="staging").get("Contents", [])],
        "uploads": [found["UploadId"] for found in aws.list_multipart_uploads(Bucket="landing").get("Uploads", [])],
        "lifecycle": scicat.lifecycle(PID),
        "told": list(scicat.told),
        "job": boto3.client("stepfunctions").describe_execution(executionArn=arn)["status"],
    }


def test_every_route_for_users_is_asked(api: Api) -> None:
    paths = api.get("/openapi.json").json["paths"]
    for_users = {
        (method.upper(), route)
        for route, operations in paths.items()
        for method, operation in operations.items()
        if {"bearer": []} in operation.get("security", [])
    }

    assert set(REQUESTS) == for_users


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("stranger", STRANGERS)
def test_b26_nobody_else_can_do_anything_to_a_users_dataset(
    api: Api, aws: "S3Client", scicat: Scicat, begun: dict[str, str], stranger: str
) -> None:
    before = state(aws, scicat, begun["{job_id}"])
    headers = STRANGERS[stranger](scicat)

    answers = {route: ask(api, headers, *route, begun) for route in REQUESTS}

    refused = {"unauthorized", "forbidden", "job_unknown"}
    assert {
        route: answer.json["code"] for route, answer in answers.items() if answer.json.get("code") not in refused
    } == {}
    assert {answer.status for answer in answers.values()} <= {401, 403, 404, 422}
    assert all(begun["{upload_id}"] not in answer.body for answer in answers.values())
    assert state(aws, scicat, begun["{job_id}"]) == before


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(
    "owner",
    [
        lambda scicat: scicat.token("user1"),
        lambda _: tokens.issue(OWNER).access_token,
        lambda _: a_token(preferred_username="another", groups=["/group1"]),
    ],
    ids=["SciCat", "ours", "provider"],
)
def test_b26_the_owner_group_is_let_in_by_any_token(
    api: Api, scicat: Scicat, begun: dict[str, str], owner: Callable[[Scicat], str]
) -> None:
    headers = bearer(owner(scicat))

    answer = ask(api, headers, "POST", "/s3/requestDatasetUpload", begun)
    job = ask(api, headers, "GET", "/archiver/jobs/{job_id}", begun)

    assert (answer.status, job.status) == (201, 200)


def test_j07_the_basic_account_of_scicat_sees_jobs_and_no_uploads(api: Api, begun: dict[str, str]) -> None:
    headers = {"Authorization": basic(*JOB_API_ACCOUNT)}
    uploads = [route for route in REQUESTS if route[1].startswith("/s3/")]

    codes = {ask(api, headers, *route, begun).json["code"] for route in uploads}

    assert codes == {"unauthorized"}
    assert ask(api, headers, "GET", "/archiver/jobs/{job_id}", begun).status == 200
