"""Sealed tars reach the long-term storage, and nothing there is written over."""

from collections.abc import Callable

from archiver.keys import Keys
from archiver.packaging import sealed_datablocks
from functions.store_datablock.app import handler
from tests.support.account import LambdaContext
from tests.support.dataset import TO_SEALED, ADataset, do_steps

LANE = {"lane": 0, "lanes": 1}


def test_a_sealed_tar_lies_in_the_archive_class_under_the_same_key(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_SEALED, context=lambda_context)
    for _ in range(2):
        told = handler(dataset.run | LANE, lambda_context)
        assert told is not None
        assert told["done"] is True
    (sealed,) = sealed_datablocks(dataset.folder)
    head = dataset.s3.head_object(Bucket="lts", Key=sealed.key)
    assert (head["ContentLength"], head["StorageClass"]) == (sealed.packed_size, "GLACIER")


def test_g23_other_bytes_under_the_key_are_left_alone(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_SEALED, context=lambda_context)
    (sealed,) = sealed_datablocks(dataset.folder)
    dataset.s3.put_object(Bucket="lts", Key=sealed.key, Body=b"other")
    told = handler(dataset.run | LANE, lambda_context)
    assert told is not None
    assert told["done"] is True
    assert dataset.s3.get_object(Bucket="lts", Key=sealed.key)["Body"].read() == b"other"
    head = dataset.s3.head_object(Bucket="lts", Key=Keys.second_copy(sealed.key))
    assert head["ContentLength"] == sealed.packed_size
