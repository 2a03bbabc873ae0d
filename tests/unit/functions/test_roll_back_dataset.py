"""A failed run takes back its own, and only its own."""

from collections.abc import Callable

import pytest

from archiver.aws import step_functions
from archiver.errors import Code, Reason, ServiceUnavailable
from archiver.keys import Keys
from archiver.lts.long_term_storage import long_term_storage
from archiver.reporting.failures import failure_of
from archiver.scicat import catalogue
from archiver.storage import buckets, leases
from archiver.storage.documents import OUTCOME
from functions.roll_back_dataset.app import handler
from tests.support.account import LambdaContext
from tests.support.dataset import TO_COMPLETE, TO_VERIFIED, ADataset, a_datablock, do_steps
from tests.support.s3_faults import ALWAYS, S3Faults
from tests.workflow.story import ARCHIVED

ANY_FAILURE = {"failure": {"Error": "States.Timeout", "Cause": ""}}


def records(dataset: ADataset) -> list[str]:
    found = catalogue().recorded_dataset(dataset.pid)
    assert found is not None
    return sorted(block.archive_id for block in found.datablocks)


def test_g22_records_tars_and_uploads_of_the_run_go_and_all_others_stay(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    own, other = (Keys.datablock(dataset.pid, run_id, 1) for run_id in (dataset.run_id, "any-job-10"))
    for key in (own, other):
        catalogue().add_datablock(dataset.pid, a_datablock(key))
        buckets.staging().put(key, b"tar")
        for bucket in (buckets.staging(), long_term_storage().bucket):
            bucket.create_upload(key.replace("_1.tar", "_2.tar"))
        dataset.s3.put_object(Bucket="lts", Key=key, Body=b"archived")
    before = dataset.landing()

    told = handler(dataset.run | ANY_FAILURE, lambda_context)

    assert told == dataset.run | ANY_FAILURE | {"archived": False, "pending": False}
    assert records(dataset) == [other]
    prefix = Keys.datablocks(dataset.pid, "")[:-1]
    assert [found.key for found in buckets.staging().list(prefix)] == [other]
    for bucket in (buckets.staging(), long_term_storage().bucket):
        assert [key for key, _ in bucket.uploads(prefix)] == [other.replace("_1.tar", "_2.tar")]
    assert {found.key for found in long_term_storage().bucket.list(prefix)} == {own, other}
    assert dataset.landing() == before


def test_f03_records_stay_where_scicat_does_not_let_them_be_removed_and_everything_else_goes(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    own = Keys.datablock(dataset.pid, dataset.run_id, 1)
    catalogue().add_datablock(dataset.pid, a_datablock(own))
    buckets.staging().put(own, b"tar")
    dataset.scicat.faults({"match": "^DELETE ", "status": 403, "body": '{"message": "Forbidden resource"}'})

    told = handler(dataset.run | ANY_FAILURE, lambda_context)

    assert told == dataset.run | ANY_FAILURE | {"archived": False, "pending": False}
    assert records(dataset) == [own]
    assert not list(buckets.staging().list(own))


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
    assert dataset.folder.need(OUTCOME).outcome == "done"


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


def test_f23_a_verified_archive_that_only_scicat_does_not_know_yet_is_kept(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_VERIFIED, context=lambda_context)
    silent = failure_of(Reason(Code.SCICAT_UNAVAILABLE, "SciCat did not answer."))
    before = [found.key for found in buckets.staging().list(Keys.UPLOADS)]
    dataset.scicat.faults({"match": "/api/", "status": 503})

    told = handler(dataset.run | {"failure": silent.model_dump()}, lambda_context)

    assert told is not None
    assert (told["archived"], told["pending"]) == (False, True)
    assert dataset.folder.need(OUTCOME).outcome == "pending"
    assert [found.key for found in buckets.staging().list(Keys.UPLOADS)] == before
    assert leases.holds_lease(dataset.pid, dataset.run_id)


@pytest.mark.usefixtures("no_pauses")
def test_f02_the_reason_is_written_down_before_scicat_is_asked(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    dataset.scicat.faults({"match": "/api/", "status": 503})
    with pytest.raises(ServiceUnavailable):
        handler(dataset.run | ANY_FAILURE, lambda_context)
    assert dataset.folder.need(OUTCOME).code == "timeout"


def test_g10_a_storage_that_is_down_keeps_no_failed_run_from_its_report(
    a_dataset: Callable[..., ADataset], s3_faults: S3Faults, lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    own = Keys.datablock(dataset.pid, dataset.run_id, 1)
    buckets.staging().put(own, b"tar")
    s3_faults.refuse("*", "ServiceUnavailable", 503, bucket="lts", times=ALWAYS)
    told = handler(dataset.run | ANY_FAILURE, lambda_context)
    assert told is not None
    assert told["archived"] is False
    assert buckets.staging().head(own) is None


LIST = r"^GET .*include"


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.usefixtures("no_pauses")
def test_a_list_that_scicat_refuses_to_show_keeps_no_failed_run_from_its_report(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, status: int
) -> None:
    dataset = a_dataset()
    own = Keys.datablock(dataset.pid, dataset.run_id, 1)
    buckets.staging().put(own, b"tar")
    dataset.scicat.faults({"match": LIST, "status": status})
    told = handler(dataset.run | ANY_FAILURE, lambda_context)
    assert told is not None
    assert (told["archived"], told["pending"]) == (False, False)
    assert buckets.staging().head(own) is None
    assert dataset.folder.need(OUTCOME).outcome == "failed"


@pytest.mark.usefixtures("no_pauses")
def test_a_list_that_scicat_cannot_show_is_asked_for_again_until_the_run_has_ended(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = a_dataset()
    dataset.scicat.faults({"match": LIST, "status": 500})
    monkeypatch.setattr(step_functions, "status", lambda _: "RUNNING")
    with pytest.raises(ServiceUnavailable):
        handler(dataset.run | ANY_FAILURE, lambda_context)
    monkeypatch.setattr(step_functions, "status", lambda _: "FAILED")
    told = handler(dataset.run | ANY_FAILURE, lambda_context)
    assert told is not None
    assert told["archived"] is False


@pytest.mark.usefixtures("no_pauses")
def test_a_dataset_that_scicat_calls_archived_stays_so_though_its_list_cannot_be_read(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    dataset.scicat.set_lifecycle(dataset.pid, **ARCHIVED)
    dataset.scicat.faults({"match": LIST, "status": 400})
    told = handler(dataset.run | ANY_FAILURE, lambda_context)
    assert told is not None
    assert told["archived"] is True


def test_a_run_that_was_complete_keeps_its_records_whatever_the_owner_made_of_the_lifecycle(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, context=lambda_context)
    before = records(dataset)
    dataset.scicat.reset_lifecycle(dataset.pid)
    told = handler(dataset.run | ANY_FAILURE, lambda_context)
    assert told is not None
    assert told["archived"] is True
    assert records(dataset) == before
    do_steps(dataset, "clean_up_dataset", context=lambda_context)
    assert ARCHIVED.items() <= dataset.lifecycle.items()
    assert dataset.landing() == {dataset.prefix + "dataset.json"}
