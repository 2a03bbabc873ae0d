"""A tar becomes visible whole, once, or not at all."""

import io
import tarfile
from collections.abc import Callable

import pytest

from archiver.keys import Keys
from archiver.packaging import sealed_datablocks
from archiver.storage import buckets
from functions.seal_datablock.app import handler
from tests.support.account import LambdaContext
from tests.support.dataset import ADataset, do_steps
from tests.support.permissions import as_function
from tests.support.s3_faults import S3Faults

BEFORE = ("claim_dataset", "snapshot_dataset", "plan_datablocks")
LANE = {"lane": 0, "lanes": 1}


def test_a_sealed_tar_holds_the_files_and_their_manifest(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *BEFORE, "package_datablock", context=lambda_context)
    for _ in range(2):
        told = handler(dataset.run | LANE, lambda_context)
        assert told is not None
        assert told["done"] is True
    (sealed,) = sealed_datablocks(dataset.folder)
    assert sealed.key == Keys.datablock(dataset.pid, dataset.run_id, 1)
    body = dataset.s3.get_object(Bucket="staging", Key=sealed.key)["Body"].read()
    assert len(body) == sealed.packed_size
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.getnames() == [*dataset.files, ".datablock/1/manifest-sha256.txt"]


def test_a_tar_of_which_a_slice_is_not_read_is_not_sealed(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset(files={"big.mrc": bytes(11 * 1024**2)})
    do_steps(dataset, *BEFORE, context=lambda_context)
    with pytest.raises(LookupError):
        handler(dataset.run | LANE, lambda_context)
    assert list(buckets.staging().list("openem-network/")) == []


def test_e06_a_tar_that_was_completed_without_an_answer_is_sealed(
    a_dataset: Callable[..., ADataset], s3_faults: S3Faults, lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *BEFORE, "package_datablock", context=lambda_context)
    # botocore repeats what is not answered, and S3 does not know the upload any more.
    s3_faults.refuse("CompleteMultipartUpload", "NoSuchUpload", 404, after_commit=True)
    told = as_function("SealDatablock", handler)(dataset.run | LANE, lambda_context)
    assert told is not None
    assert told["done"] is True
    (sealed,) = sealed_datablocks(dataset.folder)
    assert [found.key for found in buckets.staging().list("openem-network/")] == [sealed.key]
