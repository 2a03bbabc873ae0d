"""The landing files go when everything is proven, by key, and only those that were read."""

from collections.abc import Callable

from archiver import landing_zone, storage
from archiver.packaging import sealed_datablocks
from functions.clean_up_dataset.app import handler
from tests.account import LambdaContext
from tests.dataset import TO_COMPLETE, TO_SEALED, TO_VERIFIED, ADataset, do_steps


def test_an_archived_dataset_leaves_its_documents_and_nothing_else(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    landing_zone.grant(dataset.pid, 1, budget=1)
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    for _ in range(2):
        handler(dataset.run, lambda_context)
    assert landing_zone.grant("any/other", 1, budget=1) is None
    assert dataset.landing() == {dataset.prefix + "dataset.json"}
    assert list(storage.staging().list("openem-network/")) == []
    assert storage.read_lease(dataset.pid) is None


def test_a_file_that_came_or_changed_since_stays(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    for path in ("a.mrc", "b-new.mrc"):
        dataset.s3.put_object(Bucket="landing", Key=dataset.prefix + path, Body=b"later")
    handler(dataset.run, lambda_context)
    assert dataset.landing() == {dataset.prefix + path for path in ("a.mrc", "b-new.mrc", "dataset.json")}


def test_nothing_goes_before_scicat_says_that_it_is_archived(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    for number, steps in enumerate((TO_SEALED, TO_VERIFIED, (*TO_VERIFIED, "register_datablocks"))):
        dataset = a_dataset(pid=f"20.500.11935/{number}", run_id=f"job-{number}", prefix=f"incoming/{number}/")
        do_steps(dataset, *steps, context=lambda_context)
        before = dataset.landing()
        handler(dataset.run, lambda_context)
        assert dataset.landing() == before


def test_nothing_goes_when_the_long_term_storage_lost_a_tar(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    (sealed,) = sealed_datablocks(dataset.folder)
    dataset.s3.delete_object(Bucket="lts", Key=sealed.key)
    before = dataset.landing()
    handler(dataset.run, lambda_context)
    assert dataset.landing() == before
    assert [found.key for found in storage.staging().list("openem-network/")] == [sealed.key]
