"""The step ClaimRetrieval."""

from typing import Any

import pytest

from archiver.errors import Code, DatasetRejected
from archiver.keys import Keys
from archiver.models.catalogue import CatalogueDatablock
from archiver.models.datablocks import WantedDatablock
from archiver.models.documents import Document
from archiver.retrieve.documents import REQUEST
from archiver.scicat import Job, JobDataset
from archiver.storage.documents import WANTED
from archiver.storage.run_folder import RunFolder
from functions.claim_retrieval.app import handler
from tests.support.account import LambdaContext
from tests.support.catalogue import ANY_TIME, Scicat

pytestmark = pytest.mark.usefixtures("aws")

ANY_PID = "20.500.11935/5d73d87c-e2c4-47bc-9266-7da5ece1a7b2"
KEYS = [Keys.datablock(ANY_PID, "any-run", number) for number in (0, 1)]


def a_datablock(archive_id: str, path: str = "a.mrc") -> dict[str, Any]:
    return {
        "archiveId": archive_id,
        "size": 3,
        "packedSize": 10240,
        "chkAlg": "sha256",
        "version": "1.0",
        "dataFileList": [{"path": path, "size": 3, "time": ANY_TIME, "chk": "ab" * 32}],
    }


def claim() -> dict[str, Any]:
    run = {"job_id": "any-job", "run_id": "any-job-1", "pid": ANY_PID, "execution_arn": "any"}
    lanes = handler(run, LambdaContext())
    assert lanes is not None
    return lanes


def test_the_datablocks_of_an_archived_dataset_are_written_down_and_scicat_hears_that_it_goes_on(
    scicat: Scicat,
) -> None:
    scicat.add_archived_dataset(ANY_PID, [a_datablock(KEYS[1], "b.mrc"), a_datablock(KEYS[0], "a.mrc")])

    assert claim()["lanes"] == [0, 1]

    folder = RunFolder("any-job-1")
    assert folder.need(WANTED) == [
        WantedDatablock(0, KEYS[0], 10240, 3),
        WantedDatablock(1, KEYS[1], 10240, 3),
    ]
    second = folder.need(Document("datablocks/000001.json", CatalogueDatablock))
    assert [(file.path, file.chk, file.chk_alg) for file in second.files] == [("b.mrc", "ab" * 32, "sha256")]
    path = f"PATCH /api/v3/datasets/{ANY_PID.replace('/', '%2F')}/datasetlifecycle"
    assert scicat.told == [(path, {"retrieveStatusMessage": "started"})]


def test_a_dataset_of_many_datablocks_is_shared_by_a_few_workers(
    scicat: Scicat, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LANES", "2")
    scicat.add_archived_dataset(
        ANY_PID, [a_datablock(Keys.datablock(ANY_PID, "any-run", number)) for number in range(5)]
    )

    assert claim()["lanes"] == [0, 1]


@pytest.mark.parametrize(
    ("archive_ids", "lifecycle", "code"),
    [
        ([], {"archiveStatusMessage": "datasetCreated"}, Code.NO_DATABLOCKS),
        ([], {"archiveStatusMessage": "datasetOnArchiveDisk", "retrievable": True}, Code.NO_DATABLOCKS),
        ([], {"archiveStatusMessage": "started", "archivable": False}, Code.NOT_ARCHIVED),
        ([KEYS[0]], {"archiveStatusMessage": "started", "archivable": False}, Code.NOT_ARCHIVED),
    ],
)
def test_what_is_not_archived_is_refused_and_scicat_is_told_nothing_yet(
    scicat: Scicat, archive_ids: list[str], lifecycle: dict[str, Any], code: Code
) -> None:
    scicat.add_dataset(ANY_PID, [a_datablock(archive_id) for archive_id in archive_ids], **lifecycle)

    with pytest.raises(DatasetRejected) as refused:
        claim()

    assert refused.value.reason.code == code
    assert scicat.told == []


@pytest.mark.parametrize("archive_id", ["../a_0.tar", "/a_0.tar", "a\n0.tar", "x" * 5_000, "x" * 1_000])
def test_f30_an_archive_id_that_could_not_be_a_key_is_refused(
    scicat: Scicat, environment: pytest.MonkeyPatch, archive_id: str
) -> None:
    environment.setenv("FORMER_ARCHIVE_PREFIXES", "../,/,a,x")
    scicat.add_archived_dataset(ANY_PID, [a_datablock(archive_id)])

    with pytest.raises(DatasetRejected) as refused:
        claim()

    assert refused.value.reason.code is Code.BAD_PATH
    assert scicat.told == []


def test_a_dataset_that_scicat_does_not_know_is_refused(scicat: Scicat) -> None:
    with pytest.raises(DatasetRejected) as refused:
        claim()

    assert refused.value.reason.code == Code.DATASET_UNKNOWN
    assert scicat.told == []


def test_a_job_that_names_files_wants_only_the_datablocks_that_hold_them(scicat: Scicat) -> None:
    scicat.add_archived_dataset(ANY_PID, [a_datablock(KEYS[0], "a.mrc"), a_datablock(KEYS[1], "b.mrc")])
    asked = JobDataset(ANY_PID, ("b.mrc",))
    RunFolder("any-job").save(REQUEST, Job("any-job", "retrieve", "any", (asked,), None, None, None))

    assert claim()["lanes"] == [0]

    (wanted,) = RunFolder("any-job-1").need(WANTED)
    assert wanted.archive_id == KEYS[1]
