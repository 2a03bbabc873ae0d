"""The catalogue client against the SciCat mock: what it reads, what it writes, and what it makes of refusals."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote, unquote
from uuid import uuid4

import pytest

from archiver.errors import Code, DatasetRejected, ServiceRefused, ServiceUnavailable
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.scicat import Catalogue, Identity, JobDataset, JobStatus
from mocks.scicat.releases import RELEASES
from tests.contract.scicat.callers import Archiver, Received, Scicat, any_dataset

pytestmark = pytest.mark.usefixtures("no_pauses")

FILE = CatalogueFile("a.bin", 3, "2026-11-23T08:00:00.000Z", chk="ab" * 32, chk_alg="sha256", perm="-rw-r--r--")

type StartScicat = Callable[..., Scicat]


@pytest.fixture
def catalogue(scicat: Scicat) -> Catalogue:
    return as_account(scicat, "archiver")


def as_account(scicat: Scicat, account: str) -> Catalogue:
    """The catalogue as this account sees it, with the one that creates jobs."""
    credentials = scicat.server.credentials
    return Catalogue(scicat.server.url, lambda: credentials(account), lambda: credentials("jobcreator"))


def a_datablock(archive_id: str | None = None, packed_size: int = 10240) -> CatalogueDatablock:
    return CatalogueDatablock(archive_id or f"{uuid4()}.tar", 3, packed_size, "sha256", "1", (FILE,))


def a_new_pid() -> str:
    return f"20.500.11935/{uuid4()}"


def test_a_dataset_is_registered_once_with_its_files(catalogue: Catalogue) -> None:
    pid = a_new_pid()
    metadata = any_dataset(accessGroups=["group2"])
    assert catalogue.create_dataset(metadata, pid) is True
    assert catalogue.create_dataset(metadata, pid) is False
    catalogue.add_origdatablock(pid, [FILE], "sha256")
    catalogue.add_origdatablock(pid, [FILE], "sha256")
    dataset = catalogue.need_dataset(pid)
    assert (dataset.pid, dataset.owner_group, dataset.owner) == (pid, "group1", "User One")
    assert (dataset.access_groups, dataset.contact_email, dataset.totals.size) == (("group2",), "user1@your.site", 3)
    assert catalogue.files_of(pid, tuple) == (FILE,)
    assert catalogue.need_recorded_dataset(pid).datablocks == ()
    assert "_id" not in dataset.lifecycle


def test_a_count_that_is_out_of_date_has_no_file_registered_twice(catalogue: Catalogue) -> None:
    pid = a_new_pid()
    other = replace(FILE, path="other.mrc")
    catalogue.create_dataset(any_dataset(), pid)
    for file, after in ((FILE, 0), (FILE, 0), (other, 1), (other, 1)):
        catalogue.add_origdatablock(pid, [file], "sha256", after=after)
    assert catalogue.files_of(pid, tuple) == (FILE, other)


def test_the_files_of_several_blocks_are_read_one_block_after_the_other(catalogue: Catalogue) -> None:
    pid, names = a_new_pid(), [f"{number}.mrc" for number in range(5)]
    catalogue.create_dataset(any_dataset(), pid)
    for after, name in enumerate(names):
        catalogue.add_origdatablock(pid, [replace(FILE, path=name)], "sha256", after=after)
    assert catalogue.files_of(pid, lambda files: [file.path for file in files]) == names


def test_a_datablock_is_read_with_its_files_by_its_record(scicat: Scicat, catalogue: Catalogue) -> None:
    pid, first, second = unquote(scicat.a_dataset()), a_datablock(), a_datablock(packed_size=20480)
    for datablock in (first, second):
        catalogue.add_datablock(pid, datablock)
    dataset = catalogue.need_recorded_dataset(pid)
    assert [record.archive_id for record in dataset.datablocks] == [first.archive_id, second.archive_id]
    assert [catalogue.datablock(pid, record) for record in dataset.datablocks] == [first, second]


def test_c18_blocks_that_scicat_cannot_show_together_are_read_one_at_a_time(
    scicat: Scicat, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid, names = unquote(scicat.a_dataset()), [f"{number:03}.mrc" for number in range(60)]
    blocks = [[replace(FILE, path=name) for name in names[first : first + 20]] for first in (0, 20, 40)]
    monkeypatch.setattr("mocks.scicat.storage.bson.LARGEST", 10_000)
    for after, files in enumerate(blocks):
        catalogue.add_origdatablock(pid, files, "sha256", after=1 + 20 * after)
    datablocks = [replace(a_datablock(), files=tuple(files)) for files in blocks]
    for datablock in datablocks:
        catalogue.add_datablock(pid, datablock)
    for relation in ("origdatablocks", "datablocks"):
        path = f'/api/v3/datasets/{quote(pid, safe="")}?filter={{"include":["{relation}"]}}'
        assert scicat.by("archiver").ask("GET", path).status_code == 400

    assert catalogue.files_of(pid, lambda files: [file.path for file in files])[1:] == names
    records = catalogue.need_recorded_dataset(pid).datablocks
    assert [catalogue.datablock(pid, record) for record in records] == datablocks
    assert [catalogue.recorded_as(pid, datablock) for datablock in datablocks] == [record.id for record in records]


def test_a_datablock_that_is_no_longer_as_it_was_listed_is_read_later(scicat: Scicat, catalogue: Catalogue) -> None:
    pid = unquote(scicat.a_dataset())
    catalogue.add_datablock(pid, a_datablock())
    (record,) = catalogue.need_recorded_dataset(pid).datablocks
    for changed in (replace(record, packed_size=1), replace(record, id="other"), replace(record, archive_id="other")):
        with pytest.raises(ServiceUnavailable):
            catalogue.datablock(pid, changed)


@pytest.mark.parametrize("pid", ["nope", "20.500.11935/nope", "100%/ü?#", "..", "."])
def test_an_unknown_dataset_is_none_to_read_and_rejected_to_write(catalogue: Catalogue, pid: str) -> None:
    if pid.strip("."):
        assert catalogue.dataset(pid) is None
    for write in (
        lambda: catalogue.update_lifecycle(pid, archivable=False),
        lambda: catalogue.add_datablock(pid, a_datablock()),
        lambda: catalogue.add_origdatablock(pid, [FILE], None),
    ):
        with pytest.raises(DatasetRejected) as caught:
            write()
        assert caught.value.reason.code is Code.DATASET_UNKNOWN


def test_f21_the_lifecycle_is_merged_and_nothing_else_changes(scicat: Scicat, catalogue: Catalogue) -> None:
    pid = unquote(scicat.a_dataset(accessGroups=["group2"]))
    before = catalogue.dataset(pid)
    catalogue.update_lifecycle(pid, archiveStatusMessage="started", archivable=False, retrievable=False)
    after = catalogue.dataset(pid)
    assert before is not None
    assert after is not None
    changed = {"archiveStatusMessage": "started", "archivable": False, "retrievable": False}
    assert after.lifecycle == {**before.lifecycle, **changed}
    assert after.access_groups == ("group2",)


def test_f06_a_datablock_is_recorded_once_however_often_it_is_sent(scicat: Scicat, catalogue: Catalogue) -> None:
    pid, datablock = unquote(scicat.a_dataset()), a_datablock()
    first = catalogue.add_datablock(pid, datablock)
    assert catalogue.add_datablock(pid, datablock) == first
    dataset = catalogue.recorded_dataset(pid)
    assert dataset is not None
    assert [one.id for one in dataset.datablocks] == [first]
    assert catalogue.datablock(pid, dataset.datablocks[0]) == datablock


def test_f05_another_datablock_of_the_same_archive_id_is_a_conflict(scicat: Scicat, catalogue: Catalogue) -> None:
    pid, datablock = unquote(scicat.a_dataset()), a_datablock()
    catalogue.add_datablock(pid, datablock)
    with pytest.raises(ServiceRefused) as caught:
        catalogue.add_datablock(pid, a_datablock(datablock.archive_id, packed_size=20480))
    assert caught.value.reason.code is Code.ARCHIVE_ID_CONFLICT


def test_a_datablock_can_be_deleted_twice(scicat: Scicat, catalogue: Catalogue) -> None:
    pid = unquote(scicat.a_dataset())
    datablock_id = catalogue.add_datablock(pid, a_datablock())
    catalogue.delete_datablock(pid, datablock_id)
    catalogue.delete_datablock(pid, datablock_id)
    dataset = catalogue.recorded_dataset(pid)
    assert dataset is not None
    assert dataset.datablocks == ()


def test_a_job_is_created_on_behalf_of_the_owner_read_and_finished(scicat: Scicat, catalogue: Catalogue) -> None:
    pid = unquote(scicat.a_dataset())
    job_id = catalogue.create_job(
        "archive", [pid], owner_group="group1", owner_user="user1", contact_email="user1@your.site"
    )
    job = catalogue.job(job_id)
    assert job is not None
    assert (job.id, job.type, job.status) == (job_id, "archive", JobStatus.SUBMITTED)
    assert (job.owner_user, job.owner_group, job.result) == ("user1", "group1", None)
    assert job.datasets == (JobDataset(pid, ()),)
    catalogue.update_job(job_id, JobStatus.FINISHED, "jobFinished", {"result": []})
    catalogue.update_job(job_id, JobStatus.FINISHED, "jobFinished")
    finished = catalogue.job(job_id)
    assert finished is not None
    assert (finished.status, finished.result) == (JobStatus.FINISHED, {"result": []})


def test_a_job_may_name_its_owner_by_the_group_alone(scicat: Scicat, catalogue: Catalogue) -> None:
    pid = unquote(scicat.a_dataset())
    job = catalogue.job(
        catalogue.create_job("archive", [pid], owner_group="group1", owner_user=None, contact_email=None)
    )
    assert job is not None
    assert (job.owner_user, job.owner_group) == (None, "group1")


def test_the_jobs_of_a_dataset_come_newest_first_and_of_the_kind_asked_for(
    scicat: Scicat, catalogue: Catalogue
) -> None:
    pid = scicat.a_dataset(datasetlifecycle={"archivable": True, "retrievable": True})
    older, newer = scicat.a_job(pid), scicat.a_job(pid)
    retrieve = scicat.a_job(pid, "retrieve")
    scicat.a_job(scicat.a_dataset())
    assert [job.id for job in catalogue.jobs_of(unquote(pid), "archive")] == [newer, older]
    assert [job.id for job in catalogue.jobs_of(unquote(pid), "retrieve")] == [retrieve]


def test_all_jobs_that_are_not_finished_are_listed_each_once(
    scicat: Scicat, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.scicat.client.LISTED_AT_FIRST", 2)
    pid = scicat.a_dataset(datasetlifecycle={"archivable": True, "retrievable": True})
    waiting = {scicat.a_job(pid) for _ in range(3)} | {scicat.a_job(pid, "retrieve")}
    begun, finished = scicat.a_job(pid), scicat.a_job(pid)
    catalogue.update_job(begun, JobStatus.IN_PROGRESS, "jobStarted")
    catalogue.update_job(finished, JobStatus.FINISHED, "jobFinished")

    listed = catalogue.unfinished_jobs()

    found = [job.id for job in listed]
    assert {*waiting, begun} <= set(found)
    assert len(found) == len(set(found))
    assert finished not in found
    assert all(job.created is not None and job.created.tzinfo is not None for job in listed)


def test_more_jobs_than_can_be_listed_are_refused_instead_of_overlooked(
    scicat: Scicat, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.scicat.client.LISTED_AT_FIRST", 1)
    monkeypatch.setattr("archiver.scicat.client.LISTED_AT_MOST", 1)
    scicat.a_job(scicat.a_dataset())
    with pytest.raises(ServiceRefused) as caught:
        catalogue.unfinished_jobs()
    assert caught.value.reason.code is Code.SCICAT_TOO_LARGE


def test_an_unknown_job_is_none_and_telling_it_is_passed_over(catalogue: Catalogue) -> None:
    assert catalogue.job(str(uuid4())) is None
    catalogue.update_job(str(uuid4()), JobStatus.FINISHED, "jobFinished")


def test_a_job_whose_dataset_was_deleted_cannot_be_told_and_is_passed_over(
    scicat: Scicat, catalogue: Catalogue
) -> None:
    pid = scicat.a_dataset()
    job_id = scicat.a_job(pid)
    assert scicat.by("archiver").ask("DELETE", f"/api/v3/datasets/{pid}").status_code == 200
    assert catalogue.update_job(job_id, JobStatus.FINISHED, "jobFinished") is False
    job = catalogue.job(job_id)
    assert job is not None
    assert job.unfinished


def test_a_job_whose_dataset_is_not_archivable_is_rejected_with_scicats_reason(
    scicat: Scicat, catalogue: Catalogue
) -> None:
    pid = unquote(scicat.a_dataset(datasetlifecycle={"archivable": False}))
    with pytest.raises(ServiceRefused, match=r"Invalid value for 'datasetlifecycle\.archivable'") as caught:
        catalogue.create_job("archive", [pid], owner_group="group1", owner_user=None, contact_email=None)
    assert caught.value.reason.code is Code.SCICAT_REJECTED


@pytest.mark.parametrize("status", [401, 403, 404, 422, 500, 503])
def test_a_job_that_the_archiver_refused_exists_once_and_its_id_is_returned(
    start_scicat: StartScicat, archiver: Archiver, status: int
) -> None:
    scicat = start_scicat()
    archiver.status = status
    pid = unquote(scicat.a_dataset())
    catalogue = as_account(scicat, "archiver")
    job_id = catalogue.create_job("archive", [pid], owner_group="group1", owner_user=None, contact_email=None)
    assert [job.id for job in catalogue.jobs_of(pid, "archive")] == [job_id]
    assert len(archiver.received) == 1


def test_a_job_is_created_while_the_archiver_reads_it_back(start_scicat: StartScicat, archiver: Archiver) -> None:
    scicat = start_scicat()
    catalogue, reader = as_account(scicat, "archiver"), as_account(scicat, "archiver")
    seen: list[str] = []

    def read_back(request: Received) -> None:
        job = reader.job(request.body.split('"')[3])
        seen.append(job.id if job else "")

    archiver.on_request = read_back
    pid = unquote(scicat.a_dataset())
    job_id = catalogue.create_job("archive", [pid], owner_group="group1", owner_user=None, contact_email=None)
    assert seen == [job_id]


@pytest.mark.parametrize("release", RELEASES)
def test_f01_an_expired_or_unknown_token_is_renewed_once_without_notice(
    start_scicat: StartScicat, release: str
) -> None:
    scicat = start_scicat(release)
    catalogue, pid = as_account(scicat, "archiver"), unquote(scicat.a_dataset())
    catalogue.ping()
    scicat.server.logins.expire_tokens()
    assert catalogue.dataset(pid) is not None
    scicat.server.logins.replace_secret()
    catalogue.update_lifecycle(pid, archivable=True)
    scicat.server.logins.replace_secret()
    assert catalogue.jobs_of(pid, "archive") == []


def test_f01_tokens_that_are_always_expired_end_forbidden_and_not_in_a_loop(start_scicat: StartScicat) -> None:
    scicat = start_scicat(JWT_EXPIRES_IN="0")
    with pytest.raises(ServiceRefused, match="SESSION_EXPIRED") as caught:
        as_account(scicat, "archiver").ping()
    assert caught.value.reason.code is Code.SCICAT_FORBIDDEN


@pytest.mark.parametrize("account", ["archiveManager", "ingestor"])
def test_f03_an_account_that_lacks_a_right_is_forbidden(scicat: Scicat, account: str) -> None:
    job = scicat.a_job(scicat.a_dataset())
    with pytest.raises(ServiceRefused, match="Unauthorized to get this job") as caught:
        as_account(scicat, account).job(job)
    assert caught.value.reason.code is Code.SCICAT_FORBIDDEN


@pytest.mark.parametrize("release", RELEASES)
def test_a_users_token_names_the_user_and_the_groups_until_it_expires(start_scicat: StartScicat, release: str) -> None:
    scicat = start_scicat(release)
    logins, user = scicat.server.logins, scicat.server.accounts["user1"]
    catalogue = as_account(scicat, "archiver")
    token = logins.new_token(user)
    assert catalogue.identity(token) == Identity("user1", user.groups)
    logins.expire_tokens()
    assert catalogue.identity(token) is None
    assert catalogue.identity("any.other.token") is None


def test_f02_a_wrong_password_may_become_right_and_appears_nowhere(
    scicat: Scicat, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue = Catalogue(scicat.server.url, lambda: ("archiver", "not-the-password"))
    with pytest.raises(ServiceUnavailable) as caught:
        catalogue.ping()
    assert caught.value.reason.code is Code.SCICAT_LOGIN
    assert "not-the-password" not in str(caught.value) + caplog.text


def test_f19_a_record_that_scicat_finds_too_large_is_not_sent_again(scicat: Scicat, catalogue: Catalogue) -> None:
    pid = unquote(scicat.a_dataset())
    large = CatalogueFile("x" * 17_000_000, 1, FILE.time)
    with pytest.raises(ServiceRefused, match=r"bytes sent") as caught:
        catalogue.add_datablock(pid, CatalogueDatablock(f"{uuid4()}.tar", 1, 1, None, "1", (large,)))
    assert caught.value.reason.code is Code.CATALOGUE_ENTRY_TOO_LARGE


def test_f10_a_scicat_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(ServiceUnavailable) as caught:
        Catalogue("http://127.0.0.1:1", lambda: ("archiver", "secret")).ping()
    assert caught.value.reason.code is Code.SCICAT_UNAVAILABLE
