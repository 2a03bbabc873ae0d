"""The step ReportRetrieval."""

import json
from typing import Any

import pytest

from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.storage.documents import OUTCOME
from archiver.storage.run_folder import RunFolder
from functions.report_retrieval.app import handler
from tests.support.account import CODES_PAGE, LambdaContext
from tests.support.catalogue import Scicat

pytestmark = pytest.mark.usefixtures("aws")

ANY_ARN = "arn:aws:states:us-east-1:123456789012:execution:retrieve_dataset:any-job-1"


def report(error: Exception) -> dict[str, Any]:
    cause = {"errorMessage": str(error), "errorType": type(error).__name__}
    failure = {"Error": type(error).__name__, "Cause": json.dumps(cause)}
    run = {"job_id": "any-job", "run_id": "any-job-1", "pid": "any/a", "execution_arn": ANY_ARN, "failure": failure}
    reported = handler(run, LambdaContext())
    assert reported is not None
    return reported


def test_a_failed_retrieval_is_told_and_the_dataset_stays_retrievable(scicat: Scicat) -> None:
    scicat.add_archived_dataset("any/a", [])

    shown = report(ServiceRefused(Code.CORRUPT_DATABLOCK, "A datablock is corrupt.", ["any/a_0.tar"]))

    assert shown == {"code": "corrupt_datablock", "message": "A datablock is corrupt."}
    told = {
        "retrieveStatusMessage": "scheduleRetrieveJobFailed",
        "retrieveReturnMessage": {
            "code": "corrupt_datablock",
            "message": "A datablock is corrupt.",
            "help": f"{CODES_PAGE}#corrupt_datablock",
            "files": ["any/a_0.tar"],
            "count": 1,
            "executionArn": ANY_ARN,
        },
    }
    assert scicat.told == [("PATCH /api/v3/datasets/any%2Fa/datasetlifecycle", told)]
    lifecycle = scicat.lifecycle("any/a")
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, True)
    assert RunFolder("any-job-1").need(OUTCOME).outcome == "failed"


def test_of_a_dataset_that_scicat_does_not_know_only_the_job_is_told(scicat: Scicat) -> None:
    report(DatasetRejected(Code.DATASET_UNKNOWN, "SciCat does not know the dataset."))

    assert scicat.told == []
    assert RunFolder("any-job-1").need(OUTCOME).code == "dataset_unknown"
