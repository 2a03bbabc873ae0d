"""A tar is verified when the long-term storage itself says that it has the predicted size and checksum."""

from collections.abc import Callable

import pytest

from archiver.errors import ServiceRefused
from archiver.packaging import sealed_datablocks
from archiver.storage.documents import VERIFIED
from functions.verify_datablocks.app import handler
from tests.support.account import LambdaContext
from tests.support.dataset import TO_SEALED, ADataset, do_steps


def test_what_was_stored_is_verified(a_dataset: Callable[..., ADataset], lambda_context: LambdaContext) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_SEALED, "store_datablock", context=lambda_context)
    handler(dataset.run, lambda_context)
    assert dataset.folder.need(VERIFIED) == sealed_datablocks(dataset.folder)


@pytest.mark.parametrize("stored", [None, "shorter", "same size"])
def test_a_tar_that_is_absent_or_has_other_bytes_is_named(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, stored: str | None
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_SEALED, context=lambda_context)
    (sealed,) = sealed_datablocks(dataset.folder)
    if stored is not None:
        body = b"x" if stored == "shorter" else bytes(sealed.packed_size)
        dataset.s3.put_object(Bucket="lts", Key=sealed.key, Body=body, ChecksumAlgorithm="CRC64NVME")
    with pytest.raises(ServiceRefused) as refused:
        handler(dataset.run, lambda_context)
    assert (refused.value.reason.code, refused.value.reason.files) == ("lts_verify", (sealed.key,))
    assert dataset.folder.load(VERIFIED) is None
