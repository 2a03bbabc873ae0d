"""The step DeliverDatablocks."""

from typing import TYPE_CHECKING, Any

import pytest

from archiver.alarms import Alarm
from archiver.errors import Code
from archiver.lts.long_term_storage import LongTermStorage, StoredDatablock
from archiver.models.documents import Document
from archiver.retrieve.delivery import Delivered, Refused
from archiver.storage.run_folder import RunFolder
from functions.claim_retrieval.app import handler as claim
from functions.deliver_datablocks.app import handler
from functions.recall_datablocks.app import handler as recall
from tests.support.account import LambdaContext
from tests.support.archive import ANY_FILES, ANY_PID, an_archived_dataset, archive_id, flipped, put_on_tape
from tests.support.catalogue import Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

RUN: dict[str, Any] = {"job_id": "any-job", "run_id": "any-job-1", "pid": ANY_PID, "execution_arn": "any"}


@pytest.fixture
def tars(aws: "S3Client", scicat: Scicat) -> dict[str, bytes]:
    """A claimed run over three datablocks, recalled."""
    tars = an_archived_dataset(aws, scicat)
    begun = claim(RUN, LambdaContext())
    assert begun is not None
    recall(begun, LambdaContext())
    return tars


def deliver(lane: int = 0, lanes: int = 1) -> bool:
    done = handler(RUN | {"lane": lane, "lanes": lanes}, LambdaContext())
    assert done is not None
    return bool(done["done"])


def retrieved(s3: "S3Client") -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket="retrieval").get("Contents", [])
    return {one["Key"]: s3.get_object(Bucket="retrieval", Key=one["Key"])["Body"].read() for one in found}


def test_every_datablock_is_delivered_and_noted(tars: dict[str, bytes], aws: "S3Client") -> None:
    assert deliver()

    assert retrieved(aws) == tars
    folder = RunFolder("any-job-1")
    notes = [folder.need(Document(name, Delivered)) for name in folder.names("delivered/")]
    assert [(note.key, note.size) for note in notes] == [(key, len(tar)) for key, tar in tars.items()]


def test_workers_share_the_datablocks(tars: dict[str, bytes], aws: "S3Client") -> None:
    assert tars
    assert deliver(lane=1, lanes=2)
    assert list(retrieved(aws)) == [archive_id(1)]

    assert deliver(lane=0, lanes=2)
    assert retrieved(aws) == tars


def test_what_is_delivered_is_not_read_again(tars: dict[str, bytes], aws: "S3Client") -> None:
    deliver()
    for key in tars:
        aws.delete_object(Bucket="lts", Key=key)

    assert deliver()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_g06_a_corrupt_datablock_is_refused_with_its_files_and_the_others_are_delivered(
    tars: dict[str, bytes], aws: "S3Client", number: int
) -> None:
    corrupt = archive_id(number)
    aws.put_object(Bucket="lts", Key=corrupt, Body=flipped(tars[corrupt]))

    assert deliver()

    assert list(retrieved(aws)) == [key for key in tars if key != corrupt]
    folder = RunFolder("any-job-1")
    assert len(folder.names("delivered/")) == 2
    (note,) = folder.names("refused/")
    refused = folder.need(Document(note, Refused))
    assert (refused.archive_id, refused.reason.code) == (corrupt, Code.CORRUPT_DATABLOCK)
    assert refused.reason.files == (next(iter(ANY_FILES[number])),)


@pytest.mark.usefixtures("tars")
def test_a_lost_datablock_is_refused_and_the_others_are_delivered(aws: "S3Client") -> None:
    aws.delete_object(Bucket="lts", Key=archive_id(0))

    assert deliver()

    assert list(retrieved(aws)) == [archive_id(1), archive_id(2)]
    refused = RunFolder("any-job-1").need(Document("refused/000000.json", Refused))
    assert refused.reason.files == ("a.mrc", "deep/b.mrc")


def test_what_was_refused_is_not_read_again(tars: dict[str, bytes], aws: "S3Client") -> None:
    aws.delete_object(Bucket="lts", Key=archive_id(0))
    deliver()
    put_on_tape(aws, archive_id(0), tars[archive_id(0)])

    assert deliver()

    assert RunFolder("any-job-1").names("refused/") == ["refused/000000.json"]


def test_a_datablock_that_went_back_to_tape_is_asked_for_again_and_the_others_are_delivered(
    tars: dict[str, bytes], aws: "S3Client"
) -> None:
    put_on_tape(aws, archive_id(0), tars[archive_id(0)])

    done = handler(RUN | {"lane": 0, "lanes": 1}, LambdaContext())

    assert done is not None
    assert (done["done"], done["on_tape"]) == (True, True)
    assert list(retrieved(aws)) == [archive_id(1), archive_id(2)]
    assert "Restore" in aws.head_object(Bucket="lts", Key=archive_id(0))
    assert deliver()
    assert retrieved(aws) == tars


def test_a_share_that_runs_out_of_time_is_not_done(tars: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    assert tars
    monkeypatch.setattr("archiver.retrieve.settling.deliver", lambda *_: None)
    monkeypatch.setattr("functions.deliver_datablocks.app.deadline", lambda: 0.0)
    assert not deliver()


@pytest.mark.usefixtures("wire")
def test_what_the_storage_calls_readable_and_does_not_let_be_read_is_left_to_be_waited_for(
    tars: dict[str, bytes], aws: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    read = LongTermStorage.read

    def refuse_one(lts: LongTermStorage, datablock: StoredDatablock, start: int, length: int) -> bytes | None:
        return None if datablock.key == archive_id(0) else read(lts, datablock, start, length)

    monkeypatch.setattr(LongTermStorage, "read", refuse_one)
    done = handler(RUN | {"lane": 0, "lanes": 1}, LambdaContext())

    assert done is not None
    assert (done["done"], done["on_tape"], done["calls"]) == (True, True, 1)
    assert list(retrieved(aws)) == [archive_id(1), archive_id(2)]
    monkeypatch.undo()
    assert deliver()
    assert retrieved(aws) == tars


def test_a_retrieval_that_finds_a_tar_gone_sounds_an_alarm(
    tars: dict[str, bytes], aws: "S3Client", capsys: pytest.CaptureFixture[str]
) -> None:
    assert tars
    aws.delete_object(Bucket="lts", Key=archive_id(0))
    capsys.readouterr()
    assert deliver()
    assert capsys.readouterr().out.count(f'"{Alarm.DATABLOCKS_DAMAGED}":[1.0]') == 1
    assert deliver()
    assert Alarm.DATABLOCKS_DAMAGED not in capsys.readouterr().out
