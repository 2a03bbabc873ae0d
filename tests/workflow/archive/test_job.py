"""The workflows of a job, ``archive`` and ``retrieve``: every dataset gets its run, and the job its status from all."""

import json
from typing import Any

import pytest

from archiver.errors import Code, DatasetRejected
from archiver.models.states import RunOutcome
from archiver.storage.documents import OUTCOME
from archiver.storage.run_folder import RunFolder
from tests.support.account import CODES_PAGE, LambdaContext
from tests.support.catalogue import Scicat
from tests.workflow.conftest import CRASHED, TIMED_OUT, Workflows

BAD, FINE, FINE_TOO = "any/bad", "any/fine", "any/fine-too"


@pytest.fixture
def archiving(workflows: Workflows) -> Workflows:
    """The workflows, with an archiving of one dataset that only knows fine ones and bad ones."""

    def claim(run: Any, _: LambdaContext) -> Any:
        if run["pid"] == BAD:
            raise DatasetRejected(Code.MISSING_FILES, "One file is missing.", ["a.mrc"])
        outcome = RunOutcome(pid=run["pid"], outcome="done", code="any", message="Any.")
        RunFolder(run["run_id"]).save(OUTCOME, outcome)
        return run | {"archived": True}

    workflows.replace("ClaimDataset", claim)
    workflows.replace("RollBackDataset", lambda run, _: run | {"archived": False})
    workflows.replace("CleanUpDataset", lambda run, _: run)
    return workflows


def job_updates(scicat: Scicat) -> list[tuple[str, str]]:
    """What SciCat was told of the job: status and message."""
    return [(body["statusCode"], body["statusMessage"]) for path, body in scicat.told if "/jobs/" in path]


def test_a_job_of_three_datasets_with_a_bad_one_archives_the_other_two(archiving: Workflows, scicat: Scicat) -> None:
    for pid in (FINE, BAD, FINE_TOO):
        scicat.add_dataset(pid)
    job_id = scicat.add_job("archive", FINE, BAD, FINE_TOO)

    end = archiving.run("archive", {"job_id": job_id, "kind": "archive"}, name=job_id)

    message = f"2 of 3 datasets archived. {BAD}: missing_files: One file is missing. See {CODES_PAGE}"
    assert (end.status, end.error, end.cause) == ("FAILED", "finishedWithDatasetErrors", message)
    assert len(archiving.executions("archive_dataset")) == 3
    assert scicat.told == [
        (f"PATCH /api/v4/jobs/{job_id}", {"statusCode": "inProgress", "statusMessage": "jobStarted"}),
        (
            "PATCH /api/v3/datasets/any%2Fbad/datasetlifecycle",
            {
                "archiveStatusMessage": "missingFilesError",
                "archivable": False,
                "retrievable": False,
                "archiveReturnMessage": {
                    "code": "missing_files",
                    "message": "One file is missing.",
                    "help": f"{CODES_PAGE}#missing_files",
                    "files": ["a.mrc"],
                    "count": 1,
                },
            },
        ),
        (f"PATCH /api/v4/jobs/{job_id}", {"statusCode": "finishedWithDatasetErrors", "statusMessage": message}),
    ]


def test_a_job_whose_datasets_all_came_through_succeeds(archiving: Workflows, scicat: Scicat) -> None:
    for pid in (FINE, FINE_TOO):
        scicat.add_dataset(pid)
    job_id = scicat.add_job("archive", FINE, FINE_TOO)

    end = archiving.run("archive", {"job_id": job_id, "kind": "archive"}, name=job_id)

    assert end.status == "SUCCEEDED"
    assert [name for name in end.states if name != "ArchiveDataset"] == [
        "DoJob",
        "BeginJob",
        "ArchiveDatasets",
        "FinishJob",
        "IsSuccessful",
        "JobSuccessful",
    ]
    assert job_updates(scicat) == [("inProgress", "jobStarted"), ("finishedSuccessful", "jobFinished")]


def test_a_job_that_scicat_does_not_know_ends_with_the_reason_in_the_console(
    workflows: Workflows, scicat: Scicat
) -> None:
    end = workflows.run("archive", {"job_id": "00000000-0000-4000-8000-000000000000", "kind": "archive"})

    assert (end.status, end.error) == ("FAILED", "finishedUnsuccessful")
    assert end.cause.startswith("no_datasets: ")
    # SciCat is told, and does not know the job.
    assert job_updates(scicat) == [("finishedUnsuccessful", end.cause)]


def test_a_job_survives_workers_that_are_lost(archiving: Workflows, scicat: Scicat) -> None:
    scicat.add_dataset(FINE)
    job_id = scicat.add_job("archive", FINE)
    archiving.fail("BeginJob", CRASHED, after_the_work=True)
    archiving.fail("FinishJob", TIMED_OUT, after_the_work=True)

    end = archiving.run("archive", {"job_id": job_id, "kind": "archive"}, name=job_id)

    assert end.status == "SUCCEEDED"
    assert job_updates(scicat)[-1] == ("finishedSuccessful", "jobFinished")
    assert len(archiving.executions("archive_dataset")) == 1


def test_a_run_whose_own_execution_dies_does_not_stop_the_others(archiving: Workflows, scicat: Scicat) -> None:
    for pid in (BAD, FINE):
        scicat.add_dataset(pid)
    job_id = scicat.add_job("archive", BAD, FINE)
    archiving.fail("ReportDataset", CRASHED, times=100)

    end = archiving.run("archive", {"job_id": job_id, "kind": "archive"}, name=job_id)

    assert end.error == "finishedWithDatasetErrors"
    assert f"{BAD}: internal: The run ended without a report." in end.cause


def test_b15_a_job_that_is_started_again_under_another_name_starts_nothing_twice(
    archiving: Workflows, scicat: Scicat
) -> None:
    scicat.add_dataset(FINE)
    job_id = scicat.add_job("archive", FINE)
    state = {"job_id": job_id, "kind": "archive"}
    archiving.run("archive", state, name=job_id)
    told = list(scicat.told)

    # The operator starts the job under another name: its runs have been done.
    end = archiving.run("archive", state, name="any-other-name")

    assert end.status == "SUCCEEDED"
    assert len(archiving.executions("archive_dataset")) == 1
    assert job_updates(scicat) == job_updates(scicat)[:2] * 2
    assert json.dumps(scicat.told[: len(told)]) == json.dumps(told)
