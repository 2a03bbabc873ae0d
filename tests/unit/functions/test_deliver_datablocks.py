"""The step DeliverDatablocks."""

from typing import TYPE_CHECKING, Any

import pytest

from archiver.delivery import Delivered
from archiver.errors import Code, ServiceRefused, ServiceUnavailable
from archiver.storage import RunFolder
from functions.claim_retrieval.app import handler as claim
from functions.deliver_datablocks.app import handler
from functions.recall_datablocks.app import handler as recall
from tests.account import LambdaContext
from tests.archive import ANY_PID, an_archived_dataset, archive_id, flipped, put_on_tape
from tests.catalogue import Scicat

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
    notes = [folder.need(name, Delivered) for name in folder.names("delivered/")]
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


def test_a_corrupt_datablock_is_refused_with_its_files(tars: dict[str, bytes], aws: "S3Client") -> None:
    corrupt = archive_id(0)
    aws.put_object(Bucket="lts", Key=corrupt, Body=flipped(tars[corrupt]))

    with pytest.raises(ServiceRefused) as refused:
        deliver()

    assert (refused.value.reason.code, refused.value.reason.files) == (Code.CORRUPT_DATABLOCK, ("a.mrc",))
    assert corrupt not in retrieved(aws)


def test_a_datablock_that_went_back_to_tape_is_asked_for_again(tars: dict[str, bytes], aws: "S3Client") -> None:
    put_on_tape(aws, archive_id(0), tars[archive_id(0)])

    with pytest.raises(ServiceUnavailable) as unavailable:
        deliver()

    assert unavailable.value.reason.code == Code.RECALL_FAILED
    assert "Restore" in aws.head_object(Bucket="lts", Key=archive_id(0))
    assert deliver()
