"""The step CompleteRetrieval."""

from typing import Any

import pytest

from archiver.errors import Code, ServiceRefused, reason
from archiver.models.datablocks import WantedDatablock
from archiver.models.documents import Document
from archiver.retrieve.delivery import Refused
from archiver.storage.documents import OUTCOME, WANTED
from archiver.storage.run_folder import RunFolder
from functions.complete_retrieval.app import handler
from tests.support.account import LambdaContext
from tests.support.catalogue import Scicat

pytestmark = pytest.mark.usefixtures("aws")

ANY_RUN: dict[str, Any] = {"job_id": "any-job", "run_id": "any-job-1", "pid": "any/a"}


def a_retrieval(*delivered: int) -> RunFolder:
    """A run over two datablocks, of which these are delivered."""
    folder = RunFolder("any-job-1")
    folder.save(WANTED, [WantedDatablock(number, f"any/{number}.tar", 10240) for number in range(2)])
    for number in delivered:
        folder.save(Document(f"delivered/{number:06d}.json", dict), {})
    return folder


def test_scicat_hears_of_the_proof_when_every_datablock_is_delivered(scicat: Scicat) -> None:
    scicat.add_archived_dataset("any/a", [])
    folder = a_retrieval(0, 1)

    handler(ANY_RUN, LambdaContext())

    told = {"retrieveStatusMessage": "datasetRetrieved", "retrieveIntegrityCheck": True}
    assert scicat.told == [("PATCH /api/v3/datasets/any%2Fa/datasetlifecycle", told)]
    assert folder.need(OUTCOME).outcome == "done"


def test_a_datablock_without_proof_is_never_called_retrieved(scicat: Scicat) -> None:
    scicat.add_archived_dataset("any/a", [])
    folder = a_retrieval(0)

    with pytest.raises(ServiceRefused) as refused:
        handler(ANY_RUN, LambdaContext())

    assert (refused.value.reason.code, refused.value.reason.files) == (Code.RECALL_FAILED, ("any/1.tar",))
    assert scicat.told == []
    assert folder.load(OUTCOME) is None


def test_refused_datablocks_are_named_with_all_their_files_and_what_can_be_downloaded(scicat: Scicat) -> None:
    scicat.add_archived_dataset("any/a", [])
    folder = a_retrieval(1)
    why = reason(Code.CORRUPT_DATABLOCK, "any/0.tar could not be proven.", [f"{n:03d}.mrc" for n in range(250)])
    folder.save(Document("refused/000000.json", Refused), Refused("any/0.tar", why))

    with pytest.raises(ServiceRefused) as refused:
        handler(ANY_RUN, LambdaContext())

    told = refused.value.reason
    assert told.code is Code.CORRUPT_DATABLOCK
    assert told.message == "1 of 2 datablocks refused, 1 can be downloaded. any/0.tar could not be proven."
    assert (len(told.files), told.count) == (100, 250)
    assert scicat.told == []


def test_of_many_refused_datablocks_the_message_names_the_first_five() -> None:
    folder = a_retrieval()
    for number in range(7):
        why = reason(Code.CORRUPT_DATABLOCK, f"any/{number}.tar is lost.")
        folder.save(Document(f"refused/{number:06d}.json", Refused), Refused(f"any/{number}.tar", why))

    with pytest.raises(ServiceRefused) as refused:
        handler(ANY_RUN, LambdaContext())

    assert refused.value.reason.message.endswith("any/4.tar is lost. And 2 more.")
