"""A RELION project with links, listed and sent as the Ingestor does it: archived, told of, and given back."""

import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from archiver.keys import Keys
from archiver.models.catalogue import CatalogueFile
from archiver.scicat import catalogue
from archiver.storage.documents import OUTCOME
from archiver.storage.run_folder import RunFolder
from tests.support import go_listing, relion
from tests.support.catalogue import Scicat
from tests.workflow.conftest import Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PID = "20.500.11935/relion"


@pytest.fixture
def files(workflows: Workflows, scicat: Scicat, aws: "S3Client", tmp_path: Path) -> dict[str, bytes]:
    """What was sent of the project, which is archived."""
    files = relion.make_project(tmp_path / "project")
    scicat.add_dataset(PID, archivable=True)
    listed = list(go_listing.listed(tmp_path / "project"))
    scicat.add_origdatablock(PID, {"size": sum(entry["size"] for entry in listed), "dataFileList": listed})
    for path, body in files.items():
        aws.put_object(Bucket="landing", Key=Keys.uploads(PID) + path, Body=body)
    job_id = scicat.add_job("archive", PID)
    assert workflows.run("archive", {"job_id": job_id, "kind": "archive"}, job_id).status == "SUCCEEDED"
    assert scicat.job(job_id)["statusCode"] == "finishedSuccessful"
    outcome = RunFolder(f"{job_id}-1").need(OUTCOME)
    assert outcome.message == "8 files in 1 datablock"
    return files


def test_links_that_were_not_sent_are_the_only_warning(files: dict[str, bytes], scicat: Scicat) -> None:
    assert files
    told = scicat.lifecycle(PID)["archiveReturnMessage"]
    (warning,) = told["warnings"]
    assert (warning["code"], warning["count"]) == ("links_not_sent", 2)
    assert warning["files"] == sorted(relion.UNSENT_LINKS)
    assert told["message"] == "8 files in 1 datablock"


def test_the_record_has_links_that_were_sent_as_files_and_the_others_as_links(files: dict[str, bytes]) -> None:
    record = recorded()
    assert {path: record[path].size for path in files} == {path: len(body) for path, body in files.items()}
    assert all(record[path].chk for path in files)
    assert {record[path].perm for path in relion.SENT_LINKS} == {"-rw-------"}
    assert {record[path].perm for path in relion.UNSENT_LINKS} == {"Lrwxrwxrwx"}
    assert record["Class2D/job012"].perm == "dgrwxrwx---"
    assert record.keys() == files.keys() | relion.UNSENT_LINKS.keys() | set(relion.FOLDERS)


def test_all_is_given_back_and_links_that_were_sent_one_by_one(
    files: dict[str, bytes], workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    for wanted in ([], list(relion.SENT_LINKS)):
        job_id = scicat.add_job("retrieve", PID, files=wanted)
        assert workflows.run("retrieve", {"job_id": job_id, "kind": "retrieve"}, job_id).status == "SUCCEEDED"
        (download,) = scicat.job(job_id)["jobResultObject"]["result"]
        tar = aws.get_object(Bucket="retrieval", Key=download["archiveId"])["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
            found = {member.name: opened.extractfile(member) for member in opened if member.isreg()}
            given = {path: body.read() for path, body in found.items() if body and not path.startswith(".datablock/")}
            folders = {member.name.rstrip("/") for member in opened if member.isdir()}
        assert given == {path: files[path] for path in wanted or files}
        assert wanted or folders == set(relion.FOLDERS)


def recorded() -> dict[str, CatalogueFile]:
    """The list of the one datablock, by path."""
    (record,) = catalogue().need_recorded_dataset(PID).datablocks
    return {file.path: file for file in catalogue().datablock(PID, record).files}
