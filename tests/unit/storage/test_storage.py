"""The folder of a run, the upload of a dataset, and the lease that makes one run its writer."""

import threading
from typing import TYPE_CHECKING

import pytest

from archiver.errors import ServiceRefused
from archiver.keys import Keys
from archiver.models.files import SourceFile, Upload
from archiver.models.states import Lease
from archiver.packaging.progress import PLAN
from archiver.storage import leases, run_folder, sources, sweep_notes
from archiver.storage.run_folder import RunFolder
from tests.support.s3_faults import Exchange, S3Faults, S3Request, Send

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PID = "20.500.11935/any"
FIRST = Lease(run_id="job-1", execution_arn="arn:first", subject=PID)
SECOND = Lease(run_id="job-2", execution_arn="arn:second", subject=PID)


def test_any_range_of_the_file_list_is_read_back(aws: "S3Client", monkeypatch: pytest.MonkeyPatch) -> None:
    assert aws
    monkeypatch.setattr(run_folder, "FILES_PER_PAGE", 4)
    files = [SourceFile(path=f"{n:02}", size=n, mtime_ns=0) for n in range(10)]
    folder = RunFolder("any-run")
    assert folder.write_files(files) == (10, 45)
    assert list(folder.files()) == files
    assert list(folder.files(3, 6)) == files[3:9]
    assert list(folder.files(8, 2)) == files[8:]


def test_a_document_that_must_be_there_is_named_when_it_is_not(aws: "S3Client") -> None:
    assert aws
    with pytest.raises(LookupError, match=r"runs/any-run/plan.json was not written"):
        RunFolder("any-run").need(PLAN)


def test_a_lease_is_held_by_one_run_until_it_is_given_back(aws: "S3Client") -> None:
    assert aws
    assert leases.take_lease(PID, FIRST, ended=lambda _: False) is None
    assert leases.take_lease(PID, FIRST, ended=lambda _: False) is None
    assert leases.take_lease(PID, SECOND, ended=lambda _: False) == FIRST
    leases.release_lease(PID, SECOND.run_id)
    leases.hold_lease(PID, FIRST.run_id)
    leases.release_lease(PID, FIRST.run_id)
    assert leases.take_lease(PID, SECOND, ended=lambda _: False) is None


def test_a_lease_of_an_ended_run_is_taken_over(aws: "S3Client") -> None:
    assert aws
    leases.take_lease(PID, FIRST, ended=lambda _: False)
    assert leases.take_lease(PID, SECOND, ended=lambda held: held == FIRST) is None
    with pytest.raises(ServiceRefused, match="lease_lost"):
        leases.hold_lease(PID, FIRST.run_id)


@pytest.mark.parametrize("share", [1, 2, 3, 100])
@pytest.mark.parametrize(
    "paths",
    [
        pytest.param((), id="nothing is expected"),
        pytest.param(("a", "b/1", "b/2", "ä", "😀"), id="all are there"),
        pytest.param(("0", "a", "a", "b/15", "b/2", "z", "😀", "😀z"), id="some are lost, some are there as well"),
        pytest.param(("\x00", "a", "b/1", "\ud800"), id="some cannot be there"),
    ],
)
def test_an_upload_that_is_listed_in_many_places_at_once_has_every_file_once(
    aws: "S3Client", paths: tuple[str, ...], share: int
) -> None:
    upload = Upload(prefix="openem-network/datasets/any/raw_files/")
    for name in ("a", "b/1", "b/2", "folder/", "ä", "😀"):
        aws.put_object(Bucket="landing", Key=upload.prefix + name, Body=b"" if name.endswith("/") else b"x")

    found = list(sources.uploaded_at_once(upload, paths, share))

    assert found == list(sources.uploaded(upload))


def test_the_shares_of_a_long_list_are_asked_for_at_the_same_time(s3_faults: S3Faults) -> None:
    meeting = threading.Barrier(4, timeout=30)

    def meet_the_others(_: S3Request, send: Send) -> Exchange:
        meeting.wait()
        return send()

    s3_faults.intercept(meet_the_others, "ListObjectsV2")

    assert list(sources.uploaded_at_once(Upload(prefix="any/"), [str(number) for number in range(8)], share=2)) == []


def test_a_list_that_nobody_waits_for_is_not_read_to_its_end(aws: "S3Client") -> None:
    for name in ("a", "b"):
        aws.put_object(Bucket="landing", Key=f"any/{name}", Body=b"x")
    given_up = iter([False, True])

    with pytest.raises(sources.GivenUpError):
        list(sources.uploaded_at_once(Upload(prefix="any/"), [], given_up=lambda: next(given_up)))


def test_a10_the_documents_of_a_drop_and_directory_markers_are_no_files(aws: "S3Client") -> None:
    upload = Upload(prefix="incoming/drop/", documents=("dataset.json", "dataset.status.json"))
    for name in ("a", "dataset.json", "dataset.status.json", "deep/", "deep/dataset.json"):
        aws.put_object(Bucket="landing", Key=upload.prefix + name, Body=b"" if name.endswith("/") else b"x")
    assert [found.key for found in sources.uploaded(upload)] == ["incoming/drop/a", "incoming/drop/deep/dataset.json"]


def test_a_dataset_that_was_not_dropped_lies_where_the_api_uploads(aws: "S3Client") -> None:
    assert aws
    assert sources.upload_of(PID).prefix == Keys.uploads(PID)
    sources.record_upload(PID, Upload(prefix="incoming/drop/"))
    assert sources.upload_of(PID).prefix == "incoming/drop/"


def test_a_run_that_a_sweep_settles_may_write_no_more_and_nobody_else_may_either(aws: "S3Client") -> None:
    assert aws
    leases.take_lease(PID, FIRST, ended=lambda _: False)
    (key,) = leases.lease_keys()
    held = leases.lease_at(key)
    assert held is not None
    assert held.worker_arn == "arn:first"

    assert leases.sweep_lease(key, held, "arn:sweep")

    assert not leases.sweep_lease(key, held, "arn:other-sweep")
    with pytest.raises(ServiceRefused, match="lease_lost"):
        leases.hold_lease(PID, FIRST.run_id)
    holder = leases.take_lease(PID, SECOND, ended=lambda held: held.worker_arn == "arn:first")
    assert holder == FIRST.model_copy(update={"swept_by": "arn:sweep"})
    leases.release_lease(PID, FIRST.run_id)
    assert not leases.sweep_lease(key, holder, "arn:sweep")


def test_leases_are_listed_after_a_key_and_those_of_deliveries_are_not(aws: "S3Client") -> None:
    assert aws
    for number in range(3):
        leases.take_lease(f"any/{number}", FIRST, ended=lambda _: False)
    leases.take_delivery_lease(PID, FIRST)
    keys = list(leases.lease_keys())
    assert len(keys) == 3
    assert list(leases.lease_keys(keys[0])) == keys[1:]


def test_answered_drops_are_remembered_for_an_hour(aws: "S3Client") -> None:
    assert aws
    assert sweep_notes.answered_drops("2026-11-23T08") == frozenset()
    sweep_notes.record_answered_drops("2026-11-23T08", frozenset({"incoming/any/"}))
    assert sweep_notes.answered_drops("2026-11-23T08") == {"incoming/any/"}
    assert sweep_notes.answered_drops("2026-11-23T09") == frozenset()
