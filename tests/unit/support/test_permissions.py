"""The permissions of the template: none is for everything, and a missing one is felt in tests."""

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.support.permissions import Permission, as_function, enforced_permissions, permissions_of
from tests.support.template import RESOURCES, resources_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

FUNCTIONS = sorted(resources_of("AWS::Serverless::Function"))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_permission_names_its_action_and_its_resource(function: str) -> None:
    permissions = permissions_of(function)
    assert permissions
    for permission in permissions:
        assert "*" not in permission.action
        assert not permission.resource.startswith(("*", "arn:aws:s3:::*"))
    assert len(permissions) == len(set(permissions)), "given twice"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_whoever_reads_from_a_bucket_may_list_it(function: str) -> None:
    # Or S3 says of what is gone that it is forbidden (403), and not that it is gone (404).
    given = permissions_of(function)
    read = {permission.resource.partition("/")[0] for permission in given if permission.action == "s3:GetObject"}
    assert read <= {permission.resource for permission in given if permission.action == "s3:ListBucket"}


def test_only_who_cleans_up_gives_up_or_sweeps_may_delete_from_landing_and_nobody_from_the_archive() -> None:
    deleting = [
        (function, permission.resource)
        for function in FUNCTIONS
        for permission in permissions_of(function)
        if permission.action == "s3:DeleteObject"
    ]
    landing = "arn:aws:s3:::landing"
    assert {(function, resource) for function, resource in deleting if resource.startswith(landing)} == {
        ("CleanUpDataset", f"{landing}/incoming/*"),
        ("CleanUpDataset", f"{landing}/openem-network/datasets/*"),
        ("Api", f"{landing}/openem-network/datasets/*"),
        ("SweepLanding", f"{landing}/openem-network/datasets/*"),
        # Its own answers to a dataset.json that proved to be data.
        ("MatchDrop", f"{landing}/incoming/*/dataset.status.json"),
    }
    assert not [function for function, resource in deleting if resource.startswith("arn:aws:s3:::lts/")]


def test_only_who_creates_jobs_may_log_in_as_the_account_that_does() -> None:
    secret = Permission("secretsmanager:GetSecretValue", "SCICAT_JOBS_SECRET")
    readers = {name for name in FUNCTIONS if secret in permissions_of(name, frozenset({"JobsAccountGiven"}))}
    variables = {name for name in FUNCTIONS if "SCICAT_JOBS_SECRET" in str(RESOURCES[name]["Properties"])}

    assert readers == variables == {"Api", "RequestArchive"}
    assert not [name for name in FUNCTIONS if secret in permissions_of(name)]


def test_a_function_is_refused_what_its_policies_do_not_allow(aws: "S3Client") -> None:
    read = as_function("ReportDrop", aws.get_object)
    aws.put_object(Bucket="landing", Key="incoming/any/a.mrc", Body=b"any")
    assert aws.get_object(Bucket="landing", Key="incoming/any/a.mrc")["Body"].read() == b"any"

    with enforced_permissions() as refused, pytest.raises(ClientError, match="AccessDenied"):
        read(Bucket="landing", Key="incoming/any/a.mrc")

    assert refused == ["ReportDrop lacks s3:GetObject on arn:aws:s3:::landing/incoming/any/a.mrc"]
