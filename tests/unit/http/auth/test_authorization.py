"""A dataset is its groups' to upload to and to look at, while nobody archives it; SciCat says whose it is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from archiver.aws import step_functions
from archiver.http.auth import authorization
from archiver.http.auth.callers import Caller
from archiver.http.problems import Refusal
from archiver.keys import Keys
from archiver.models.catalogue import CatalogueDataset, CatalogueTotals
from archiver.models.states import Lease
from archiver.scicat import Catalogue
from archiver.storage import leases
from tests.support.account import forget_what_processes_remember

PID = "20.500.11935/any"


@pytest.fixture
def asked(environment: pytest.MonkeyPatch) -> list[str]:
    """The pids that SciCat is asked about; it knows one dataset, of group1, which group2 may look at."""
    pids: list[str] = []

    def dataset(_: Catalogue, pid: str) -> CatalogueDataset | None:
        pids.append(pid)
        return a_dataset() if pid == PID else None

    environment.setattr(Catalogue, "dataset", dataset)
    return pids


def a_dataset(lifecycle: Mapping[str, Any] | None = None) -> CatalogueDataset:
    totals = CatalogueTotals(0, 0, 0, 0)
    return CatalogueDataset(PID, "group1", "User One", ("group2",), None, lifecycle or {}, totals, "")


def refusal(caller: Caller, pid: str = PID) -> tuple[int, str] | None:
    """How a caller who wants to upload is refused, if at all."""
    try:
        authorization.writable(caller, pid)
    except Refusal as refused:
        return refused.status, refused.code
    return None


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"group1"}, None),
        ({"group2"}, (403, "forbidden")),
        ({"group1", "group3"}, None),
        ({"group3"}, (403, "forbidden")),
        (set(), (403, "forbidden")),
        ({""}, (403, "forbidden")),
        ({"Group1"}, (403, "forbidden")),
        ({"group"}, (403, "forbidden")),
        ({"admin"}, (403, "forbidden")),
    ],
)
@pytest.mark.usefixtures("asked")
def test_b26_only_the_owner_group_of_a_dataset_may_upload_to_it(
    groups: set[str], expected: tuple[int, str] | None
) -> None:
    assert refusal(Caller("any", frozenset(groups))) == expected


@pytest.mark.usefixtures("asked")
def test_b26_whoever_starts_jobs_and_whoever_bears_the_owners_name_may_upload_nothing() -> None:
    assert refusal(Caller("scicat", may_start_jobs=True)) == (403, "forbidden")
    assert refusal(Caller("User One")) == (403, "forbidden")


@pytest.mark.usefixtures("asked")
def test_b26_access_groups_may_only_look_unless_the_deployment_says_otherwise(environment: pytest.MonkeyPatch) -> None:
    reader = Caller("any", frozenset({"group2"}))

    assert refusal(reader) == (403, "forbidden")
    assert authorization.readable(reader, PID).pid == PID

    environment.setenv("ACCESS_GROUPS_MAY_UPLOAD", "true")
    forget_what_processes_remember()
    assert refusal(reader) is None
    assert refusal(Caller("any", frozenset({"group1"}))) is None


@pytest.mark.usefixtures("asked")
def test_members_of_the_administrators_groups_may_upload_to_every_dataset(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ADMINISTRATOR_GROUPS", "admin, facility")

    assert refusal(Caller("any", frozenset({"facility"}))) is None
    assert refusal(Caller("any", frozenset({"facility2"}))) == (403, "forbidden")


def test_b26_a_dataset_of_no_group_is_nobodys(environment: pytest.MonkeyPatch) -> None:
    nobodys = replace(a_dataset(), owner_group="", access_groups=("",))
    environment.setattr(Catalogue, "dataset", lambda *_: nobodys)

    assert refusal(Caller("any", frozenset({""}))) == (403, "forbidden")


@pytest.mark.usefixtures("asked")
def test_a_dataset_that_scicat_does_not_know_is_not_found() -> None:
    assert refusal(Caller("any", frozenset({"group1"})), "20.500.11935/other") == (404, "dataset_unknown")


def test_b26_scicat_is_asked_once_for_a_caller_and_a_dataset(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    owner, other = Caller("user1", frozenset({"group1"})), Caller("user2", frozenset({"group3"}))
    assert [refusal(one) for one in (owner, other, owner, other)] == [None, (403, "forbidden")] * 2
    assert asked == [PID, PID]

    monkeypatch.setattr(authorization, "_REMEMBERED_SECONDS", 0.0)
    authorization._datasets.cache_clear()
    assert [refusal(owner), refusal(owner)] == [None, None]
    assert asked == [PID] * 4


@pytest.mark.parametrize(
    ("lifecycle", "locked"),
    [
        ({}, False),
        ({"archivable": False, "archiveStatusMessage": "filesNotYetAvailable"}, False),
        ({"archivable": True, "archiveStatusMessage": "datasetCreated"}, False),
        ({"archivable": False, "archiveStatusMessage": "missingFilesError"}, False),
        ({"archivable": True, "archiveStatusMessage": "scheduleArchiveJobFailed"}, False),
        ({"archivable": False, "archiveStatusMessage": "started"}, True),
        ({"archivable": False, "retrievable": True, "archiveStatusMessage": "datasetOnArchiveDisk"}, True),
        ({"retrievable": True}, True),
        ({"archivable": True, "archiveStatusMessage": "datasetOnArchiveDisk"}, True),
    ],
)
@pytest.mark.usefixtures("aws")
def test_b27_a_dataset_is_locked_while_it_is_archived_and_afterwards(lifecycle: dict[str, Any], locked: bool) -> None:
    assert authorization.is_locked(a_dataset(lifecycle)) is locked


@pytest.mark.usefixtures("aws")
def test_b27_a_dataset_is_locked_while_a_run_holds_its_lease_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    leases.take_lease(PID, Lease(run_id="any-run", execution_arn="any-arn"), lambda _: False)
    status = {"any-arn": "RUNNING"}
    monkeypatch.setattr(step_functions, "status", status.get)

    with pytest.raises(Refusal) as refused:
        authorization.refuse_locked(a_dataset())

    assert (refused.value.status, refused.value.code) == (409, "dataset_locked")
    status["any-arn"] = "ABORTED"
    authorization.refuse_locked(a_dataset())


@pytest.mark.usefixtures("aws")
def test_b27_a_dataset_is_locked_while_a_sweep_settles_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = Lease(run_id="any-run", execution_arn="any-arn", subject=PID)
    leases.take_lease(PID, stopped, lambda _: False)
    assert leases.sweep_lease(Keys.lease(PID), stopped, "any-sweep")
    status = {"any-arn": "ABORTED", "any-sweep": "RUNNING"}
    monkeypatch.setattr(step_functions, "status", status.get)

    assert authorization.is_locked(a_dataset())
    status["any-sweep"] = "FAILED"
    assert not authorization.is_locked(a_dataset())
