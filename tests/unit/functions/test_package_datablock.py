"""A worker reads its share, and stops at the first file that is not what the catalogue says."""

from collections.abc import Callable

import pytest

from archiver.errors import DatasetRejected
from archiver.models.catalogue import CatalogueFile
from archiver.scicat import catalogue
from functions.package_datablock.app import handler
from tests.support.account import LambdaContext
from tests.support.catalogue import ANY_TIME
from tests.support.dataset import ADataset, do_steps

BIG = bytes(11 * 1024**2)
LANE = {"lane": 0, "lanes": 1}


def test_a_share_that_is_done_says_so_again_when_asked_again(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset(files={"big.mrc": BIG})
    do_steps(dataset, "claim_dataset", "snapshot_dataset", "plan_datablocks", context=lambda_context)
    for _ in range(2):
        told = handler(dataset.run | LANE, lambda_context)
        assert told is not None
        assert told["done"] is True


def test_a_file_with_another_checksum_is_named_with_both(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset(files={})
    entry = CatalogueFile(path="big.mrc", size=len(BIG), time=ANY_TIME, chk="0" * 32, chk_alg="md5")
    catalogue().add_origdatablock(dataset.pid, [entry], "md5")
    dataset.s3.put_object(Bucket="landing", Key=dataset.prefix + "big.mrc", Body=BIG)
    do_steps(dataset, "claim_dataset", "snapshot_dataset", "plan_datablocks", context=lambda_context)
    with pytest.raises(DatasetRejected) as rejected:
        handler(dataset.run | LANE, lambda_context)
    assert rejected.value.reason.code == "checksum_mismatch"
    assert rejected.value.reason.files == ("big.mrc",)
    assert "expected " + "0" * 32 in rejected.value.reason.message


def test_a_file_that_was_deleted_since_it_was_matched_is_named(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset(files={"big.mrc": BIG})
    do_steps(dataset, "claim_dataset", "snapshot_dataset", "plan_datablocks", context=lambda_context)
    dataset.s3.delete_object(Bucket="landing", Key=dataset.prefix + "big.mrc")
    with pytest.raises(DatasetRejected) as rejected:
        handler(dataset.run | LANE, lambda_context)
    assert rejected.value.reason.code == "changed_after_validate"
    assert rejected.value.reason.files == ("big.mrc",)
