"""What the tests of the API share."""

import io
import logging
from collections.abc import Iterator

import pytest

from tests.support.archiver_api import Api
from tests.support.identity_provider import Provider, a_provider


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
def provider(environment: pytest.MonkeyPatch) -> Iterator[Provider]:
    """An identity provider whose users may call."""
    with a_provider(environment) as running:
        yield running
