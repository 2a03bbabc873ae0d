"""Whole datasets: space is asked for, the upload is declared complete or given up."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from archiver.http import timeouts, ttl_cache
from archiver.http.routes import dataset_uploads
from archiver.models.catalogue import FileBlock
from archiver.models.files import S3Object
from archiver.scicat import Catalogue
from archiver.scicat.responses import Answer
from archiver.scicat.transport import Request, Server
from archiver.settings import GIB, settings
from archiver.storage import sources
from archiver.uploads import file_table, known_files, quota, registry
from tests.support.archiver_api import Api
from tests.support.catalogue import ANY_TIME, Scicat
from tests.support.uploading import PID, PREFIX, User

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

OPEN: dict[str, Any] = {"archiveStatusMessage": "filesNotYetAvailable", "archivable": False}
FILES = {"a.mrc": b"any bytes", "grids/b.mrc": b"", "grids/c.mrc": b"others"}
DONE = {"dataset_id": PID, "message": "The upload of the dataset is complete."}


@pytest.fixture
def user1(api: Api, scicat: Scicat) -> User:
    """The owner of a dataset whose three files are listed, and not there."""
    scicat.add_dataset(PID, **OPEN)
    listed = [{"path": path, "size": len(body), "time": ANY_TIME, "perm": "-rw-"} for path, body in FILES.items()]
    others = [
        {"path": "grids", "size": 4096, "time": ANY_TIME, "perm": "drwxr-xr-x"},
        {"path": "latest", "size": 5, "time": ANY_TIME, "perm": "Lrwxrwxrwx"},
    ]
    scicat.add_origdatablock(PID, {"size": sum(map(len, FILES.values())), "dataFileList": listed + others})
    return User(api, scicat, "user1")


@pytest.fixture
def uploaded(user1: User, aws: "S3Client") -> User:
    """The owner, when the files are there."""
    assert user1.ask_for_space().status == 201
    for path, body in FILES.items():
        aws.put_object(Bucket="landing", Key=PREFIX + path, Body=body)
    return user1


def keys(aws: "S3Client", bucket: str = "landing") -> list[str]:
    return [found["Key"] for found in aws.list_objects_v2(Bucket=bucket).get("Contents", [])]


def archive_jobs(scicat: Scicat) -> list[dict[str, Any]]:
    return [job for job in scicat.jobs() if job["type"] == "archive"]


def test_a_complete_dataset_is_marked_and_its_job_is_the_callers(uploaded: User, scicat: Scicat) -> None:
    answer = uploaded.finalize(
        create_archiving_job=True, owner_group="admin", owner_user="user2", contact_email="any@example.org"
    )

    assert (answer.status, answer.json) == (201, DONE)
    lifecycle = scicat.lifecycle(PID)
    assert (lifecycle["archiveStatusMessage"], lifecycle["archivable"]) == ("datasetCreated", True)
    (job,) = archive_jobs(scicat)
    assert (job["ownerUser"], job["ownerGroup"], job["contactEmail"]) == ("user1", "group1", "any@example.org")
    assert job["jobParams"]["datasetList"] == [{"pid": PID, "files": []}]


@pytest.mark.parametrize("contact", ["", "nobody", "a@b;c@d", "a@b c"])
def test_without_an_address_the_datasets_contact_hears_of_the_job(uploaded: User, scicat: Scicat, contact: str) -> None:
    assert uploaded.finalize(create_archiving_job=True, contact_email=contact).status == 201
    assert [job["contactEmail"] for job in archive_jobs(scicat)] == ["user1@your.site"]


def test_a_job_is_created_only_when_it_is_asked_for(uploaded: User, scicat: Scicat) -> None:
    assert uploaded.finalize().status == 201
    assert archive_jobs(scicat) == []


def test_b42_finalizing_again_gets_the_same_answer_and_one_job(uploaded: User, scicat: Scicat) -> None:
    answers = [uploaded.finalize(create_archiving_job=True) for _ in range(3)]

    assert [(answer.status, answer.json) for answer in answers] == [(201, DONE)] * 3
    assert len(archive_jobs(scicat)) == 1


@pytest.mark.parametrize(
    "lifecycle",
    [
        {"archiveStatusMessage": "started", "archivable": False},
        {"archiveStatusMessage": "datasetOnArchiveDisk", "archivable": False, "retrievable": True},
    ],
)
def test_b42_finalizing_what_is_archived_by_now_changes_nothing(
    uploaded: User, scicat: Scicat, aws: "S3Client", lifecycle: dict[str, Any]
) -> None:
    uploaded.finalize(create_archiving_job=True)
    aws.delete_objects(Bucket="landing", Delete={"Objects": [{"Key": key} for key in keys(aws)]})
    scicat.set_lifecycle(PID, **lifecycle)
    before = scicat.lifecycle(PID)

    answer = uploaded.finalize(create_archiving_job=True)

    assert (answer.status, answer.json) == (201, DONE)
    assert scicat.lifecycle(PID) == before
    assert len(archive_jobs(scicat)) == 1


def test_what_was_archived_without_being_uploaded_here_cannot_be_finalized(uploaded: User, scicat: Scicat) -> None:
    scicat.set_lifecycle(PID, archiveStatusMessage="datasetOnArchiveDisk", archivable=False, retrievable=True)

    answer = uploaded.finalize()

    assert (answer.status, answer.json["code"]) == (422, "dataset_locked")


def test_b42_while_files_are_being_uploaded_the_dataset_is_not_complete(
    uploaded: User, scicat: Scicat, aws: "S3Client"
) -> None:
    for path in ("grids/b.mrc", "a.mrc"):
        aws.create_multipart_upload(Bucket="landing", Key=PREFIX + path)

    answer = uploaded.finalize(create_archiving_job=True)

    assert (answer.status, answer.json["code"], answer.json["details"]) == (422, "uploads_open", "a.mrc\ngrids/b.mrc")
    assert scicat.lifecycle(PID)["archiveStatusMessage"] == "filesNotYetAvailable"
    assert archive_jobs(scicat) == []


def missing(aws: "S3Client") -> str:
    aws.delete_object(Bucket="landing", Key=f"{PREFIX}grids/c.mrc")
    return "missing_files"


def longer(aws: "S3Client") -> str:
    aws.put_object(Bucket="landing", Key=f"{PREFIX}grids/c.mrc", Body=b"other size")
    return "size_mismatch"


def not_listed(aws: "S3Client") -> str:
    aws.put_object(Bucket="landing", Key=f"{PREFIX}grids/c.mrc.2", Body=b"any")
    return "extra_files"


@pytest.mark.parametrize("change", [missing, longer, not_listed])
def test_files_that_are_not_scicats_are_named(uploaded: User, aws: "S3Client", scicat: Scicat, change: Any) -> None:
    code = change(aws)

    answer = uploaded.finalize(create_archiving_job=True)

    assert (answer.status, answer.json["code"]) == (422, code)
    assert "grids/c.mrc" in answer.json["details"]
    assert scicat.lifecycle(PID)["archivable"] is False


def test_what_cannot_be_compared_in_time_is_left_to_the_archiving(
    uploaded: User, aws: "S3Client", scicat: Scicat, environment: pytest.MonkeyPatch
) -> None:
    missing(aws)
    stopped = Event()

    def slowly(*_: object, given_up: Callable[[], bool]) -> Iterator[S3Object]:
        while not given_up():
            time.sleep(0.001)
        stopped.set()
        raise sources.GivenUpError

    environment.setattr(sources, "uploaded_at_once", slowly)
    environment.setattr(dataset_uploads, "_COMPARE_SECONDS", 0.1)

    answer = uploaded.finalize(create_archiving_job=True)

    assert (answer.status, answer.json) == (201, DONE)
    assert scicat.lifecycle(PID)["archivable"] is True
    assert len(archive_jobs(scicat)) == 1
    assert stopped.wait(10)


def test_b27_after_finalizing_nothing_can_be_uploaded(uploaded: User) -> None:
    uploaded.finalize()

    answers = [uploaded.presign(), uploaded.complete("any"), uploaded.abort("any"), uploaded.give_up()]

    assert [(answer.status, answer.json["code"]) for answer in answers] == [
        (422, "dataset_locked"),
        (422, "dataset_locked"),
        (409, "dataset_locked"),
        (409, "dataset_locked"),
    ]


def test_what_the_archiving_found_wrong_can_be_uploaded_and_finalized_again(
    uploaded: User, scicat: Scicat, aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    uploaded.finalize()
    scicat.set_lifecycle(PID, archiveStatusMessage="missingFilesError", archivable=False)
    forget(environment)

    assert uploaded.presign("a.mrc").status == 201
    assert uploaded.finalize().status == 201
    assert scicat.lifecycle(PID)["archiveStatusMessage"] == "datasetCreated"
    assert keys(aws)


def forget(environment: pytest.MonkeyPatch) -> None:
    """A minute later: what SciCat said is asked again."""
    now = time.monotonic()
    # That module's clock alone: the servers of the tests need theirs.
    environment.setattr(ttl_cache, "time", SimpleNamespace(monotonic=lambda: now + 60))


def test_urls_are_given_for_two_seconds_at_most_after_another_process_closed_the_dataset(
    uploaded: User, environment: pytest.MonkeyPatch
) -> None:
    assert uploaded.presign("a.mrc").status == 201
    with registry.finalizing(PID) as elsewhere:
        assert elsewhere is not None
        elsewhere.end()
    assert uploaded.presign("a.mrc").status == 201
    # What changes or deletes looks for itself.
    assert uploaded.complete("").json["code"] == "dataset_locked"
    assert uploaded.give_up().json["code"] == "dataset_locked"

    now = time.monotonic()
    environment.setattr(ttl_cache, "time", SimpleNamespace(monotonic=lambda: now + 2))

    assert uploaded.presign("a.mrc").json["code"] == "dataset_locked"


def test_b41_a_slow_scicat_is_answered_by_500_with_details(uploaded: User, environment: pytest.MonkeyPatch) -> None:
    assert uploaded.presign("a.mrc").status == 201
    environment.setattr(dataset_uploads, "_LONG_SECONDS", 0.0)

    answer = uploaded.finalize()

    # What is late ends by itself: here, before the account does.
    timeouts._threads().shutdown()
    assert answer.status == 500
    assert {"code", "message", "details"} <= set(answer.json)


def test_b42_of_requests_at_the_same_time_one_asks_for_the_job(uploaded: User, scicat: Scicat) -> None:
    with registry.asking(PID) as first, registry.asking(PID) as second:
        assert (first, second) == (True, False)
        assert uploaded.finalize(create_archiving_job=True).status == 201

    assert archive_jobs(scicat) == []
    assert uploaded.finalize(create_archiving_job=True).status == 201
    assert len(archive_jobs(scicat)) == 1


@pytest.mark.usefixtures("aws")
def test_a_request_that_ended_without_a_word_is_not_waited_for() -> None:
    lost = registry.asking(PID)
    lost.__enter__()
    with registry.asking(PID) as at_once:
        assert not at_once
    with (
        time_machine.travel(datetime.now(UTC) + timedelta(minutes=2), tick=False),
        registry.asking(PID) as later,
    ):
        assert later
    # Its end, which nobody saw in time: left to the garbage collection, it would come in another test's account.
    lost.__exit__(None, None, None)


@pytest.mark.usefixtures("no_pauses")
def test_a_job_that_scicat_could_not_start_is_created_once(uploaded: User, scicat: Scicat) -> None:
    exchange = Server.exchange

    def failing(server: Server, request: Request, token: str | None = None) -> Answer:
        answer = exchange(server, request, token)
        if str(request) == "POST /api/v4/jobs":
            raise RuntimeError("any")
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Server, "exchange", failing)
        first = uploaded.finalize(create_archiving_job=True)
    second = uploaded.finalize(create_archiving_job=True)

    assert (first.status, second.status) == (500, 201)
    assert len(archive_jobs(scicat)) == 1


def test_b40_a_dataset_that_is_larger_than_the_free_space_is_refused(
    user1: User, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LANDING_BUDGET_GIB", "10")

    answer = user1.ask_for_space(11)

    assert answer.status == 507
    assert answer.json == {
        "message": "There is not enough space for the dataset now. Please ask again later.",
        "dataset_id": PID,
        "requested_size_gib": 11,
        "free_size_gib": 10,
    }
    assert user1.ask_for_space(10).status == 201


@pytest.fixture
def second(user1: User) -> str:
    """Another dataset of the same owner."""
    user1.scicat.add_dataset(f"{PID}-2", **OPEN)
    return f"{PID}-2"


def test_b40_space_that_was_granted_is_not_granted_to_another(
    user1: User, second: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LANDING_BUDGET_GIB", "10")

    assert user1.ask_for_space(6).status == 201
    assert user1.ask_for_space(6).status == 201
    refused = user1.ask_for_space(5, second)
    assert (refused.status, refused.json["free_size_gib"]) == (507, 4)
    assert user1.ask_for_space(4, second).status == 201


def test_another_size_takes_the_place_of_the_one_before(
    user1: User, second: str, aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LANDING_BUDGET_GIB", "10")

    assert user1.ask_for_space(9).status == 201
    assert user1.ask_for_space(11).status == 507
    assert user1.ask_for_space(2).status == 201
    assert user1.ask_for_space(8, second).status == 201
    assert [key for key in keys(aws, "staging") if key.startswith("grants/")] == ["grants/granted.json"]


def test_b40_as_much_is_kept_as_scicat_says_when_less_is_asked_for(
    user1: User, second: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LANDING_BUDGET_GIB", "1")

    assert user1.ask_for_space(0).status == 201
    refused = user1.ask_for_space(1, second)

    assert (refused.status, refused.json["free_size_gib"]) == (507, 0)


def test_folders_and_links_take_no_space_though_scicat_counts_them(
    user1: User, second: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LANDING_BUDGET_GIB", "1")
    listed = [
        {"path": "movie.mrc", "size": GIB, "time": ANY_TIME, "perm": "-rw-r--r--"},
        {"path": "grids", "size": 4096, "time": ANY_TIME, "perm": "dgrwxrwx---"},
        {"path": "latest", "size": 5, "time": ANY_TIME, "perm": "Lrwxrwxrwx"},
    ]
    user1.scicat.add_origdatablock(second, {"size": GIB + 4096 + 5, "dataFileList": listed})

    assert user1.ask_for_space(1, second).status == 201
    assert user1.ask_for_space(0).status == 507


def test_giving_up_deletes_what_was_uploaded_and_frees_the_space(
    uploaded: User, second: str, aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LANDING_BUDGET_GIB", "10")
    aws.put_object(Bucket="landing", Key=PREFIX.replace(PID, second) + "kept.mrc", Body=b"any")
    uploaded.lists({"large.mrc": None})
    uploaded.ask_for_space(10)
    assert uploaded.presign("large.mrc", parts=2).status == 201

    answers = [uploaded.give_up() for _ in range(2)]

    assert [(answer.status, answer.json["dataset_id"]) for answer in answers] == [(201, PID)] * 2
    assert keys(aws) == [PREFIX.replace(PID, second) + "kept.mrc"]
    assert not aws.list_multipart_uploads(Bucket="landing").get("Uploads")
    assert uploaded.ask_for_space(10, second).status == 201


@pytest.mark.parametrize(
    "lifecycle",
    [
        {"archiveStatusMessage": "started"},
        {"archiveStatusMessage": "datasetOnArchiveDisk", "retrievable": True},
    ],
)
def test_b27_what_is_archived_cannot_be_given_up(
    uploaded: User, scicat: Scicat, aws: "S3Client", lifecycle: dict[str, Any]
) -> None:
    scicat.set_lifecycle(PID, **lifecycle)

    answers = [uploaded.give_up(), uploaded.ask_for_space()]

    assert [(answer.status, answer.json["code"]) for answer in answers] == [(409, "dataset_locked")] * 2
    assert len(keys(aws)) == len(FILES)


def test_b26_another_groups_user_can_do_nothing_to_the_dataset(uploaded: User, aws: "S3Client") -> None:
    user2 = User(uploaded.api, uploaded.scicat, "user2")

    answers = [user2.ask_for_space(), user2.finalize(), user2.give_up()]

    assert [(answer.status, answer.json["code"]) for answer in answers] == [
        (403, "forbidden"),
        (422, "forbidden"),
        (403, "forbidden"),
    ]
    assert len(keys(aws)) == len(FILES)
    upload = registry.upload(PID)
    assert upload is not None
    assert upload.state == "open"


def test_of_two_that_do_not_fit_together_one_is_granted(user1: User) -> None:
    assert user1
    assert quota.grant("any/1", 6 * GIB, 10 * GIB) is None
    assert quota.grant("any/2", 6 * GIB, 10 * GIB) == 4 * GIB
    quota.release("any/1")
    assert quota.grant("any/2", 6 * GIB, 10 * GIB) is None


@pytest.mark.usefixtures("aws", "atomic_s3")
def test_in_a_race_nothing_is_granted_twice_and_nobody_is_told_so_in_vain() -> None:
    """Of sixteen requests of eight datasets, two each with another size, as many are granted as fit."""
    asked = [(f"any/{number % 8}", (1 + number // 8) * GIB) for number in range(16)]
    with ThreadPoolExecutor(16) as racing:
        refused = list(racing.map(lambda one: quota.grant(one[0], one[1], 5 * GIB), asked))

    granted = {pid for (pid, _), free in zip(asked, refused, strict=True) if free is None}
    kept = quota.granted()
    assert set(kept) == granted
    assert sum(kept.values()) <= 5 * GIB
    assert any(free is not None for free in refused)


@pytest.mark.usefixtures("aws")
def test_a_grant_ends_after_90_days() -> None:
    assert quota.grant("any/1", 6 * GIB, 10 * GIB) is None
    with time_machine.travel(datetime.now(UTC) + timedelta(days=91), tick=False):
        assert quota.grant("any/2", 6 * GIB, 10 * GIB) is None
        assert quota.granted() == {"any/2": 6 * GIB}


def test_while_it_is_declared_complete_an_upload_cannot_be_given_up_nor_the_other_way_round(
    uploaded: User, aws: "S3Client"
) -> None:
    with registry.finalizing(PID) as first:
        assert first is not None
        answers = [uploaded.give_up(), uploaded.ask_for_space()]
        assert [(answer.status, answer.json["code"]) for answer in answers] == [(409, "dataset_busy")] * 2
        assert len(keys(aws)) == len(FILES)
        first.end()
    assert uploaded.give_up().json["code"] == "dataset_locked"

    registry.empty("any/other")
    assert registry._enter("any/other", "emptying") is not None
    with registry.finalizing("any/other") as second:
        assert second is None


def test_what_a_request_left_in_the_middle_is_gone_on_with_a_minute_later(uploaded: User) -> None:
    assert registry._enter(PID, "finalizing") is not None
    assert uploaded.give_up().json["code"] == "dataset_busy"

    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2), tick=False):
        assert uploaded.give_up().status == 201


def test_what_could_not_be_declared_complete_is_open_again_at_once(uploaded: User, aws: "S3Client") -> None:
    code = missing(aws)

    assert uploaded.finalize().json["code"] == code

    assert uploaded.presign("grids/c.mrc").status == 201
    assert uploaded.give_up().status == 201


def test_what_was_declared_complete_is_pinned_and_not_looked_at_again(uploaded: User, aws: "S3Client") -> None:
    assert uploaded.finalize().status == 201
    before = registry.upload(PID)
    longer(aws)

    assert uploaded.finalize(create_archiving_job=True).status == 201

    assert registry.upload(PID) == before
    assert before is not None
    assert before.pinned is not None
    assert before.pinned.files == len(FILES)


@pytest.fixture
def long_list(uploaded: User, aws: "S3Client", environment: pytest.MonkeyPatch) -> User:
    """The owner of a dataset of which SciCat has so many files that they take several requests, all of them there."""
    environment.setattr(dataset_uploads, "_LONG_LIST", 0)
    for name, value in (("_SHARE", 2), ("_SAMPLED", 1)):
        environment.setattr(known_files, name, value)
    environment.setattr(file_table, "_RECORDS_PER_SHARD", 3)
    for block in range(3):
        uploaded.lists({f"movies/{block}-{number}.mrc": 1 for number in range(4)})
    for block in range(3):
        for number in range(4):
            aws.put_object(Bucket="landing", Key=f"{PREFIX}movies/{block}-{number}.mrc", Body=b"1")
    return uploaded


def test_a_list_that_takes_longer_than_a_request_is_gone_on_with(
    long_list: User, environment: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def noted(block: FileBlock) -> known_files._BlockNoted:
        read.append(block.id)
        return reading(block)

    reading = known_files._noted
    environment.setattr(known_files, "_noted", noted)
    clock = iter(range(1_000))
    environment.setattr(known_files, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    environment.setattr(dataset_uploads, "_LIST_SECONDS", 2.5)

    answers = [long_list.ask_for_space() for _ in range(2)]

    assert [answer.status for answer in answers] == [507, 201]
    assert len(read) == len(set(read)) == 4
    assert long_list.presign("movies/2-3.mrc").status == 201


def test_a_long_list_is_compared_with_what_was_noted_of_it(long_list: User, environment: pytest.MonkeyPatch) -> None:
    assert long_list.ask_for_space().status == 201
    with environment.context() as patch:
        patch.setattr(Catalogue, "files_of", None)
        assert long_list.finalize().status == 201

    upload = registry.upload(PID)
    assert upload is not None
    assert upload.pinned is not None
    assert upload.pinned.files == len(FILES) + 12


@pytest.mark.parametrize("change", [missing, longer, not_listed])
def test_what_is_wrong_in_a_long_list_is_named_all_the_same(
    long_list: User, aws: "S3Client", change: Callable[["S3Client"], str]
) -> None:
    assert long_list.ask_for_space().status == 201
    code = change(aws)

    answer = long_list.finalize()

    assert (answer.status, answer.json["code"]) == (422, code)
    assert "grids/c.mrc" in answer.json["details"]


def test_a_list_that_is_another_one_by_now_is_read_again(long_list: User) -> None:
    assert long_list.ask_for_space().status == 201
    long_list.lists({"later.mrc": 3})

    assert long_list.finalize().json["code"] == "missing_files"


READER = frozenset({"readers"})


@pytest.fixture
def reader(uploaded: User, scicat: Scicat, environment: pytest.MonkeyPatch) -> User:
    """Somebody of the dataset's access groups, where these may upload, when its owner has begun to."""
    environment.setenv("ACCESS_GROUPS_MAY_UPLOAD", "true")
    settings.cache_clear()
    scicat.share(PID, *READER)
    return User(uploaded.api, scicat, "reader", READER)


