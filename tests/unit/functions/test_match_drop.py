"""The step MatchDrop."""

import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from archiver.aws import clients
from archiver.aws.s3 import Bucket
from archiver.errors import Code, DatasetRejected, Reason, ServiceRefused
from archiver.ingest import DropMatched, DropStatus, FileCount, Waiting
from archiver.ingest.documents import MATCHED
from functions.match_drop.app import handler
from tests.support import dropping
from tests.support.account import LambdaContext

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


A_REPORT = DropStatus(status="rejected", message="any", execution="arn:any").model_dump_json().encode()


# Nothing came for so long that nothing is waited for any more.
OVER = Waiting(waited=24 * 3600)


def look(waiting: Waiting = OVER) -> DropMatched:
    """Take the step, by default when all patience is used up; returns what it says."""
    drop = DropMatched(**dropping.a_read_drop().model_dump() | {"waiting": waiting}, settled=False)
    return DropMatched.model_validate(handler(drop.model_dump(), LambdaContext()))


def match() -> None:
    """Take the step when the folder was quiet for long enough."""
    first = look(Waiting())
    quiet = first.waiting.model_copy(update={"quiet": 24 * 3600})
    look(quiet) if first.waiting.seconds else None


def the_refusal() -> Reason:
    with pytest.raises(DatasetRejected) as error:
        look()
    return Reason.from_json(str(error.value))


def test_the_files_are_written_down_as_they_lie_in_the_bucket(aws: "S3Client") -> None:
    files = dropping.some_files(4)
    dropping.drop(aws, files, dropping.a_document(files=dropping.listed(files)))

    match()

    folder = dropping.run_folder()
    assert {file.path: (file.size, file.chk, file.chk_alg) for file in folder.files()} == {
        path: (len(body), dropping.sha256(body), "sha256") for path, body in files.items()
    }
    assert folder.load(MATCHED) == FileCount(files=4, size=6)


def test_c15_files_without_bytes_are_files(aws: "S3Client") -> None:
    dropping.drop(aws, {"empty": b""})
    match()
    assert dropping.run_folder().load(MATCHED) == FileCount(files=1, size=0)


def test_a10_directory_markers_and_the_drops_documents_are_no_files(aws: "S3Client") -> None:
    dropping.drop(aws, {"folder/": b"", "dataset.status.json": A_REPORT, "folder/a": b"1", "folder/dataset.json": b"2"})
    match()
    assert [file.path for file in dropping.run_folder().files()] == ["folder/a", "folder/dataset.json"]


def test_c19_a_folder_without_files_is_refused(aws: "S3Client") -> None:
    dropping.drop(aws, {"folder/": b""})
    assert the_refusal().code is Code.NO_FILES


def test_d01_d02_what_is_missing_is_told_before_what_is_extra(aws: "S3Client") -> None:
    dropping.drop(aws, {"extra": b"1"}, dropping.a_document(files=[{"path": "missing"}]))
    assert (the_refusal().code, the_refusal().files) == (Code.MISSING_FILES, ("missing",))


def test_a05_listed_files_that_are_missing_are_waited_for_and_named_meanwhile(aws: "S3Client") -> None:
    document = dropping.a_document(files=[{"path": "early"}, {"path": "late"}])
    dropping.drop(aws, {"early": b"12"}, document)

    assert look(Waiting()).waiting.seconds == 2

    status = dropping.the_status(aws)
    assert (status["status"], status["files"], status["count"]) == ("waiting", ["late"], 1)
    assert status["arrived"] == {"files": 1, "size": 2}
    assert status["since"] < status["until"]
    dropping.drop(aws, {"late": b"2"}, document)
    assert look(Waiting()).waiting.seconds == 0


