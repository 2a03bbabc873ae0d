"""The API without API Gateway, and the catalogue that it asks."""

import io
import logging
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
def log(api: Api) -> Iterator[io.StringIO]:
    """What the API logs during the test."""
    assert api
    (handler,) = logging.getLogger("archiver").handlers
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


@pytest.fixture
def scicat(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Scicat]:
    """A catalogue, and our account in it."""
    with a_scicat(tmp_path, environment) as running:
        yield running
