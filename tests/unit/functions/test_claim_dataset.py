"""One run writes a dataset at a time, and what is archived is left alone."""

from collections.abc import Callable

import pytest

from archiver import storage, workflows
from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.models import Lease, RunOutcome
from archiver.scicat import catalogue
from functions.claim_dataset.app import handler
from tests.account import LambdaContext
from tests.dataset import ADataset, a_datablock


def test_a_dataset_is_claimed_once_and_scicat_knows_that_its_archiving_started(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    assert handler(dataset.run, lambda_context) == dataset.run | {"archived": False}
    lifecycle = dataset.lifecycle
    assert lifecycle["archiveStatusMessage"] == "started"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, False)
    assert storage.read_lease(dataset.pid) == Lease(
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
    monkeypatch.setattr(workflows, "status", lambda _: "RUNNING")
    with pytest.raises(ServiceRefused, match="busy"):
        handler(dataset.run | {"run_id": "other-job-1"}, lambda_context)
    assert dataset.lifecycle["archiveStatusMessage"] != "started"


def test_the_lease_of_an_execution_that_ended_is_taken_over(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = a_dataset()
    dataset.claim()
    monkeypatch.setattr(workflows, "status", lambda _: "ABORTED")
    handler(dataset.run | {"run_id": "other-job-1"}, lambda_context)
    held = storage.read_lease(dataset.pid)
    assert held is not None
    assert held.run_id == "other-job-1"


def test_a_dataset_that_is_archived_already_is_left_as_it_is(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    catalogue().add_datablock(dataset.pid, a_datablock("any/earlier-run/any_1.tar"))
    catalogue().update_lifecycle(
        dataset.pid, archiveStatusMessage="datasetOnArchiveDisk", archivable=False, retrievable=True
    )
    before = dataset.lifecycle
    assert handler(dataset.run, lambda_context) == dataset.run | {"archived": True}
    assert dataset.lifecycle == before
    assert dataset.folder.need("outcome.json", RunOutcome).code == "already_archived"


def test_records_of_an_earlier_attempt_are_not_mixed_with_new_ones(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    catalogue().add_datablock(dataset.pid, a_datablock("any/earlier-run/any_1.tar"))
    with pytest.raises(ServiceRefused, match="archive_id_conflict"):
        handler(dataset.run, lambda_context)


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
    assert storage.read_lease(dataset.pid) is None
    assert dataset.lifecycle["archiveStatusMessage"] != "started"


def test_f23_a_verified_archive_that_an_execution_left_is_not_begun_anew_but_left_to_the_sweep(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = a_dataset()
    dataset.claim()
    dataset.folder.save("verified.json", [])
    monkeypatch.setattr(workflows, "status", lambda _: "FAILED")
    with pytest.raises(ServiceRefused, match="busy"):
        handler(dataset.run | {"run_id": "other-job-1"}, lambda_context)
    assert storage.holds_lease(dataset.pid, dataset.run_id)
