"""The API without API Gateway."""

import pytest
from types_boto3_s3 import S3Client

from tests.archiver_api import Api
from tests.conftest import LambdaContext


@pytest.fixture
def api(aws: S3Client) -> Api:
    """The API, in an empty account."""
    assert aws
    return Api(LambdaContext("Api"))
