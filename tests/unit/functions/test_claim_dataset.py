"""One run writes a dataset at a time, and what is archived is left alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from archiver.aws import step_functions
from archiver.errors import Code, DatasetRejected, Reason, ServiceRefused
from archiver.keys import Keys
from archiver.models.catalogue import CatalogueFile
from archiver.models.states import Lease
from archiver.reporting.lifecycle import outcome_of
from archiver.scicat import catalogue
from archiver.storage import buckets, leases
from archiver.storage.documents import OUTCOME, VERIFIED
from archiver.storage.run_folder import RunFolder
from functions.claim_dataset.app import handler
from tests.support.account import LambdaContext
from tests.support.catalogue import ANY_TIME
from tests.support.dataset import TO_COMPLETE, TO_VERIFIED, ADataset, a_datablock, do_steps
from tests.workflow.story import ARCHIVED


def test_a_dataset_is_claimed_once_and_scicat_knows_that_its_archiving_started(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    assert handler(dataset.run, lambda_context) == dataset.run | {"archived": False}
    lifecycle = dataset.lifecycle
    assert lifecycle["archiveStatusMessage"] == "started"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, False)
    assert leases.read_lease(dataset.pid) == Lease(
        run_id="any-job-1", execution_arn="arn:any:execution", subject=dataset.pid
    )


def test_f03_a_dataset_whose_archive_scicat_would_not_let_us_record_is_not_begun(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    refusal = {"status": 403, "body": '{"message": "Unauthorized access"}'}
    dataset.scicat.faults({"match": "^POST .*/datasets/isValid"} | refusal, {"match": "^POST .*/datablocks"} | refusal)
    with pytest.raises(ServiceRefused, match="group of CREATE_DATASET_PRIVILEGED_GROUPS") as caught:
        handler(dataset.run, lambda_context)
    assert caught.value.reason.code is Code.SCICAT_FORBIDDEN
    assert dataset.lifecycle["archiveStatusMessage"] != "started"


def test_f03_a_dataset_is_archived_without_the_right_to_remove_its_datablocks(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = a_dataset()
    dataset.scicat.faults({"match": "^DELETE ", "status": 403, "body": '{"message": "Forbidden resource"}'})
    with caplog.at_level("WARNING"):
        assert handler(dataset.run, lambda_context) == dataset.run | {"archived": False}
    assert [record.__dict__["right"] for record in caplog.records if "right" in record.__dict__] == [
        "remove the datablocks of an archive that failed: put its account into a group of DELETE_GROUPS"
    ]


def test_a_dataset_that_another_run_works_on_is_busy_and_untouched(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = a_dataset()
    dataset.claim()
    monkeypatch.setattr(step_functions, "status", lambda _: "RUNNING")
    with pytest.raises(ServiceRefused, match="busy"):
        handler(dataset.run | {"run_id": "other-job-1"}, lambda_context)
    assert dataset.lifecycle["archiveStatusMessage"] != "started"


def test_the_lease_of_an_execution_that_ended_is_taken_over(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = a_dataset()
    dataset.claim()
    monkeypatch.setattr(step_functions, "status", lambda _: "ABORTED")
    handler(dataset.run | {"run_id": "other-job-1"}, lambda_context)
    held = leases.read_lease(dataset.pid)
    assert held is not None
    assert held.run_id == "other-job-1"


def test_a_dataset_that_is_archived_already_is_left_as_it_is(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    catalogue().add_datablock(dataset.pid, a_datablock(Keys.datablock(dataset.pid, "earlier-run-1", 1)))
    catalogue().update_lifecycle(
        dataset.pid, archiveStatusMessage="datasetOnArchiveDisk", archivable=False, retrievable=True
    )
    before = dataset.lifecycle
    assert handler(dataset.run, lambda_context) == dataset.run | {"archived": True}
    assert dataset.lifecycle == before
    assert dataset.folder.need(OUTCOME).code == "already_archived"


def test_records_of_an_earlier_attempt_are_not_mixed_with_new_ones(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    key = Keys.datablock(dataset.pid, "earlier-run-1", 1)
    catalogue().add_datablock(dataset.pid, a_datablock(key))
    dataset.s3.put_object(Bucket="lts", Key=key, Body=b"any")
    with pytest.raises(ServiceRefused, match="archive_id_conflict"):
        handler(dataset.run, lambda_context)


@pytest.mark.parametrize("name", ["any/other.tar", "another's", "own"])
def test_records_that_stand_for_nothing_do_not_keep_a_dataset_from_being_archived(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, name: str
) -> None:
    dataset = a_dataset()
    key = {
        "another's": Keys.datablock("20.500.11935/others", "any-job-1", 1),
        "own": Keys.datablock(dataset.pid, "made-up-1", 1),
    }.get(name, name)
    if name == "another's":
        dataset.s3.put_object(Bucket="lts", Key=key, Body=b"any")
    catalogue().add_datablock(dataset.pid, a_datablock(key))
    # Neither is it archived because its owner says so.
    dataset.scicat.set_lifecycle(dataset.pid, archivable=True, retrievable=False)

    claimed = handler(dataset.run, lambda_context)

    assert claimed is not None
    assert claimed["archived"] is False
    assert dataset.lifecycle["archiveStatusMessage"] == "started"


def test_a_record_named_after_a_run_of_another_dataset_does_not_keep_this_one_from_being_archived(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    others = a_dataset(pid="20.500.11935/others", prefix="incoming/others/")
    dataset = a_dataset(run_id="own-job-1")
    do_steps(others, *TO_COMPLETE, "clean_up_dataset", context=lambda_context)
    # In SciCat 4.28 and 5.2 anybody may record it, and who asked for an archive knows how its run is called.
    catalogue().add_datablock(dataset.pid, a_datablock(Keys.datablock(dataset.pid, others.run["run_id"], 1)))

    claimed = handler(dataset.run, lambda_context)

    assert claimed is not None
    assert claimed["archived"] is False
    assert dataset.lifecycle["archiveStatusMessage"] == "started"


ANOTHER_RUN = {"run_id": "other-job-1", "job_id": "other-job"}


@pytest.fixture
def archived(a_dataset: Callable[..., ADataset], lambda_context: LambdaContext) -> ADataset:
    """A dataset that is archived, and whose owner has reset its lifecycle since."""
    dataset = a_dataset()
    do_steps(dataset, *TO_COMPLETE, "clean_up_dataset", context=lambda_context)
    dataset.scicat.reset_lifecycle(dataset.pid)
    return dataset


def test_an_archived_dataset_whose_owner_reset_its_lifecycle_is_called_archived_again(
    archived: ADataset, lambda_context: LambdaContext
) -> None:
    claimed = handler(archived.run | ANOTHER_RUN, lambda_context)
    assert claimed is not None
    assert claimed["archived"] is True
    assert ARCHIVED.items() <= archived.lifecycle.items()
    assert RunFolder("other-job-1").need(OUTCOME).code == "already_archived"


def test_an_archived_dataset_that_its_owner_called_archivable_is_no_longer(
    archived: ADataset, lambda_context: LambdaContext
) -> None:
    archived.scicat.set_lifecycle(archived.pid, **ARCHIVED | {"archivable": True})
    handler(archived.run | ANOTHER_RUN, lambda_context)
    assert ARCHIVED.items() <= archived.lifecycle.items()


def test_the_archive_of_another_archiver_that_can_be_retrieved_is_no_longer_called_archivable(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("FORMER_ARCHIVE_PREFIXES", "of/another/")
    dataset = a_dataset()
    catalogue().add_datablock(dataset.pid, a_datablock("of/another/archiver.tar"))
    dataset.scicat.set_lifecycle(dataset.pid, archiveStatusMessage="any", archivable=True, retrievable=True)
    claimed = handler(dataset.run, lambda_context)
    assert claimed is not None
    assert claimed["archived"] is True
    told = {"archiveStatusMessage": "any", "archivable": False, "retrievable": True}
    assert told.items() <= dataset.lifecycle.items()


def lose_a_tar(dataset: ADataset) -> None:
    (record,) = catalogue().need_recorded_dataset(dataset.pid).datablocks
    dataset.s3.delete_object(Bucket="lts", Key=record.archive_id)


def store_other_bytes(dataset: ADataset) -> None:
    (record,) = catalogue().need_recorded_dataset(dataset.pid).datablocks
    dataset.s3.put_object(Bucket="lts", Key=record.archive_id, Body=b"x" * record.packed_size)


def lose_a_record(dataset: ADataset) -> None:
    verified = dataset.folder.need(VERIFIED)
    dataset.folder.save(VERIFIED, [*verified, replace(verified[0], key="any/other.tar")])


def forget_the_run_and_list_more_files(dataset: ADataset) -> None:
    forget_the_run(dataset)
    catalogue().add_origdatablock(dataset.pid, [CatalogueFile("late.mrc", 1, ANY_TIME)], None)


def forget_the_run(dataset: ADataset) -> None:
    buckets.staging().delete([Keys.run(dataset.run_id, name) for name in dataset.folder.names()])


@pytest.mark.parametrize("damage", [lose_a_tar, store_other_bytes, lose_a_record, forget_the_run_and_list_more_files])
def test_an_archive_that_cannot_be_proven_is_refused_and_keeps_its_records(
    archived: ADataset, lambda_context: LambdaContext, damage: Callable[[ADataset], None]
) -> None:
    damage(archived)
    before = catalogue().need_recorded_dataset(archived.pid)
    with pytest.raises(ServiceRefused, match=r"archive_id_conflict.*an operator sets the dataset's lifecycle"):
        handler(archived.run | ANOTHER_RUN, lambda_context)
    assert catalogue().need_recorded_dataset(archived.pid) == before


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize("name", ["any/other.tar", "own"])
def test_an_archive_is_proven_whatever_others_recorded_for_it(
    archived: ADataset, lambda_context: LambdaContext, name: str, *, forgotten: bool
) -> None:
    if forgotten:
        forget_the_run(archived)
    else:
        name = Keys.datablock(archived.pid, "made-up-1", 1) if name == "own" else name
    catalogue().add_datablock(archived.pid, a_datablock(name))
    handler(archived.run | ANOTHER_RUN, lambda_context)
    assert ARCHIVED.items() <= archived.lifecycle.items()


def test_an_archive_whose_run_is_forgotten_is_proven_by_the_storage_itself(
    archived: ADataset, lambda_context: LambdaContext
) -> None:
    forget_the_run(archived)
    handler(archived.run | ANOTHER_RUN, lambda_context)
    assert ARCHIVED.items() <= archived.lifecycle.items()


def test_records_that_a_failed_run_could_not_take_back_are_taken_back_before_the_next_begins(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    do_steps(dataset, *TO_VERIFIED, "register_datablocks", context=lambda_context)
    dataset.folder.save(OUTCOME, outcome_of(dataset.pid, Reason(Code.SCICAT_REJECTED, "any")))
    leases.release_lease(dataset.pid, dataset.run_id)
    # Not even a flag that a user set makes it an archive.
    dataset.scicat.set_lifecycle(dataset.pid, archivable=False, retrievable=True)

    claimed = handler(dataset.run | ANOTHER_RUN, lambda_context)

    assert claimed is not None
    assert claimed["archived"] is False
    assert catalogue().need_recorded_dataset(dataset.pid).datablocks == ()
    assert dataset.lifecycle["archiveStatusMessage"] == "started"


def test_a_dataset_that_scicat_does_not_know_is_rejected(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    with pytest.raises(DatasetRejected, match="dataset_unknown"):
        handler(dataset.run | {"pid": "20.500.11935/nobody-knows"}, lambda_context)


def test_c25_a_pid_that_could_not_stand_in_a_key_is_rejected_and_nothing_is_claimed(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset(pid="20.500.11935/a/../b")
    with pytest.raises(DatasetRejected, match="bad_path"):
        handler(dataset.run, lambda_context)
    assert leases.read_lease(dataset.pid) is None
    assert dataset.lifecycle["archiveStatusMessage"] != "started"


def test_f23_a_verified_archive_that_an_execution_left_is_not_begun_anew_but_left_to_the_sweep(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = a_dataset()
    dataset.claim()
    dataset.folder.save(VERIFIED, [])
    monkeypatch.setattr(step_functions, "status", lambda _: "FAILED")
    with pytest.raises(ServiceRefused, match="busy"):
        handler(dataset.run | {"run_id": "other-job-1"}, lambda_context)
    assert leases.holds_lease(dataset.pid, dataset.run_id)
