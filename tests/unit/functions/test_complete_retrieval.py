"""The step CompleteRetrieval."""

from typing import Any

import pytest

from archiver.models import RunOutcome, WantedDatablock
from archiver.storage import RunFolder
from functions.complete_retrieval.app import handler
from tests.account import LambdaContext
from tests.catalogue import Scicat

pytestmark = pytest.mark.usefixtures("aws")

ANY_RUN: dict[str, Any] = {"job_id": "any-job", "run_id": "any-job-1", "pid": "any/a"}


def a_retrieval(*delivered: int) -> RunFolder:
    """A run over two datablocks, of which these are delivered."""
    folder = RunFolder("any-job-1")
    folder.save("datablocks.json", [WantedDatablock(number, f"any/{number}.tar", 10240) for number in range(2)])
    for number in delivered:
        folder.save(f"delivered/{number:06d}.json", {})
    return folder


def test_scicat_hears_of_the_proof_when_every_datablock_is_delivered(scicat: Scicat) -> None:
    scicat.add_archived_dataset("any/a", [])
    folder = a_retrieval(0, 1)

    handler(ANY_RUN, LambdaContext())

    told = {"retrieveStatusMessage": "datasetRetrieved", "retrieveIntegrityCheck": True}
    assert scicat.told == [("PATCH /api/v3/datasets/any%2Fa/datasetlifecycle", told)]
    assert folder.need("outcome.json", RunOutcome).outcome == "done"


def test_a_datablock_without_proof_is_never_called_retrieved(scicat: Scicat) -> None:
    scicat.add_archived_dataset("any/a", [])
    folder = a_retrieval(0)

    with pytest.raises(LookupError, match=r"any/1\.tar"):
        handler(ANY_RUN, LambdaContext())

    assert scicat.told == []
    assert folder.load("outcome.json", RunOutcome) is None
