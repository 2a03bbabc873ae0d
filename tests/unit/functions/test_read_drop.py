"""The step ReadDrop."""

from typing import TYPE_CHECKING, Any

import pytest

from archiver.aws.s3 import Bucket
from archiver.errors import Code, DatasetRejected, Reason, ServiceRefused, ServiceUnavailable
from archiver.ingest import MARKER_LIMIT, DropContent, ListedFile
from archiver.ingest.documents import DROP, LISTED
from archiver.keys import Keys
from archiver.models.states import Lease
from archiver.storage import leases
from functions.read_drop.app import handler
from tests.support import dropping
from tests.support.account import LambdaContext

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def read(run_id: str = dropping.RUN_ID) -> dict[str, Any]:
    state = handler(dropping.a_drop(run_id=run_id).model_dump(), LambdaContext())
    assert state is not None
    return state


def content() -> DropContent:
    return dropping.run_folder().need(DROP)


def listed() -> list[ListedFile]:
    return dropping.run_folder().need(LISTED)


def the_refusal() -> Reason:
    with pytest.raises(DatasetRejected) as error:
        read()
    return Reason.from_json(str(error.value))


def test_what_the_drop_says_is_written_down(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1"}, dropping.a_document(files=[{"path": "a", "size": 1}]))

    state = read()

    assert (state["pid"], state["owner_group"]) == (content().pid, content().metadata["ownerGroup"])
    assert (content().listed, content().documents) == (True, ("dataset.json", "dataset.status.json"))
    assert [file.path for file in listed()] == ["a"]


def test_a_list_of_checksums_is_found_by_its_usual_name_and_is_no_data(aws: "S3Client") -> None:
    files = dropping.some_files()
    dropping.drop(aws, {**files, "SHA256SUMS": dropping.sha256sums(files)})

    read()

    assert {file.path: file.chk for file in listed()} == {path: dropping.sha256(body) for path, body in files.items()}
    assert "SHA256SUMS" in content().documents


def test_a_list_of_checksums_may_be_named_and_of_another_algorithm(aws: "S3Client") -> None:
    dropping.drop(aws, {"my.md5": b"0" * 32 + b"  a"}, dropping.a_document(checksums="my.md5", chkAlg="md5"))

    read()

    assert (content().chk_alg, [file.path for file in listed()]) == ("md5", ["a"])


def test_a_folder_without_a_list_is_taken_as_it_is(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1"})

    read()

    assert (content().listed, listed()) == (False, [])


def test_a_list_that_is_named_and_not_there_is_awaited(aws: "S3Client") -> None:
    dropping.drop(aws, {}, dropping.a_document(checksums="./late"))
    read()
    assert (content().awaited, content().listed) == ("late", False)


def test_a_dataset_json_that_is_not_in_its_place_is_told_where_that_is(aws: "S3Client") -> None:
    dropping.drop(aws, {}, prefix="incoming/a/b/")
    state = dropping.a_drop("incoming/a/b/").model_copy(update={"misplaced": "incoming/a/b/dataset.json"})
    with pytest.raises(DatasetRejected) as error:
        handler(state.model_dump(), LambdaContext())
    reason = Reason.from_json(str(error.value))
    assert (reason.code, reason.files) == (Code.MISPLACED_DROP, ("incoming/a/b/dataset.json",))
    assert "upload it to incoming/b/" in reason.message


@pytest.mark.parametrize("method", ["head", "read"])
def test_documents_that_s3_does_not_let_us_read_are_named(
    aws: "S3Client", environment: pytest.MonkeyPatch, method: str
) -> None:
    dropping.drop(aws, {"a": b"1"})
    own = getattr(Bucket, method)

    def refuse(bucket: Bucket, key: str, *rest: Any) -> Any:
        if bucket.name == "landing":
            raise ServiceRefused(Code.PERMISSION, f"S3 does not allow it: AccessDenied for {key}.")
        return own(bucket, key, *rest)

    environment.setattr(Bucket, method, refuse)
    assert (the_refusal().code, the_refusal().files) == (Code.UNREADABLE_FILES, ("dataset.json",))


def test_a15_a_dataset_json_of_more_than_a_megabyte_is_refused_unread(aws: "S3Client") -> None:
    dropping.drop(aws, {}, b" " * (MARKER_LIMIT + 1))
    assert the_refusal().code is Code.BAD_DROP


@pytest.mark.usefixtures("aws")
def test_a_dataset_json_that_is_gone_is_refused() -> None:
    assert the_refusal().message == "dataset.json is gone. Write it again."


def test_a_folder_that_another_execution_works_on_is_busy(aws: "S3Client", environment: pytest.MonkeyPatch) -> None:
    dropping.drop(aws, {})
    read("drop-other")
    environment.setattr("archiver.aws.step_functions.status", lambda _: "RUNNING")

    with pytest.raises(ServiceUnavailable) as error:
        read()
    assert Reason.from_json(str(error.value)).code is Code.BUSY


def test_the_folder_of_an_execution_that_has_ended_is_taken_over(
    aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    dropping.drop(aws, {})
    read("drop-other")
    environment.setattr("archiver.aws.step_functions.status", lambda _: "FAILED")

    read()

    held = leases.read_lease(dropping.PREFIX)
    assert held == Lease(run_id=dropping.RUN_ID, execution_arn=dropping.EXECUTION_ARN, subject=dropping.PREFIX)


def test_the_folder_of_an_execution_that_a_sweep_settles_is_busy(
    aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    dropping.drop(aws, {})
    read("drop-other")
    held = leases.read_lease(dropping.PREFIX)
    assert held is not None
    assert leases.sweep_lease(Keys.lease(dropping.PREFIX), held, "any-sweep")
    status = {held.execution_arn: "FAILED", "any-sweep": "RUNNING"}
    environment.setattr("archiver.aws.step_functions.status", status.get)

    with pytest.raises(ServiceUnavailable) as error:
        read()

    assert Reason.from_json(str(error.value)).code is Code.BUSY
    status["any-sweep"] = "SUCCEEDED"
    read()


def test_a_step_that_runs_twice_says_the_same(aws: "S3Client") -> None:
    dropping.drop(aws, {})
    assert read() == read()
