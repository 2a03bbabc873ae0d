"""The function answers API Gateway."""

from typing import Any

from types_boto3_s3 import S3Client

from functions.api.app import handler
from tests.support.archiver_api import EVENT, event


def test_the_function_answers_in_the_form_that_api_gateway_reads(aws: S3Client, lambda_context: Any) -> None:
    assert aws

    answer = handler(event("GET", "/health/livez"), lambda_context)

    assert set(answer) == {"statusCode", "multiValueHeaders", "body", "isBase64Encoded"}
    assert answer["statusCode"] == 200


def test_the_recorded_call_of_scicat_is_let_in(aws: S3Client, lambda_context: Any) -> None:
    assert aws

    # Nothing listens where the catalogue should be.
    assert handler(EVENT, lambda_context)["statusCode"] == 503
