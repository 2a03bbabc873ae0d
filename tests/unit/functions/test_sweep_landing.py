"""What is nobody's goes after some time; what somebody uploads or waits for stays, however long."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from archiver.keys import Keys
from archiver.models.states import Lease
from archiver.reporting import archived
from archiver.storage import leases
from archiver.uploads import registry
from archiver.uploads.registry import DatasetUpload
from functions.sweep_landing import app
from functions.sweep_landing.app import handler
from tests.support.account import LambdaContext
from tests.support.catalogue import Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PID = "20.500.11935/any"
SWEEP = {"run_id": "any-sweep", "execution_arn": "arn:any:sweep", "part": "landing"}
OPEN: dict[str, Any] = {"archiveStatusMessage": "filesNotYetAvailable", "archivable": False}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime.now(UTC)) as traveller:
        yield traveller


@pytest.fixture
def lying(aws: "S3Client", scicat: Scicat) -> Callable[..., set[str]]:
    """Two files of a dataset that its owner did not finalize; returns what lies in the landing bucket."""
    scicat.add_dataset(PID, **OPEN)
    for path in ("a.mrc", "grids/b.mrc"):
        aws.put_object(Bucket="landing", Key=Keys.uploads(PID) + path, Body=b"any")

    def keys() -> set[str]:
        return {found["Key"] for found in aws.list_objects_v2(Bucket="landing").get("Contents", [])}

    return keys


def sweep(days: int, clock: time_machine.Traveller) -> dict[str, int]:
    """What a sweep does so many days later."""
    clock.shift(timedelta(days=days))
    told = handler(SWEEP, LambdaContext())
    assert told is not None
    assert (told["done"], told["failed"]) == (True, 0)
    did: dict[str, int] = told["did"]
    return did


def test_what_is_nobodys_goes_after_two_weeks(lying: Callable[..., set[str]], clock: time_machine.Traveller) -> None:
    assert sweep(13, clock) == {}
    assert len(lying()) == 2
    assert sweep(2, clock) == {"files of nobody's deleted": 2}
    assert lying() == set()


def granted() -> DatasetUpload:
    return DatasetUpload(until=datetime.now(UTC) + timedelta(days=90))


def is_uploaded(scicat: Scicat) -> None:
    assert scicat
    assert registry.open_upload(PID, granted())


def is_worked_on(scicat: Scicat) -> None:
    assert scicat
    lease = Lease(run_id="any-run", execution_arn="arn:any:execution")
    assert leases.take_lease(PID, lease, ended=lambda _: False) is None


def is_declared_complete(scicat: Scicat) -> None:
    is_uploaded(scicat)
    with registry.finalizing(PID) as finalizing:
        assert finalizing is not None
        assert finalizing.end()


def may_be_archived(scicat: Scicat) -> None:
    scicat.set_lifecycle(PID, archiveStatusMessage="datasetCreated", archivable=True)


def was_rejected(scicat: Scicat) -> None:
    scicat.set_lifecycle(PID, archiveStatusMessage="missingFilesError", archivable=False)


@pytest.mark.parametrize("state", [is_uploaded, is_worked_on, is_declared_complete, may_be_archived, was_rejected])
def test_what_is_somebodys_stays(
    lying: Callable[..., set[str]], scicat: Scicat, clock: time_machine.Traveller, state: Callable[[Scicat], None]
) -> None:
    state(scicat)

    assert sweep(80, clock) == {}
    assert len(lying()) == 2


def test_an_upload_that_nobody_ends_is_nobodys_when_its_grant_ends(
    lying: Callable[..., set[str]], scicat: Scicat, clock: time_machine.Traveller
) -> None:
    is_uploaded(scicat)

    assert sweep(89, clock) == {}
    assert sweep(2, clock) == {"files of nobody's deleted": 2}
    assert lying() == set()


def test_what_came_after_the_archive_goes(
    lying: Callable[..., set[str]], scicat: Scicat, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_declared_complete(scicat)
    monkeypatch.setattr(archived, "restore", lambda dataset: dataset.pid == PID)

    assert sweep(15, clock) == {"files of nobody's deleted": 2}
    assert lying() == set()


def test_files_of_a_dataset_that_scicat_forgot_go(
    lying: Callable[..., set[str]], scicat: Scicat, clock: time_machine.Traveller
) -> None:
    is_declared_complete(scicat)
    scicat.delete_dataset(PID)

    assert sweep(15, clock) == {"files of nobody's deleted": 2}
    assert lying() == set()


def test_what_came_lately_stays_beside_what_is_old(
    lying: Callable[..., set[str]], aws: "S3Client", clock: time_machine.Traveller
) -> None:
    clock.shift(timedelta(days=10))
    aws.put_object(Bucket="landing", Key=Keys.uploads(PID) + "new.mrc", Body=b"any")

    assert sweep(5, clock) == {"files of nobody's deleted": 2}
    assert lying() == {Keys.uploads(PID) + "new.mrc"}


def test_each_dataset_is_looked_at_alone_and_what_is_no_datasets_stays(
    lying: Callable[..., set[str]], scicat: Scicat, aws: "S3Client", clock: time_machine.Traveller
) -> None:
    scicat.add_dataset(f"{PID}2", **OPEN)
    scicat.add_dataset(f"{PID}-awaited", archivable=True)
    others = {f"{Keys.UPLOADS}stray", "incoming/any/a.mrc", Keys.uploads(f"{PID}-awaited") + "c.mrc"}
    for key in (*others, Keys.uploads(f"{PID}2") + "d.mrc"):
        aws.put_object(Bucket="landing", Key=key, Body=b"any")

    assert sweep(15, clock) == {"files of nobody's deleted": 3}
    assert lying() == others


def test_a_sweep_without_time_goes_on_where_it_was(
    lying: Callable[..., set[str]], clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(app, "deadline", lambda: 0.0)
        told = handler(SWEEP, LambdaContext())
    assert told is not None
    assert told["done"] is False
    assert len(lying()) == 2

    clock.shift(timedelta(days=15))
    further = handler(SWEEP | {"cursor": PID}, LambdaContext())
    assert further is not None
    assert further["did"] == {}
