"""The workflow ingest: from a dropped folder to SciCat's archive job, and what is told when it fails."""

import json
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

import pytest

from archiver.keys import Keys
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.scicat import JobStatus, catalogue
from functions.start_ingest.app import handler as start_ingest
from tests.support import dropping
from tests.support.account import LambdaContext, forget_what_processes_remember
from tests.support.catalogue import ANY_TIME, Scicat
from tests.support.dropping import PREFIX
from tests.workflow.conftest import CRASHED, Execution, Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BEGINNING = ["IngestDrop", "ReadDrop", "RegisterDataset", "IsSettled"]
LOOK, WAIT = ["MatchDrop", "IsComplete"], "WaitForFiles"
END = ["RegisterFiles", "RequestArchive", "ReportDrop", "IsAccepted", "DropAccepted"]


class Ingest:
    """Drops folders and lets their events arrive."""

    def __init__(self, s3: "S3Client", workflows: Workflows) -> None:
        self._s3, self._workflows = s3, workflows
        self._writes = count(1)

    def arrives(self, key: str = f"{PREFIX}dataset.json") -> Execution:
        """The execution that the arrival of dataset.json starts, when it has ended."""
        return self._workflows.wait(self.told(key))

    def told(self, key: str = f"{PREFIX}dataset.json") -> str:
        """Write dataset.json once more and deliver the event of it; returns the execution's ARN."""
        body = self._s3.get_object(Bucket="landing", Key=key)["Body"].read()
        # Another end of line, as two writes within a second are told apart by their bytes alone.
        self._s3.put_object(Bucket="landing", Key=key, Body=body + b"\n" * next(self._writes))
        event = dropping.an_event(self._s3, key)
        started = start_ingest(event, LambdaContext(function_name="StartIngest"))
        assert started is not None
        arn: str = started["execution_arn"]
        return arn


@pytest.fixture
def ingest(aws: "S3Client", workflows: Workflows, scicat: Scicat) -> Ingest:
    assert scicat
    return Ingest(aws, workflows)


def told_paths(scicat: Scicat, pid: str) -> list[str]:
    """What SciCat was asked for, in order, without the pid."""
    return [path.replace(quote(pid, safe=""), "PID") for path, _ in scicat.told]


def bodies(scicat: Scicat, path: str) -> list[Any]:
    return [body for told, body in scicat.told if told.endswith(path)]


def an_archive_run_finishes(pid: str, job: str) -> None:
    files = (CatalogueFile("any.mrc", 1, ANY_TIME),)
    block = CatalogueDatablock(Keys.datablock(pid, f"{job}-1", 1), 1, 10240, None, "1", files)
    catalogue().add_datablock(pid, block)
    archived = {"archiveStatusMessage": "datasetOnArchiveDisk", "archivable": False, "retrievable": True}
    catalogue().update_lifecycle(pid, **archived)
    catalogue().update_job(job, JobStatus.FINISHED, "jobFinished")


def test_a_dropped_dataset_is_registered_and_its_archive_job_requested(
    aws: "S3Client", scicat: Scicat, ingest: Ingest
) -> None:
    dropping.drop(aws, dropping.some_files(3))

    end = ingest.arrives()

    looks = end.states[len(BEGINNING) : -len(END)]
    assert (end.status, end.states) == ("SUCCEEDED", [*BEGINNING, *looks, *END])
    assert looks == [*[*LOOK, WAIT] * looks.count(WAIT), *LOOK]
    status = dropping.the_status(aws)
    pid = status["pid"]
    assert status["status"] == "requested"
    assert status["execution"] == end.arn
    assert scicat.job(status["job"])["jobParams"]["datasetList"] == [{"pid": pid, "files": []}]
    assert scicat.job(status["job"])["ownerGroup"] == "group1"
    assert scicat.lifecycle(pid) | {"archivable": True, "retrievable": False} == scicat.lifecycle(pid)
    assert told_paths(scicat, pid) == [
        "POST /api/v3/datasets",
        "POST /api/v3/datasets/PID/origdatablocks",
        "PATCH /api/v3/datasets/PID/datasetlifecycle",
        "POST /api/v4/jobs",
    ]


def test_a_drop_whose_listed_files_are_there_is_not_waited_for(aws: "S3Client", ingest: Ingest) -> None:
    files = dropping.some_files(3)
    dropping.drop(aws, files, dropping.a_document(files=dropping.listed(files)))

    assert ingest.arrives().states == [*BEGINNING, *LOOK, *END]


