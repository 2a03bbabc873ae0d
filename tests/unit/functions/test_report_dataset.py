"""SciCat is told why, the job finds it, and the next run may begin."""

from collections.abc import Callable
from typing import Any

from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.models.states import Lease
from archiver.storage import leases
from archiver.storage.documents import OUTCOME
from functions.report_dataset.app import handler
from tests.support.account import CODES_PAGE, LambdaContext
from tests.support.dataset import ADataset


def failed(error: Exception) -> dict[str, Any]:
    """What the Catch of a Lambda's failure hands over."""
    return {"failure": {"Error": type(error).__name__, "Cause": f'{{"errorMessage": {_quoted(str(error))}}}'}}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_the_users_fault_is_told_with_the_files(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    dataset.claim()
    failure = failed(DatasetRejected(Code.MISSING_FILES, "1 of the files is missing.", ["deep/b.mrc"]))
    told = handler(dataset.run | failure, lambda_context)
    assert told == {"code": "missing_files", "message": "1 of the files is missing."}
    lifecycle = dataset.lifecycle
    assert lifecycle["archiveStatusMessage"] == "missingFilesError"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, False)
    assert lifecycle["archiveReturnMessage"]["files"] == ["deep/b.mrc"]
    assert dataset.folder.need(OUTCOME).outcome == "rejected"
    assert leases.read_lease(dataset.pid) is None


def test_a_systems_fault_is_told_with_the_execution_and_may_be_tried_again(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    handler(dataset.run | failed(ServiceRefused(Code.LTS_VERIFY, "It is not there.")), lambda_context)
    lifecycle = dataset.lifecycle
    assert lifecycle["archiveStatusMessage"] == "scheduleArchiveJobFailed"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (True, False)
    assert lifecycle["archiveReturnMessage"] == {
        "code": "lts_verify",
        "message": "It is not there.",
        "help": f"{CODES_PAGE}#lts_verify",
        "executionArn": "arn:any:execution",
    }


def test_a_busy_dataset_and_its_lease_are_not_touched(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    dataset.claim()
    before = dataset.lifecycle
    handler(dataset.run | {"run_id": "other-job-1"} | failed(ServiceRefused(Code.BUSY, "Another run.")), lambda_context)
    assert dataset.lifecycle == before
    held = leases.read_lease(dataset.pid)
    assert held is not None
    assert held.run_id == dataset.run_id


def test_f04_a_dataset_that_scicat_no_longer_knows_is_given_back_all_the_same(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    run = dataset.run | {"pid": "20.500.11935/deleted"}
    lease = Lease(run_id=dataset.run_id, execution_arn="arn:any:execution")
    leases.take_lease(run["pid"], lease, ended=lambda _: False)
    told = handler(run | failed(ServiceRefused(Code.LTS_VERIFY, "It is not there.")), lambda_context)
    assert told is not None
    assert told["code"] == "lts_verify"
    assert leases.read_lease(run["pid"]) is None
