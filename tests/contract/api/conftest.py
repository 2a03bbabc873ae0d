"""The API without API Gateway, and the catalogue that it asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from types_boto3_s3 import S3Client

from tests.archiver_api import Api
from tests.catalogue import Scicat, a_scicat
from tests.conftest import LambdaContext


@pytest.fixture
def api(aws: S3Client) -> Api:
    """The API, in an empty account."""
    assert aws
    return Api(LambdaContext("Api"))


@pytest.fixture
def scicat(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Scicat]:
    """A catalogue, and our account in it."""
    with a_scicat(tmp_path, environment) as running:
        yield running
