"""The one place that makes AWS clients: cached, pooled, with bounded retries and timeouts."""

import logging
from functools import cache
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from archiver.aws import metering

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_stepfunctions import SFNClient

# Whatever the SDK raises: what AWS says, what happens on the way, an answer that cannot be read, a wrong request.
SDK_ERRORS: Final = (ClientError, BotoCoreError, ResponseParserError, HTTPError)

# It tells of every client where it found its credentials.
logging.getLogger("botocore").setLevel(logging.WARNING)

# Checksums are named call by call (CRC64NVME), so boto3's own default is asked for only where required.
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=32,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"addressing_style": "path"},
)
# Without a word, boto3 presigns for us-east-1 by the signature before this one, which AWS no longer gives new buckets.
_S3_CONFIG = _CONFIG.merge(Config(signature_version="s3v4"))


@cache
def s3() -> "S3Client":
    """S3 of this AWS account."""
    return _counted("s3", boto3.client("s3", config=_S3_CONFIG))


@cache
def s3_at(endpoint_url: str, access_key_id: str, secret_access_key: str) -> "S3Client":
    """S3 of another service, with its own credentials."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=_S3_CONFIG,
    )
    return _counted("elsewhere", client)


@cache
def stepfunctions() -> "SFNClient":
    """Step Functions of this AWS account."""
    return boto3.client("stepfunctions", config=_CONFIG)


@cache
def secretsmanager() -> "SecretsManagerClient":
    """Secrets Manager of this AWS account."""
    return boto3.client("secretsmanager", config=_CONFIG)


def _counted(service: str, client: "S3Client") -> "S3Client":
    client.meta.events.register("before-send.s3", metering.counter_of(service))
    return client
