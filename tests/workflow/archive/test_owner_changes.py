"""What a dataset's owner writes into its lifecycle in SciCat: the next job or sweep tells SciCat the truth again."""

from typing import TYPE_CHECKING, Any

import pytest

from archiver.storage import leases
from tests.support.archive import ANY_PID, an_archived_dataset, archive_id
from tests.support.catalogue import Scicat
from tests.support.dataset import ADataset
from tests.workflow.conftest import Workflows
from tests.workflow.story import ARCHIVED, archive

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def dataset(aws: "S3Client", scicat: Scicat, workflows: Workflows) -> ADataset:
    """A dataset that is archived."""
    made = ADataset(aws, scicat)
    archive(workflows, scicat, made)
    assert flags(scicat, made.pid) == ARCHIVED
    return made


def flags(scicat: Scicat, pid: str) -> dict[str, Any]:
    lifecycle = scicat.lifecycle(pid)
    return {name: lifecycle[name] for name in ARCHIVED}


def do(workflows: Workflows, scicat: Scicat, kind: str, job_id: str) -> dict[str, Any]:
    """Do a job that SciCat accepted; returns how it ended."""
    workflows.run(kind, {"job_id": job_id, "kind": kind}, name=job_id)
    return scicat.job(job_id)


def test_an_archive_job_for_an_archived_dataset_whose_lifecycle_was_reset_says_that_it_is_archived(
    workflows: Workflows, scicat: Scicat, dataset: ADataset
) -> None:
    scicat.reset_lifecycle(dataset.pid)
    ended = do(workflows, scicat, "archive", scicat.add_job("archive", dataset.pid))
    assert ended["statusCode"] == "finishedSuccessful"
    assert flags(scicat, dataset.pid) == ARCHIVED
    assert list(leases.lease_keys()) == []


def test_a_retrieve_job_of_a_dataset_that_was_reset_after_it_was_asked_for_is_done(
    workflows: Workflows, scicat: Scicat, dataset: ADataset
) -> None:
    job_id = scicat.add_job("retrieve", dataset.pid)
    scicat.reset_lifecycle(dataset.pid)
    assert do(workflows, scicat, "retrieve", job_id)["statusCode"] == "finishedSuccessful"
    assert flags(scicat, dataset.pid) == ARCHIVED


@pytest.mark.parametrize("kind", ["archive", "retrieve"])
def test_no_job_leaves_a_dataset_that_can_be_archived_and_retrieved(
    workflows: Workflows, scicat: Scicat, dataset: ADataset, kind: str
) -> None:
    scicat.set_lifecycle(dataset.pid, archivable=True)
    job_id = scicat.add_job(kind, dataset.pid)
    assert do(workflows, scicat, kind, job_id)["statusCode"] == "finishedSuccessful"
    assert flags(scicat, dataset.pid) == ARCHIVED


def test_a_flag_that_is_set_while_a_dataset_is_retrieved_is_cleared_at_the_end(
    workflows: Workflows, scicat: Scicat, dataset: ADataset
) -> None:
    deliver = workflows.handler("DeliverDatablocks")

    def set_and_deliver(event: Any, context: Any) -> Any:
        scicat.set_lifecycle(dataset.pid, archivable=True)
        return deliver(event, context)

    workflows.replace("DeliverDatablocks", set_and_deliver)
    do(workflows, scicat, "retrieve", scicat.add_job("retrieve", dataset.pid))
    assert flags(scicat, dataset.pid) == ARCHIVED


def test_a_retrieval_that_fails_leaves_no_contradiction_either(
    workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    an_archived_dataset(aws, scicat)
    aws.delete_object(Bucket="lts", Key=archive_id(0, ANY_PID))
    job_id = scicat.add_job("retrieve", ANY_PID)
    scicat.set_lifecycle(ANY_PID, archivable=True)
    assert do(workflows, scicat, "retrieve", job_id)["statusCode"] == "finishedUnsuccessful"
    assert flags(scicat, ANY_PID) == ARCHIVED


def test_a_dataset_that_was_never_archived_is_not_called_retrievable_after_a_retrieve_job(
    workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    dataset = ADataset(aws, scicat)
    scicat.set_lifecycle(dataset.pid, archivable=True, retrievable=True)
    ended = do(workflows, scicat, "retrieve", scicat.add_job("retrieve", dataset.pid))
    assert "no_datablocks" in ended["statusMessage"]
    lifecycle = flags(scicat, dataset.pid)
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (True, False)


def test_a_sweep_tells_scicat_the_truth_of_a_dataset_that_nobody_asks_about(
    workflows: Workflows, scicat: Scicat, dataset: ADataset
) -> None:
    scicat.reset_lifecycle(dataset.pid)
    assert workflows.run("sweep", {}, name="sweep-1").status == "SUCCEEDED"
    assert flags(scicat, dataset.pid) == ARCHIVED


@pytest.mark.parametrize("step", ["ClaimDataset", "CompleteDataset"])
def test_a_list_of_datablocks_that_scicat_refuses_leaves_no_dataset_called_started(
    workflows: Workflows, scicat: Scicat, aws: "S3Client", step: str
) -> None:
    dataset = ADataset(aws, scicat)
    handler = workflows.handler(step)
    refused = "PlanExecutor error during aggregation :: caused by :: BSONObj size is invalid"

    def without_a_list(event: Any, context: Any) -> Any:
        scicat.faults({"match": "^GET .*include", "status": 400, "body": f'{{"message":"{refused}"}}'})
        return handler(event, context)

    workflows.replace(step, without_a_list)
    job_id = archive(workflows, scicat, dataset)

    assert scicat.job(job_id)["statusCode"] == "finishedUnsuccessful"
    lifecycle = flags(scicat, dataset.pid)
    assert lifecycle == {"archiveStatusMessage": "scheduleArchiveJobFailed", "archivable": True, "retrievable": False}
    assert list(leases.lease_keys()) == []

    # When SciCat shows its list again, the dataset is archived.
    scicat.faults()
    workflows.replace(step, handler)
    job_id = archive(workflows, scicat, dataset)
    assert scicat.job(job_id)["statusCode"] == "finishedSuccessful"
    assert flags(scicat, dataset.pid) == ARCHIVED
