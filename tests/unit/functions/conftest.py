"""What the tests of steps share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.catalogue import Scicat
from tests.dataset import ADataset

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@pytest.fixture
def a_dataset(aws: "S3Client", scicat: Scicat) -> Callable[..., ADataset]:
    """Build ``a_dataset(files={path: bytes})``; two small files by default."""

    def build(**fields: Any) -> ADataset:
        return ADataset(aws, scicat, **fields)

    return build
