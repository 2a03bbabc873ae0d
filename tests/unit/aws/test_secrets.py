"""Secrets that Secrets Manager does not hand out."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from archiver.aws import secrets
from archiver.errors import ServiceUnavailable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ASKS: list[Callable[[str], object]] = [secrets.text, secrets.fields, secrets.versions]


@pytest.mark.parametrize("ask", ASKS)
def test_a_secret_that_is_not_there_is_a_service_that_does_not_answer(
    aws: "S3Client", ask: Callable[[str], object]
) -> None:
    assert aws
    with pytest.raises(ServiceUnavailable, match="does not hand out unknown"):
        ask("unknown")


@pytest.mark.parametrize("ask", ASKS)
def test_a_secrets_manager_that_does_not_answer_is_named_with_the_secret(
    aws: "S3Client", environment: pytest.MonkeyPatch, ask: Callable[[str], object]
) -> None:
    assert aws
    environment.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:9")
    environment.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ServiceUnavailable, match="does not hand out link"):
        ask("link")
