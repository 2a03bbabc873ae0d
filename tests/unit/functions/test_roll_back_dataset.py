"""A failed run takes back its own, and only its own."""

from collections.abc import Callable

from archiver import storage
from archiver.keys import Keys
from archiver.models import RunOutcome
from archiver.scicat import catalogue
from functions.roll_back_dataset.app import handler
from tests.account import LambdaContext
from tests.dataset import ADataset, a_datablock

ANY_FAILURE = {"failure": {"Error": "States.Timeout", "Cause": ""}}


def records(dataset: ADataset) -> list[str]:
    found = catalogue().dataset(dataset.pid, datablocks=True)
    assert found is not None
    return sorted(block.archive_id for block in found.datablocks)


def test_records_tars_and_uploads_of_the_run_go_and_all_others_stay(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    own, other = (Keys.datablock(dataset.pid, run_id, 1) for run_id in (dataset.run_id, "any-job-10"))
    for key in (own, other):
        catalogue().add_datablock(dataset.pid, a_datablock(key))
        storage.staging().put(key, b"tar")
        storage.staging().create_upload(key.replace("_1.tar", "_2.tar"))
    before = dataset.landing()

    told = handler(dataset.run | ANY_FAILURE, lambda_context)

    assert told == dataset.run | ANY_FAILURE | {"archived": False}
    assert records(dataset) == [other]
    prefix = Keys.datablocks(dataset.pid, "")[:-1]
    assert [found.key for found in storage.staging().list(prefix)] == [other]
    assert [key for key, _ in storage.staging().uploads(prefix)] == [other.replace("_1.tar", "_2.tar")]
    assert dataset.landing() == before


def test_a_run_of_which_scicat_says_that_it_archived_the_dataset_is_kept(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    own = Keys.datablock(dataset.pid, dataset.run_id, 1)
    catalogue().add_datablock(dataset.pid, a_datablock(own))
    catalogue().update_lifecycle(
        dataset.pid, archiveStatusMessage="datasetOnArchiveDisk", archivable=False, retrievable=True
    )
    told = handler(dataset.run | ANY_FAILURE, lambda_context)
    assert told is not None
    assert told["archived"] is True
    assert records(dataset) == [own]
    assert dataset.folder.need("outcome.json", RunOutcome).outcome == "done"


def test_a_dataset_that_an_earlier_run_archived_stays_archived_and_loses_only_our_records(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    own, earlier = (Keys.datablock(dataset.pid, run_id, 1) for run_id in (dataset.run_id, "any-earlier-1"))
    for key in (own, earlier):
        catalogue().add_datablock(dataset.pid, a_datablock(key))
    catalogue().update_lifecycle(
        dataset.pid, archiveStatusMessage="datasetOnArchiveDisk", archivable=False, retrievable=True
    )
    told = handler(dataset.run | ANY_FAILURE, lambda_context)
    assert told is not None
    assert told["archived"] is True
    assert records(dataset) == [earlier]


def test_a_user_who_sets_retrievable_does_not_make_half_an_archive_whole(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    catalogue().add_datablock(dataset.pid, a_datablock(Keys.datablock(dataset.pid, dataset.run_id, 1)))
    catalogue().update_lifecycle(dataset.pid, archiveStatusMessage="started", archivable=False, retrievable=True)
    told = handler(dataset.run | ANY_FAILURE, lambda_context)
    assert told is not None
    assert told["archived"] is False
    assert records(dataset) == []


def test_rolling_back_twice_is_the_same(a_dataset: Callable[..., ADataset], lambda_context: LambdaContext) -> None:
    dataset = a_dataset()
    first = handler(dataset.run | ANY_FAILURE, lambda_context)
    assert handler(dataset.run | ANY_FAILURE, lambda_context) == first