def test_who_only_reads_a_dataset_can_do_nothing_to_its_owners_upload(
    uploaded: User, reader: User, aws: "S3Client"
) -> None:
    uploaded.lists({"large.mrc": None})
    uploaded.ask_for_space()
    upload_id = uploaded.presign("large.mrc", parts=2).json["upload_id"]

    answers = [
        reader.ask_for_space(),
        reader.presign("a.mrc"),
        reader.presign("large.mrc", parts=2),
        reader.parts(upload_id, "large.mrc"),
        reader.complete(upload_id, "large.mrc"),
        reader.abort(upload_id, "large.mrc"),
        reader.finalize(),
        reader.give_up(),
    ]

    assert {answer.json["code"] for answer in answers} == {"forbidden"}
    assert len(keys(aws)) == len(FILES)
    assert uploaded.abort(upload_id, "large.mrc").status == 201
    assert uploaded.finalize().status == 201


def test_an_owner_takes_over_what_somebody_of_an_access_group_began(uploaded: User, reader: User) -> None:
    uploaded.give_up()
    reader.lists({"large.mrc": None})
    assert reader.ask_for_space().status == 201
    upload_id = reader.presign("large.mrc", parts=2).json["upload_id"]

    assert uploaded.abort(upload_id, "large.mrc").status == 201
    assert uploaded.ask_for_space().status == 201
    assert reader.presign("large.mrc", parts=2).json["code"] == "forbidden"
    assert uploaded.give_up().status == 201


def test_nobody_of_an_access_group_may_upload_unless_the_deployment_says_so(
    reader: User, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("ACCESS_GROUPS_MAY_UPLOAD")
    settings.cache_clear()

    assert reader.ask_for_space().json["code"] == "forbidden"