def test_a_list_of_checksums_that_comes_after_dataset_json_is_read(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1"}, dropping.a_document(checksums="sums.txt"))
    state = DropMatched(**dropping.a_read_drop().model_dump(), settled=False)
    assert handler(state.model_dump(), LambdaContext())["reread"] is False  # type: ignore[index]
    assert dropping.the_status(aws)["files"] == ["sums.txt"]

    aws.put_object(Bucket="landing", Key=f"{dropping.PREFIX}sums.txt", Body=dropping.sha256sums({"a": b"1"}))

    assert handler(state.model_dump(), LambdaContext())["reread"] is True  # type: ignore[index]


def test_a_list_that_is_named_and_never_comes_is_missing(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1"}, dropping.a_document(checksums="sums.txt"))
    assert (the_refusal().code, the_refusal().files) == (Code.MISSING_FILES, ("sums.txt",))


def test_an_upload_that_stays_open_is_waited_for_a_day_and_then_named(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1"})
    aws.create_multipart_upload(Bucket="landing", Key=f"{dropping.PREFIX}big.mrc")

    assert look(Waiting(waited=3600, quiet=3600)).waiting.seconds > 0

    assert dropping.the_status(aws)["files"] == ["big.mrc"]
    assert (the_refusal().code, the_refusal().files) == (Code.STILL_ARRIVING, ("big.mrc",))


def test_an_upload_of_what_is_not_listed_keeps_nobody_waiting(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1"}, dropping.a_document(files=[{"path": "a"}]))
    aws.create_multipart_upload(Bucket="landing", Key=f"{dropping.PREFIX}other.mrc")
    assert look(Waiting()).waiting.seconds == 0


@pytest.mark.parametrize("composed", ["NFC", "NFD"])
def test_a_name_in_another_composition_than_the_lists_is_the_listed_file(aws: "S3Client", composed: Any) -> None:
    name = unicodedata.normalize(composed, "Übersicht/größe.mrc")
    other = unicodedata.normalize("NFD" if composed == "NFC" else "NFC", name)
    dropping.drop(aws, {name: b"1"}, dropping.a_document(files=[{"path": other, "chk": dropping.sha256(b"1")}]))

    assert look(Waiting()).waiting.seconds == 0

    assert [(file.path, file.chk) for file in dropping.run_folder().files()] == [(name, dropping.sha256(b"1"))]


def test_c07_two_files_whose_names_differ_in_composition_alone_are_told_apart(aws: "S3Client") -> None:
    twins = {unicodedata.normalize(form, "ü"): b"1" for form in ("NFC", "NFD")}
    dropping.drop(aws, twins, dropping.a_document(files=[{"path": name} for name in twins]))
    match()
    assert {file.path for file in dropping.run_folder().files()} == set(twins)


def test_times_and_modes_are_taken_from_metadata_where_clients_write_it(aws: "S3Client") -> None:
    dropping.drop(aws, {})
    said = {"mtime": "1588554121.5", "mode": "33152"}
    for number in range(8):
        aws.put_object(Bucket="landing", Key=f"{dropping.PREFIX}{number}", Body=b"1", Metadata=said if number else {})

    match()

    files = {file.path: (file.time, file.perm) for file in dropping.run_folder().files()}
    assert files.pop("0")[1] is None
    assert set(files.values()) == {("2020-05-04T01:02:01.500Z", "-rw-------")}


def test_where_the_first_objects_have_no_metadata_the_others_are_not_asked(aws: "S3Client") -> None:
    dropping.drop(aws, {str(number): b"1" for number in range(50)})
    asked: list[str] = []
    clients.s3().meta.events.register("provide-client-params.s3.HeadObject", lambda params, **_: asked.append(params))

    look(OVER.model_copy(update={"seen": look(Waiting()).waiting.seen, "seconds": 60}))

    assert sum(one["Bucket"] == "landing" and one["Key"][-1].isdigit() for one in asked) == 5  # type: ignore[index]


def test_an_object_that_s3_does_not_let_us_read_is_named(aws: "S3Client", environment: pytest.MonkeyPatch) -> None:
    dropping.drop(aws, {"a": b"1"}, dropping.a_document(files=[{"path": "a"}]))

    def refuse(_: Bucket, key: str) -> None:
        raise ServiceRefused(Code.KMS, f"The encryption key cannot be used: {key}.")

    state = dropping.a_read_drop()
    environment.setattr(Bucket, "head", refuse)
    with pytest.raises(DatasetRejected) as error:
        handler(DropMatched(**state.model_dump(), settled=False).model_dump(), LambdaContext())
    reason = Reason.from_json(str(error.value))
    assert (reason.code, reason.files) == (Code.UNREADABLE_FILES, ("a",))
    assert "encryption key" in reason.message


def test_an_own_answer_deeper_in_the_folder_is_taken_away_and_is_no_data(aws: "S3Client") -> None:
    own = DropStatus(status="rejected", message="any", code="misplaced_drop", execution="arn:any").model_dump_json()
    files = {"b/dataset.json": b"{}", "b/dataset.status.json": own.encode(), "c/dataset.status.json": A_REPORT}
    dropping.drop(aws, files)
    match()
    assert [file.path for file in dropping.run_folder().files()] == ["b/dataset.json", "c/dataset.status.json"]


def test_data_under_the_name_of_the_services_report_is_refused(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1", "dataset.status.json": b'{"mine": true}'})
    assert (the_refusal().code, the_refusal().files) == (Code.BAD_PATH, ("dataset.status.json",))


def test_a_drop_never_counts_the_files_of_its_neighbour(aws: "S3Client") -> None:
    dropping.drop(aws, {"a": b"1"})
    dropping.drop(aws, {"b": b"1"}, prefix="incoming/any-drop-2/")
    match()
    assert [file.path for file in dropping.run_folder().files()] == ["a"]
