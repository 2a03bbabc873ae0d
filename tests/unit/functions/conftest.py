"""What the tests of steps share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.catalogue import Scicat, a_scicat
from tests.dataset import ADataset

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@pytest.fixture
def scicat(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Scicat]:
    """A SciCat that remembers what it was told."""
    with a_scicat(tmp_path, environment) as running:
        yield running


@pytest.fixture
def a_dataset(aws: "S3Client", scicat: Scicat) -> Callable[..., ADataset]:
    """Build ``a_dataset(files={path: bytes})``; two small files by default."""

    def build(**fields: Any) -> ADataset:
        return ADataset(aws, scicat, **fields)

    return build
