"""What the catalogue's client reads and writes, on the mock and on any real SciCat alike.

A real SciCat of release 5.2 takes jobs only with OWNER_GROUP and OWNER_USER.
"""

from uuid import uuid4

import pytest

from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.scicat import Catalogue, JobStatus
from archiver.scicat import client as client_module
from local.doctor.visit import Visit

pytestmark = pytest.mark.usefixtures("no_pauses")


def a_file(number: int) -> CatalogueFile:
    return CatalogueFile(
        f"folder/ü {number}.mrc", number, "2026-11-23T08:00:00.000Z", chk="ab" * 32, chk_alg="sha256", perm="0644"
    )


def a_datablock(archive_id: str, packed_size: int = 10240) -> CatalogueDatablock:
    return CatalogueDatablock(archive_id, 1, packed_size, "sha256", "1", (a_file(1),))


@pytest.fixture
def pid(visit: Visit) -> str:
    """A dataset without files."""
    pid = visit.new_pid()
    assert visit.register(pid, visit.patient.owner_group) is True
    return pid


def test_a_dataset_is_registered_once(visit: Visit, pid: str) -> None:
    assert visit.catalogue.create_dataset(visit.metadata(visit.patient.owner_group), pid) is False
    dataset = visit.catalogue.need_dataset(pid)
    assert (dataset.owner_group, dataset.totals.files) == (visit.patient.owner_group, 0)


def test_files_are_listed_once_in_any_number_of_blocks(catalogue: Catalogue, pid: str) -> None:
    for number in (1, 2, 3, 2, 3):
        catalogue.add_origdatablock(pid, [a_file(number)], "sha256")
    files = catalogue.files_of(pid, tuple)
    assert sorted(files, key=lambda file: file.size) == [a_file(1), a_file(2), a_file(3)]
    assert catalogue.need_dataset(pid).totals.files == 3


def test_datablocks_are_listed_without_their_files_and_read_one_at_a_time(catalogue: Catalogue, pid: str) -> None:
    datablocks = [a_datablock(f"{pid}_{number}.tar", packed_size=10240 * number) for number in (1, 2, 3)]
    ids = [catalogue.add_datablock(pid, datablock) for datablock in datablocks]
    listed = catalogue.need_recorded_dataset(pid).datablocks
    assert [(record.id, record.archive_id, record.packed_size) for record in listed] == [
        (block_id, datablock.archive_id, datablock.packed_size)
        for block_id, datablock in zip(ids, datablocks, strict=True)
    ]
    assert [catalogue.datablock(pid, record).archive_id for record in listed] == [one.archive_id for one in datablocks]
    assert [catalogue.recorded_as(pid, datablock) for datablock in datablocks] == ids


def test_a_dataset_that_is_called_archivable_though_it_has_datablocks_is_found(catalogue: Catalogue, pid: str) -> None:
    catalogue.update_lifecycle(pid, archivable=True)
    assert pid not in catalogue.archivable_with_datablocks()
    catalogue.add_datablock(pid, a_datablock(f"{pid}.tar"))
    assert pid in catalogue.archivable_with_datablocks()
    lifecycle = catalogue.update_lifecycle(pid, archivable=False)
    assert lifecycle["archivable"] is False
    assert pid not in catalogue.archivable_with_datablocks()


def test_an_unknown_dataset_is_none_to_read_and_rejected_to_write(visit: Visit) -> None:
    unknown = visit.new_pid()
    assert visit.catalogue.dataset(unknown) is None
    assert visit.catalogue.has_forgotten(unknown)
    with pytest.raises(DatasetRejected) as caught:
        visit.catalogue.update_lifecycle(unknown, archivable=False)
    assert caught.value.reason.code is Code.DATASET_UNKNOWN


def test_the_lifecycle_is_merged_and_may_be_told_twice(catalogue: Catalogue, pid: str) -> None:
    before = catalogue.need_dataset(pid).lifecycle
    told = {"archiveStatusMessage": "datasetOnArchiveDisk", "archivable": False, "retrievable": True}
    for _ in range(2):
        catalogue.update_lifecycle(pid, **told)
    assert catalogue.need_dataset(pid).lifecycle == {**before, **told}


