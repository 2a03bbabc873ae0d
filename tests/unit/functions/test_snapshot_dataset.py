"""The catalogue's list and the bucket agree, or the dataset is rejected by name."""

from collections.abc import Callable

import pytest

from archiver.errors import DatasetRejected
from archiver.models import Snapshot
from functions.snapshot_dataset.app import handler
from tests.account import LambdaContext
from tests.dataset import ADataset


def test_every_file_is_pinned_by_its_etag(a_dataset: Callable[..., ADataset], lambda_context: LambdaContext) -> None:
    dataset = a_dataset()
    handler(dataset.run, lambda_context)
    pinned = {file.path: file.etag for file in dataset.folder.files()}
    listing = dataset.s3.list_objects_v2(Bucket="landing", Prefix=dataset.prefix)["Contents"]
    etags = {found["Key"].removeprefix(dataset.prefix): found["ETag"].strip('"') for found in listing}
    assert pinned == {path: etags[path] for path in dataset.files}
    snapshot = dataset.folder.need("snapshot.json", Snapshot)
    assert (snapshot.files, snapshot.size, snapshot.prefix) == (2, 11, dataset.prefix)


def test_a_dataset_with_a_missing_file_is_rejected_and_nothing_is_deleted(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    dataset.s3.delete_object(Bucket="landing", Key=dataset.prefix + "deep/b.mrc")
    before = dataset.landing()
    with pytest.raises(DatasetRejected) as rejected:
        handler(dataset.run, lambda_context)
    assert (rejected.value.reason.code, rejected.value.reason.files) == ("missing_files", ("deep/b.mrc",))
    assert dataset.landing() == before
    assert dataset.folder.load("snapshot.json", Snapshot) is None


def test_a_dataset_that_scicat_does_not_know_is_rejected(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    with pytest.raises(DatasetRejected, match="dataset_unknown"):
        handler(a_dataset().run | {"pid": "20.500.11935/nobody-knows"}, lambda_context)
