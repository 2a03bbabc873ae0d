"""Secrets Manager: the passwords and keys of this deployment, read where they are used and never written anywhere."""

from functools import cache
from typing import cast

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from archiver.aws import clients
from archiver.errors import Code, ServiceUnavailable

# Asked again after this time, so that a changed secret is noticed without a deployment.
_CACHE_SECONDS = 60


def text(arn: str) -> str:
    """A secret that is one string. Raises ServiceUnavailable when Secrets Manager does not hand it out."""
    try:
        return cast("str", _cached().get(arn, max_age=_CACHE_SECONDS))
    except GetParameterError:
        raise _unavailable(arn) from None


def fields(arn: str, seconds: int = _CACHE_SECONDS) -> dict[str, str]:
    """A secret that is a JSON object, such as a username with its password, as it was ``seconds`` ago at most.

    Raises as ``text`` does.
    """
    try:
        return cast("dict[str, str]", _cached().get(arn, transform="json", max_age=seconds))
    except GetParameterError:
        raise _unavailable(arn) from None


def versions(arn: str) -> list[str]:
    """A secret that is rotated: its text and, after a rotation, the one before. Asks each time; raises as ``text``."""
    current, previous = _version(arn, "AWSCURRENT"), _version(arn, "AWSPREVIOUS")
    if current is None:
        raise _unavailable(arn)
    return [current] if previous is None else [current, previous]


@cache
def _cached() -> SecretsProvider:
    """What was read, for a while; it asks by the client that the process has anyway."""
    return SecretsProvider(boto3_client=clients.secretsmanager())


def _version(arn: str, stage: str) -> str | None:
    client = clients.secretsmanager()
    try:
        return client.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"]
    except client.exceptions.ResourceNotFoundException:
        return None
    except clients.SDK_ERRORS:
        raise _unavailable(arn) from None


def _unavailable(arn: str) -> ServiceUnavailable:
    return ServiceUnavailable(Code.INTERNAL, f"Secrets Manager does not hand out {arn}.")