def test_without_a_prefix_a_dropped_dataset_is_known_by_a_uuid_alone(
    aws: "S3Client", scicat: Scicat, ingest: Ingest, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("PID_PREFIX", "")
    forget_what_processes_remember()
    dropping.drop(aws, dropping.some_files(1))

    ingest.arrives()

    status = dropping.the_status(aws)
    assert status["status"] == "requested"
    assert str(UUID(status["pid"])).upper() == status["pid"]
    assert scicat.dataset(status["pid"])["numberOfFiles"] == 1


def test_a_refused_pid_names_the_settings_that_mend_it(aws: "S3Client", scicat: Scicat, ingest: Ingest) -> None:
    refusal = '{"message":"PID is not following required standards","error":"Bad Request","statusCode":400}'
    scicat.faults({"match": "^POST /api/v3/datasets$", "status": 400, "body": refusal})
    dropping.drop(aws, dropping.some_files(1))

    ingest.arrives()

    status = dropping.the_status(aws)
    assert (status["status"], status["code"]) == ("failed", "scicat_rejected")
    assert "PidPrefix" in status["message"]
    assert "DATASET_CREATION_VALIDATION_REGEX" in status["message"]


def test_ingest_reads_no_data_and_deletes_nothing(aws: "S3Client", ingest: Ingest) -> None:
    files = dict.fromkeys(dropping.ODD_NAMES, b"any")
    dropping.drop(aws, files)
    before = dropping.landing_keys(aws)

    ingest.arrives()

    assert dropping.landing_keys(aws) == before | {f"{PREFIX}dataset.status.json"}


def test_odd_but_legal_names_reach_the_catalogue_byte_for_byte(aws: "S3Client", scicat: Scicat, ingest: Ingest) -> None:
    dropping.drop(aws, dict.fromkeys(dropping.ODD_NAMES, b"any"))

    ingest.arrives()

    [block] = bodies(scicat, "/origdatablocks")
    assert {file["path"] for file in block["dataFileList"]} == set(dropping.ODD_NAMES)


def test_a01_the_same_event_delivered_twice_starts_one_execution(
    aws: "S3Client", workflows: Workflows, scicat: Scicat
) -> None:
    dropping.drop(aws, dropping.some_files())
    event = dropping.an_event(aws)

    started = [start_ingest(event, LambdaContext()) for _ in range(3)]
    workflows.wait(started[0]["execution_arn"] if started[0] else "")
    started.append(start_ingest(event, LambdaContext()))

    assert len({json.dumps(one) for one in started}) == 1
    assert len(workflows.executions("ingest")) == 1
    assert len(bodies(scicat, "/jobs")) == 1


def test_dropping_the_same_dataset_twice_requests_one_archive_job(
    aws: "S3Client", scicat: Scicat, ingest: Ingest
) -> None:
    dropping.drop(aws, dropping.some_files())
    ingest.arrives()
    first = dropping.the_status(aws)

    dropping.drop(aws, {})
    end = ingest.arrives()

    assert end.status == "SUCCEEDED"
    assert "MatchDrop" not in end.states
    second = dropping.the_status(aws)
    assert (second["status"], second["pid"], second["job"]) == ("already_requested", first["pid"], first["job"])
    assert len(bodies(scicat, "/jobs")) == 1


def test_two_writes_of_one_dataset_json_at_the_same_moment_register_its_files_once(
    aws: "S3Client", scicat: Scicat, ingest: Ingest, workflows: Workflows
) -> None:
    dropping.drop(aws, dropping.some_files())

    ends = [workflows.wait(arn) for arn in (ingest.told(), ingest.told(), ingest.told())]

    assert any(end.status == "SUCCEEDED" for end in ends)
    assert len(bodies(scicat, "/origdatablocks")) == 1
    assert len(bodies(scicat, "/jobs")) == 1


def test_a07_an_archived_dataset_dropped_again_is_left_alone_and_its_files_are_kept(
    aws: "S3Client", scicat: Scicat, ingest: Ingest
) -> None:
    dropping.drop(aws, dropping.some_files())
    ingest.arrives()
    pid, job = (dropping.the_status(aws)[name] for name in ("pid", "job"))
    an_archive_run_finishes(pid, job)
    told = len(scicat.told)

    dropping.drop(aws, {"late.mrc": b"late"})
    end = ingest.arrives()

    assert end.status == "SUCCEEDED"
    status = dropping.the_status(aws)
    assert (status["status"], status["pid"]) == ("already_archived", pid)
    assert "late.mrc" in status["files"]
    assert status["count"] == 4
    assert f"{PREFIX}late.mrc" in dropping.landing_keys(aws)
    assert [path for path, _ in scicat.told[told:]] == ["POST /api/v3/datasets"]


def test_a05_d01_a_listed_file_that_is_missing_is_named_everywhere_and_nothing_is_deleted(
    aws: "S3Client", scicat: Scicat, ingest: Ingest
) -> None:
    files = dropping.some_files(3)
    document = dropping.a_document(files=[*dropping.listed(files), {"path": "not there/ü.mrc"}])
    dropping.drop(aws, files, document)
    before = dropping.landing_keys(aws)

    end = ingest.arrives()

    assert (end.status, end.error) == ("FAILED", "missing_files")
    assert end.states[: len(BEGINNING)] == BEGINNING
    assert end.states[-4:] == ["MatchDrop", "ReportDrop", "IsAccepted", "DropNotAccepted"]
    assert set(end.states[len(BEGINNING) : -4]) == {*LOOK, WAIT}
    status = dropping.the_status(aws)
    assert (status["status"], status["code"]) == ("rejected", "missing_files")
    assert status["files"] == ["not there/ü.mrc"]
    lifecycle = scicat.lifecycle(status["pid"])
    assert lifecycle["archiveStatusMessage"] == "missingFilesError"
    assert (lifecycle["archivable"], lifecycle["retrievable"]) == (False, False)
    assert lifecycle["archiveReturnMessage"]["code"] == "missing_files"
    assert lifecycle["archiveReturnMessage"]["files"] == ["not there/ü.mrc"]
    assert "taken in by itself" in status["message"]
    assert dropping.landing_keys(aws) == before | {f"{PREFIX}dataset.status.json"}
    assert not bodies(scicat, "/jobs")


def test_the_missing_file_is_added_and_the_same_dataset_json_dropped_again(
    aws: "S3Client", scicat: Scicat, ingest: Ingest
) -> None:
    files = dropping.some_files(3)
    document = dropping.a_document(files=dropping.listed(files))
    first, *others = files
    dropping.drop(aws, {name: files[name] for name in others}, document)
    ingest.arrives()
    rejected = dropping.the_status(aws)

    dropping.drop(aws, {first: files[first]}, document)
    end = ingest.arrives()

    assert end.status == "SUCCEEDED"
    status = dropping.the_status(aws)
    assert (status["status"], status["pid"]) == ("requested", rejected["pid"])
    lifecycle = scicat.lifecycle(status["pid"])
    assert (lifecycle["archiveStatusMessage"], lifecycle["archivable"]) == ("datasetCreated", True)
    assert "archiveReturnMessage" not in lifecycle


def test_a15_a_dataset_json_that_is_garbage_is_refused_and_the_catalogue_hears_nothing(
    aws: "S3Client", scicat: Scicat, ingest: Ingest
) -> None:
    dropping.drop(aws, dropping.some_files(), b"\x00 not JSON")

    end = ingest.arrives()

    assert (end.status, end.error) == ("FAILED", "bad_drop")
    assert dropping.the_status(aws)["status"] == "rejected"
    assert scicat.told == []


@pytest.mark.parametrize(
    "step", ["ReadDrop", "RegisterDataset", "MatchDrop", "RegisterFiles", "RequestArchive", "ReportDrop"]
)
@pytest.mark.parametrize("after_the_work", [False, True], ids=["before", "after"])
def test_a_worker_lost_at_any_step_changes_nothing(
    aws: "S3Client", scicat: Scicat, ingest: Ingest, workflows: Workflows, step: str, *, after_the_work: bool
) -> None:
    dropping.drop(aws, dropping.some_files())
    workflows.fail(step, CRASHED, times=2, after_the_work=after_the_work)

    end = ingest.arrives()

    lost = 2
    assert (end.status, workflows.calls[step]) == ("SUCCEEDED", lost + end.states.count(step))
    status = dropping.the_status(aws)
    assert status["status"] == "requested"
    assert len(bodies(scicat, "/origdatablocks")) == 1
    assert len(bodies(scicat, "/jobs")) == 1
    assert scicat.lifecycle(status["pid"])["archivable"] is True


@pytest.mark.parametrize("step", ["RegisterDataset", "RegisterFiles", "RequestArchive"])
def test_a_system_that_stays_down_fails_the_drop_and_dropping_it_again_succeeds(
    aws: "S3Client", scicat: Scicat, ingest: Ingest, workflows: Workflows, step: str
) -> None:
    dropping.drop(aws, dropping.some_files())
    workflows.fail(step, CRASHED, times=7, after_the_work=True)

    end = ingest.arrives()

    assert (end.status, end.error) == ("FAILED", "out_of_memory")
    assert dropping.the_status(aws)["status"] == "failed"
    dropping.drop(aws, {})
    assert ingest.arrives().status == "SUCCEEDED"
    assert len(bodies(scicat, "/origdatablocks")) == 1
    assert len(bodies(scicat, "/jobs")) == 1
