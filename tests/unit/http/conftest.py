"""The API without API Gateway, and the catalogue that it asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from types_boto3_s3 import S3Client

from mocks.scicat.accounts import DEFAULT_GROUPS, Account
from mocks.scicat.testing import RunningScicat, run_mock_scicat
from tests.archiver_api import Api
from tests.catalogue_jobs import ScicatUser, scicat_user
from tests.conftest import LambdaContext


@pytest.fixture
def api(aws: S3Client) -> Api:
    """The API, in an empty account."""
    assert aws
    return Api(LambdaContext("Api"))


@pytest.fixture
def scicat(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RunningScicat]:
    """A catalogue, and our account in it."""
    accounts = [Account(name, name, frozenset(groups)) for name, groups in DEFAULT_GROUPS.items()]
    with run_mock_scicat(tmp_path / "scicat", accounts=accounts) as running:
        environment.setenv("SCICAT_URL", running.url)
        yield running


@pytest.fixture
def user(scicat: RunningScicat) -> Iterator[ScicatUser]:
    """A scientist who uses the catalogue."""
    with scicat_user(scicat, "user1") as someone:
        yield someone