def test_an_empty_message_takes_the_place_of_what_was_said(catalogue: Catalogue, pid: str) -> None:
    catalogue.update_lifecycle(pid, archiveReturnMessage={"code": "missing_files", "files": [], "details": {}})
    catalogue.update_lifecycle(pid, archiveReturnMessage={})
    assert not catalogue.need_dataset(pid).lifecycle.get("archiveReturnMessage")


def test_a_datablock_is_recorded_once_and_counted(catalogue: Catalogue, pid: str) -> None:
    block = a_datablock(f"{pid}.tar")
    assert catalogue.add_datablock(pid, block) == catalogue.add_datablock(pid, block)
    totals = catalogue.need_dataset(pid).totals
    assert (totals.packed_size, totals.files_archived) == (10240, 1)


def test_an_archive_id_is_unique_over_all_datasets(visit: Visit, pid: str) -> None:
    visit.catalogue.add_datablock(pid, a_datablock(f"{pid}.tar"))
    other = visit.new_pid()
    visit.register(other, visit.patient.owner_group)
    with pytest.raises((ServiceRefused, ServiceUnavailable)):
        visit.catalogue.add_datablock(other, a_datablock(f"{pid}.tar"))
    with pytest.raises(ServiceRefused) as caught:
        visit.catalogue.add_datablock(pid, a_datablock(f"{pid}.tar", packed_size=20480))
    assert caught.value.reason.code is Code.ARCHIVE_ID_CONFLICT


def test_a_datablock_can_be_removed_twice(catalogue: Catalogue, pid: str) -> None:
    block = catalogue.add_datablock(pid, a_datablock(f"{pid}.tar"))
    for _ in range(2):
        catalogue.delete_datablock(pid, block)
    recorded = catalogue.need_recorded_dataset(pid)
    assert (recorded.datablocks, recorded.dataset.totals.packed_size) == ((), 0)


def create_job(visit: Visit, pid: str) -> str:
    patient = visit.patient
    return visit.catalogue.create_job(
        "archive", [pid], owner_group=patient.owner_group, owner_user=patient.owner_user, contact_email=visit.email
    )


@pytest.mark.usefixtures("idle")
def test_jobs_are_listed_whole_however_many_pages_they_fill(
    visit: Visit, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "LISTED_AT_FIRST", 2)
    created = [create_job(visit, pid) for _ in range(5)]
    assert [job.id for job in visit.catalogue.jobs_of(pid, "archive")] == created[::-1]
    visit.catalogue.update_job(created[0], JobStatus.FINISHED, "jobFinished")
    unfinished = [job.id for job in visit.catalogue.unfinished_jobs()]
    assert [job for job in unfinished if job in created] == created[:0:-1]


@pytest.mark.usefixtures("idle")
def test_a_job_belongs_to_the_owner_and_keeps_what_it_is_told(visit: Visit, pid: str) -> None:
    job_id = create_job(visit, pid)
    visit.catalogue.update_job(job_id, JobStatus.FINISHED, "jobFinished", {"result": [{"datasetId": pid}]})
    job = visit.catalogue.job(job_id)
    assert job is not None
    assert (job.owner_group, job.status, job.result) == (
        visit.patient.owner_group,
        JobStatus.FINISHED,
        {"result": [{"datasetId": pid}]},
    )


def test_an_unknown_job_is_none_to_read_and_passed_over_to_write(catalogue: Catalogue) -> None:
    unknown = str(uuid4())
    assert catalogue.job(unknown) is None
    catalogue.update_job(unknown, JobStatus.FINISHED, "jobFinished")


def test_a_wrong_password_is_told_as_such(visit: Visit) -> None:
    username = visit.patient.archiver.username
    with pytest.raises(ServiceUnavailable) as caught:
        Catalogue(visit.patient.url, lambda: (username, "not the password")).ping()
    assert caught.value.reason.code is Code.SCICAT_LOGIN
    assert "not the password" not in str(caught.value)
