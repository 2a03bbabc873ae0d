"""The permissions that the template gives each function, enforced in tests as IAM enforces them.

A handler that is called ``as_function`` may do only what the policies of that function allow: any other
call is refused with AccessDenied.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, wraps
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.support.account import ACCOUNT_ID, REGION
from tests.support.template import RESOURCES, TEMPLATE

_STACK = "any-stack"
# What the template's names are called in tests.
_NAMES: Mapping[str, str] = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::StackName": _STACK,
    "LandingBucket.Arn": "arn:aws:s3:::landing",
    "StagingBucket.Arn": "arn:aws:s3:::staging",
    "LtsBucket.Arn": "arn:aws:s3:::lts",
    "RetrievalBucket.Arn": "arn:aws:s3:::retrieval",
    # A secret goes by the variable that names it: a test may give it another name.
    "SciCatSecret": "SCICAT_SECRET",
    "SciCatJobsSecret": "SCICAT_JOBS_SECRET",
    "JobApiSecret": "JOB_API_SECRET",
    "LinkSecret": "LINK_SECRET",
    "TokenSecret": "TOKEN_SECRET",
    "LtsSecret": "LTS_SECRET",
}
_PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
_DENIED: Any = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}


@dataclass(frozen=True, slots=True)
class Permission:
    """An action on a resource: needed by a call, or given by a policy (then with wildcards)."""

    action: str
    resource: str


# What each call needs: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
# and .../list_awsstepfunctions.html, .../list_awssecretsmanager.html. A call without a row is refused.
_OF_OBJECT = {
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "UploadPartCopy": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListParts": "s3:ListMultipartUploadParts",
    "RestoreObject": "s3:RestoreObject",
}
_OF_BUCKET = {"ListObjectsV2": "s3:ListBucket", "ListMultipartUploads": "s3:ListBucketMultipartUploads"}
_OF_ARN = {
    "StartExecution": ("states:StartExecution", "stateMachineArn"),
    "StopExecution": ("states:StopExecution", "executionArn"),
    "DescribeExecution": ("states:DescribeExecution", "executionArn"),
    "GetExecutionHistory": ("states:GetExecutionHistory", "executionArn"),
}

_function: ContextVar[str | None] = ContextVar("function", default=None)


def as_function[**P, R](function: str, handler: Callable[P, R]) -> Callable[P, R]:
    """``handler`` with the permissions of ``function`` (its resource in the template), where they are enforced."""

    @wraps(handler)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        token = _function.set(function)
        try:
            return handler(*args, **kwargs)
        finally:
            _function.reset(token)

    return limited


def current_function() -> str | None:
    """The function that is called, also in the threads that it began; None outside of any."""
    return _function.get()


@contextmanager
def enforced_permissions() -> Iterator[list[str]]:
    """Enforce them. Gives the list of what was refused, which grows."""
    refused: list[str] = []
    call: Callable[..., Any] = vars(BaseClient)["_make_api_call"]
    submit: Callable[..., Future[Any]] = ThreadPoolExecutor.submit

    def limited_call(client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
        function = None if client.meta.endpoint_url == _lts_elsewhere() else _function.get()
        lacking = None if function is None else lacking_permission(function, operation, request)
        if lacking is not None:
            refused.append(f"{function} lacks {lacking.action} on {lacking.resource}")
            raise ClientError(_DENIED, operation)
        return call(client, operation, request)

    def submit_in_context(pool: ThreadPoolExecutor, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return submit(pool, copy_context().run, work, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", limited_call)
        patch.setattr(ThreadPoolExecutor, "submit", submit_in_context)
        yield refused


def lacking_permission(function: str, operation: str, request: Mapping[str, Any]) -> Permission | None:
    """What the policies of a function do not give of what a call needs; None when they give it all."""
    needed = needed_permissions(operation, request)
    return next((one for one in needed if not _is_given(function, one)), None)


def _is_given(function: str, needed: Permission) -> bool:
    variables = {"LtsElsewhere": "LTS_ENDPOINT_URL", "JobsAccountGiven": "SCICAT_JOBS_SECRET"}
    met = frozenset(condition for condition, variable in variables.items() if os.environ.get(variable))
    return any(
        fnmatchcase(needed.action, given.action) and fnmatchcase(needed.resource, given.resource)
        for given in permissions_of(function, met)
    )


def _lts_elsewhere() -> str:
    """The LTS that is another S3 service, with permissions of its own; empty when it is a bucket of the account."""
    return os.environ.get("LTS_ENDPOINT_URL", "")


@cache
def permissions_of(function: str, met: frozenset[str] = frozenset()) -> tuple[Permission, ...]:
    """What the policies of a function allow, in a stack whose parameters meet these conditions of the template."""
    return tuple(
        Permission(action, _resolved(resource))
        for policy in RESOURCES[function]["Properties"]["Policies"]
        for statement in _statements(policy, met)
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
    )


def needed_permissions(operation: str, request: Mapping[str, Any]) -> list[Permission]:
    """What a caller must be allowed for a call. Raises KeyError for a call that no function made so far."""
    if operation == "GetSecretValue":
        return [Permission("secretsmanager:GetSecretValue", _variable(request["SecretId"]))]
    if operation in _OF_ARN:
        action, member = _OF_ARN[operation]
        return [Permission(action, _deployed(request[member]))]
    bucket = f"arn:aws:s3:::{request['Bucket']}"
    if operation in _OF_BUCKET:
        return [Permission(_OF_BUCKET[operation], bucket)]
    if operation == "DeleteObjects":
        objects = request["Delete"]["Objects"]
        read = [Permission("s3:GetObject", f"{bucket}/{one['Key']}") for one in objects if "ETag" in one]
        return [Permission("s3:DeleteObject", f"{bucket}/{one['Key']}") for one in objects] + read
    needed = [Permission(_OF_OBJECT[operation], f"{bucket}/{request['Key']}")]
    if "CopySource" in request:
        source = request["CopySource"]
        needed.append(Permission("s3:GetObject", f"arn:aws:s3:::{source['Bucket']}/{source['Key']}"))
    if "IfMatch" in request:
        needed.append(Permission("s3:GetObject", f"{bucket}/{request['Key']}"))
    return needed


def _statements(policy: Any, met: frozenset[str]) -> list[dict[str, Any]]:
    """The statements of a policy: written out, named, or named under a condition (``!If``)."""
    match policy:
        case {"Statement": [*statements]}:
            return statements
        case "AWS::NoValue":
            return []
        case str():
            return _statements(RESOURCES[policy]["Properties"]["PolicyDocument"], met)
        case [str(condition), policy_if_met, policy_if_not] if condition in TEMPLATE["Conditions"]:
            return _statements(policy_if_met if condition in met else policy_if_not, met)
    raise ValueError(f"not a policy: {policy}")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _resolved(text: str) -> str:
    """A resource as CloudFormation writes it: ``!Sub`` with placeholders, ``!Ref`` and ``!GetAtt`` by their name."""
    return _PLACEHOLDER.sub(lambda match: _NAMES[match[1]], text) if "${" in text else _NAMES[text]


def _deployed(arn: str) -> str:
    """The ARN of a state machine, or of an execution of one, as the stack has it."""
    *service, machine = arn.split(":", maxsplit=6)
    return ":".join([*service, f"{_STACK}-{machine.replace('_', '-')}"])


def _variable(secret: str) -> str:
    """The variable that names a secret; the secret itself when none does."""
    named = (name for name, value in os.environ.items() if name.endswith("_SECRET") and value == secret)
    return next(named, secret)
