"""SciCat hears "archived" only when its records are exactly the verified ones."""

from collections.abc import Callable

import pytest

from archiver.errors import ServiceRefused
from archiver.keys import Keys
from archiver.models.datablocks import SealedDatablock
from archiver.models.states import Snapshot
from archiver.scicat import catalogue
from archiver.storage.documents import OUTCOME, SNAPSHOT, VERIFIED
from functions.complete_dataset.app import handler
from tests.support.account import LambdaContext
from tests.support.catalogue import Scicat
from tests.support.dataset import ADataset, a_datablock


def verified(dataset: ADataset, read_twice: int = 0) -> SealedDatablock:
    key = Keys.datablock(dataset.pid, dataset.run_id, 1)
    sealed = SealedDatablock(
        number=1, key=key, files=2, size=11, packed_size=10_240, crc64nvme="AAAAAAAAAAA=", read_twice=read_twice
    )
    dataset.folder.save(VERIFIED, [sealed])
    dataset.folder.save(SNAPSHOT, Snapshot(prefix="any/", entries=1, files=1, size=5, catalogue="any"))
    return sealed


def test_a_dataset_whose_records_are_the_verified_ones_is_archived(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    dataset.claim()
    catalogue().add_datablock(dataset.pid, a_datablock(verified(dataset).key))
    handler(dataset.run, lambda_context)
    lifecycle = dataset.lifecycle
    assert lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, True)
    assert dataset.folder.need(OUTCOME).outcome == "done"


@pytest.mark.parametrize(("files", "subject"), [(1, "1 file was"), (2, "2 files were")])
def test_files_that_only_a_second_reading_confirmed_are_told_with_the_success(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, files: int, subject: str
) -> None:
    dataset = a_dataset()
    dataset.claim()
    catalogue().add_datablock(dataset.pid, a_datablock(verified(dataset, read_twice=files).key))
    handler(dataset.run, lambda_context)
    (warning,) = dataset.lifecycle["archiveReturnMessage"]["warnings"]
    assert (warning["code"], warning["count"]) == ("read_twice", files)
    assert warning["message"].startswith(subject)


def test_an_edit_that_scicat_lost_meanwhile_is_told_with_the_success(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = a_dataset()
    dataset.claim()
    catalogue().add_datablock(dataset.pid, a_datablock(verified(dataset).key))
    monkeypatch.setattr(catalogue(), "lost_edits", lambda _: ["description"])
    handler(dataset.run, lambda_context)
    lifecycle = dataset.lifecycle
    assert lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
    (warning,) = lifecycle["archiveReturnMessage"]["warnings"]
    assert (warning["code"], warning["count"]) == ("lost_edits", 1)
    assert warning["message"] == (
        "1 change in SciCat was lost while the archiver wrote there; make it again: description."
    )


def test_a_history_that_scicat_does_not_show_takes_nothing_from_the_success(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, scicat: Scicat
) -> None:
    dataset = a_dataset()
    dataset.claim()
    catalogue().add_datablock(dataset.pid, a_datablock(verified(dataset).key))
    scicat.faults({"match": "^GET .*history", "status": 403})
    handler(dataset.run, lambda_context)
    assert dataset.folder.need(OUTCOME).outcome == "done"


def test_a_dataset_with_a_record_too_few_is_not_archived(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    dataset.claim()
    assert verified(dataset)
    catalogue().add_datablock(dataset.pid, a_datablock("any/other.tar"))
    with pytest.raises(ServiceRefused, match="archive_id_conflict"):
        handler(dataset.run, lambda_context)
    assert dataset.lifecycle["retrievable"] is False


def test_what_somebody_else_recorded_meanwhile_does_not_keep_it_from_being_archived(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    dataset.claim()
    others = ["any/other.tar", *(Keys.datablock(dataset.pid, run_id, 99) for run_id in (dataset.run_id, "made-up-1"))]
    for key in (verified(dataset).key, *others):
        catalogue().add_datablock(dataset.pid, a_datablock(key))

    handler(dataset.run, lambda_context)

    assert dataset.lifecycle["retrievable"] is True


def test_a_run_that_lost_its_lease_tells_nothing(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    catalogue().add_datablock(dataset.pid, a_datablock(verified(dataset).key))
    with pytest.raises(ServiceRefused, match="lease_lost"):
        handler(dataset.run, lambda_context)
    assert dataset.lifecycle["retrievable"] is False
