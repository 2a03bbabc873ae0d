"""What the tests of the API share."""

import io
import logging
from collections.abc import Iterator

import pytest

from tests.archiver_api import Api


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
