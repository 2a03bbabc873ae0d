"""The catalogue's list and the bucket agree, or the dataset is rejected by name."""

from collections.abc import Callable

import pytest

from archiver.archive import matching
from archiver.errors import DatasetRejected
from archiver.keys import Keys
from archiver.models import file_lists
from archiver.models.files import Upload
from archiver.reporting.warnings import WARNINGS, WarningCode
from archiver.scicat import catalogue
from archiver.storage import sources
from archiver.storage.documents import SNAPSHOT
from archiver.uploads import known_files, registry
from functions.snapshot_dataset.app import handler
from tests.support.account import LambdaContext
from tests.support.catalogue import ANY_TIME
from tests.support.dataset import ADataset


def test_every_file_is_pinned_by_its_etag(a_dataset: Callable[..., ADataset], lambda_context: LambdaContext) -> None:
    dataset = a_dataset()
    handler(dataset.run, lambda_context)
    pinned = {file.path: file.etag for file in dataset.folder.files()}
    listing = dataset.s3.list_objects_v2(Bucket="landing", Prefix=dataset.prefix)["Contents"]
    etags = {found["Key"].removeprefix(dataset.prefix): found["ETag"].strip('"') for found in listing}
    assert pinned == {path: etags[path] for path in dataset.files}
    snapshot = dataset.folder.need(SNAPSHOT)
    assert (snapshot.files, snapshot.size, snapshot.prefix) == (2, 11, dataset.prefix)


def test_d01_a_dataset_with_a_missing_file_is_rejected_and_nothing_is_deleted(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    dataset.s3.delete_object(Bucket="landing", Key=dataset.prefix + "deep/b.mrc")
    before = dataset.landing()
    with pytest.raises(DatasetRejected) as rejected:
        handler(dataset.run, lambda_context)
    assert (rejected.value.reason.code, rejected.value.reason.files) == ("missing_files", ("deep/b.mrc",))
    assert dataset.landing() == before
    assert dataset.folder.load(SNAPSHOT) is None


def test_c21_a_sum_of_sizes_that_scicat_has_wrong_is_warned_of_and_no_reason_to_refuse(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset(files={})
    dataset.s3.put_object(Bucket="landing", Key=f"{dataset.prefix}a.mrc", Body=b"first")
    block = {"size": 99, "dataFileList": [{"path": "a.mrc", "size": 5, "time": ANY_TIME}]}
    dataset.scicat.add_origdatablock(dataset.pid, block)
    handler(dataset.run, lambda_context)
    (warning,) = dataset.folder.need(WARNINGS)
    assert (warning.code, "99 bytes" in warning.message) == (WarningCode.SIZE_DIFFERS, True)


def test_c18_a_list_too_long_for_memory_is_matched_all_the_same(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(file_lists, "FILES_IN_MEMORY", 5)
    dataset = a_dataset(files={f"{number * 7 % 23:02}": b"any" for number in range(23)})
    handler(dataset.run, lambda_context)
    assert [file.path for file in dataset.folder.files()] == [f"{number:02}" for number in range(23)]


def test_a_folder_that_was_dropped_as_another_dataset_since_is_not_archived_as_this_one(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    dataset = a_dataset()
    sources.record_upload("20.500.11935/another", Upload(prefix=dataset.prefix))
    with pytest.raises(DatasetRejected, match="Another dataset was dropped"):
        handler(dataset.run, lambda_context)


def test_a_dataset_that_scicat_does_not_know_is_rejected(
    a_dataset: Callable[..., ADataset], lambda_context: LambdaContext
) -> None:
    with pytest.raises(DatasetRejected, match="dataset_unknown"):
        handler(a_dataset().run | {"pid": "20.500.11935/nobody-knows"}, lambda_context)


PID = "20.500.11935/any-dataset"


@pytest.fixture
def declared(a_dataset: Callable[..., ADataset]) -> ADataset:
    """A dataset without checksums whose upload was declared complete; of a link only the link was listed."""
    dataset = a_dataset(prefix=Keys.uploads(PID))
    dataset.scicat.add_files(PID, {"path": "latest.mrc", "size": 5, "perm": "Lrwxrwxrwx"})
    declare(dataset)
    return dataset


def declare(dataset: ADataset) -> None:
    listed = catalogue().files_of(PID, lambda files: sorted(files, key=file_lists.byte_order))
    there = sources.uploaded(sources.upload_of(PID))
    matched = list(matching.match(listed, there, dataset.prefix))
    seen = known_files.pin(PID, [(file.path, file.size, file.etag) for file in matched if file.etag])
    with registry.finalizing(PID) as finalizing:
        assert finalizing is not None
        assert finalizing.pin(seen)
        assert finalizing.end()


def replace(dataset: ADataset) -> str:
    dataset.s3.put_object(Bucket="landing", Key=f"{dataset.prefix}a.mrc", Body=b"FIRST")
    return "a.mrc"


def add(dataset: ADataset) -> str:
    dataset.s3.put_object(Bucket="landing", Key=f"{dataset.prefix}latest.mrc", Body=b"any")
    return "latest.mrc"


@pytest.mark.parametrize("change", [replace, add])
def test_what_came_after_the_upload_was_declared_complete_is_refused_and_nothing_is_lost(
    declared: ADataset, lambda_context: LambdaContext, change: Callable[[ADataset], str]
) -> None:
    path = change(declared)
    before = declared.landing()

    with pytest.raises(DatasetRejected) as rejected:
        handler(declared.run, lambda_context)

    assert (rejected.value.reason.code, rejected.value.reason.files) == ("changed_after_validate", (path,))
    assert "declare it complete once more" in rejected.value.reason.message
    assert declared.landing() == before
    assert declared.folder.load(SNAPSHOT) is None


def test_a_links_target_that_was_taken_away_is_noticed(declared: ADataset, lambda_context: LambdaContext) -> None:
    add(declared)
    upload = registry.upload(PID)
    assert upload is not None
    assert registry.reopen(PID, upload)
    declare(declared)
    declared.s3.delete_object(Bucket="landing", Key=f"{declared.prefix}latest.mrc")

    with pytest.raises(DatasetRejected, match="changed_after_validate"):
        handler(declared.run, lambda_context)


def test_what_is_still_what_was_declared_complete_is_archived(
    declared: ADataset, lambda_context: LambdaContext
) -> None:
    handler(declared.run, lambda_context)

    assert declared.folder.need(SNAPSHOT).files == 2
