"""Whom the doctor examines: what was named, what a deployed stack says, or the local stack."""

import json

import boto3
import pytest
from types_boto3_s3 import S3Client

from local.configuration import Login, StageFailed
from local.doctor.patient import OWNER_GROUP, Given, Patient


def given(**named: str) -> Given:
    return Given(**dict.fromkeys(Given.__dataclass_fields__, "") | named)


def a_stack(name: str, *secrets: str) -> None:
    """A stack as the template makes it, as far as the doctor reads it."""
    for secret in secrets:
        account = {"username": f"account of {secret}", "password": f"password of {secret}"}
        boto3.client("secretsmanager").create_secret(Name=secret.lower(), SecretString=json.dumps(account))
    parameters = {
        "SciCatUrl": "https://scicat.example.org/",
        "PidPrefix": "20.500.11935",
        "SciCatGroupJobType": "archive_for_group",
    }
    # moto's CloudFormation makes no secrets. Buckets are known by their names as secrets are.
    buckets = {secret: {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": secret.lower()}} for secret in secrets}
    template = {
        "Parameters": {name: {"Type": "String"} for name in parameters},
        "Resources": buckets,
        "Outputs": {"ApiUrl": {"Value": "https://archiver.example.org/api/v1"}},
    }
    boto3.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )


def account_of(secret: str) -> Login:
    return Login(f"account of {secret}", f"password of {secret}")


def test_what_is_named_is_examined_with_passwords_from_the_environment() -> None:
    named = given(
        scicat_url="https://scicat.example.org/",
        scicat_username="archiver",
        scicat_jobs_username="jobcreator",
        job_api_username="scicat",
    )
    passwords = {"SCICAT_PASSWORD": "one", "SCICAT_JOBS_PASSWORD": "two", "JOB_API_PASSWORD": "three"}
    assert named.patient(passwords) == Patient(
        url="https://scicat.example.org",
        archiver=Login("archiver", "one"),
        creator=Login("jobcreator", "two"),
        pid_prefix="20.500.11935",
        owner_group=OWNER_GROUP,
        owner_user=None,
        group_job_type="archive",
        job_api=Login("scicat", "three"),
    )


def test_one_account_is_enough_to_name() -> None:
    patient = given(scicat_url="https://any", scicat_username="archiver").patient({"SCICAT_PASSWORD": "one"})
    assert (patient.creator, patient.job_api, patient.api) == (None, None, None)


@pytest.mark.parametrize(
    ("named", "missing"),
    [
        ({"scicat_url": "https://any"}, "without SCICAT_USERNAME"),
        ({"scicat_url": "https://any", "scicat_username": "archiver"}, "SCICAT_PASSWORD is not set"),
    ],
)
def test_what_is_missing_is_named(named: dict[str, str], missing: str) -> None:
    with pytest.raises(StageFailed, match=missing):
        given(**named).patient({})


def test_a_deployment_says_where_its_scicat_is_and_has_its_accounts(aws: S3Client) -> None:
    assert aws
    a_stack("any-stack", "SciCatSecret", "SciCatJobsSecret", "JobApiSecret")
    patient = given(stack="any-stack", owner_group="group1", owner_user="user1").patient({})
    assert patient == Patient(
        url="https://scicat.example.org",
        archiver=account_of("SciCatSecret"),
        creator=account_of("SciCatJobsSecret"),
        pid_prefix="20.500.11935",
        owner_group="group1",
        owner_user="user1",
        group_job_type="archive_for_group",
        job_api=account_of("JobApiSecret"),
        api="https://archiver.example.org/api/v1",
    )


def test_a_deployment_with_one_account_creates_jobs_with_it(aws: S3Client) -> None:
    assert aws
    a_stack("any-stack", "SciCatSecret", "JobApiSecret")
    assert given(stack="any-stack").patient({}).creator is None


def test_a_stack_that_is_not_there_or_none_of_ours_is_told(aws: S3Client) -> None:
    assert aws
    with pytest.raises(StageFailed, match="The stack any-stack cannot be read"):
        given(stack="any-stack").patient({})
    a_stack("any-stack", "OtherSecret")
    with pytest.raises(StageFailed, match="none of this service"):
        given(stack="any-stack").patient({})


def test_without_a_local_stack_the_ways_to_name_one_are_told() -> None:
    with pytest.raises(StageFailed, match=r"The local stack is not up .*SCICAT_URL=….*STACK=…"):
        given().patient({"LOCALSTACK_PORT": "9"})


def test_the_prefix_of_pids_may_be_given_empty(aws: S3Client) -> None:
    assert aws
    a_stack("any-stack", "SciCatSecret", "JobApiSecret")
    named = given(scicat_url="https://any", scicat_username="archiver")
    for patient in (
        given(stack="any-stack").patient({"PID_PREFIX": ""}),
        named.patient({"PID_PREFIX": "", "SCICAT_PASSWORD": "one"}),
    ):
        assert patient.pid_prefix == ""
