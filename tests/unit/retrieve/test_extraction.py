"""Selected files are read where they lie, in as many calls as it takes, and wait for tape."""

import hashlib
import io
import math
import tarfile
from typing import TYPE_CHECKING

import pytest

from archiver.aws import metering
from archiver.errors import Code, ServiceRefused
from archiver.lts.long_term_storage import long_term_storage
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.models.datablocks import WantedDatablock
from archiver.models.documents import Document
from archiver.models.states import Run
from archiver.retrieve import extraction
from archiver.retrieve.documents import REQUEST
from archiver.retrieve.extraction import Extraction, extract, selection_of, tars_of
from archiver.scicat import Job, JobDataset
from archiver.storage.documents import WANTED
from archiver.storage.run_folder import RunFolder
from tests.support.archive import ANY_PID, archive_id, our_tar, put_on_tape
from tests.support.catalogue import ANY_TIME

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MIB = 1024**2
RUN = Run(job_id="any-job", run_id="any-job-1", pid=ANY_PID)
FILES = {"a.mrc": b"first", "large.mrc": bytes(range(256)) * (24 * MIB // 256), "other.mrc": b"other"}
ASKED = frozenset({"a.mrc", "large.mrc"})
KEY = archive_id(0)


@pytest.fixture
def tar(aws: "S3Client") -> bytes:
    """A datablock on tape that a run wants two files of."""
    made = our_tar(FILES, number=0)
    put_on_tape(aws, KEY, made)
    files = tuple(
        CatalogueFile(path=path, size=len(body), time=ANY_TIME, chk=hashlib.sha256(body).hexdigest())
        for path, body in FILES.items()
    )
    datablock = CatalogueDatablock(KEY, sum(map(len, FILES.values())), len(made), "sha256", "2", files)
    folder = RunFolder(RUN.run_id)
    folder.save(WANTED, [WantedDatablock(0, KEY, len(made))])
    folder.save(Document("datablocks/000000.json", CatalogueDatablock), datablock)
    return made


def recall(s3: "S3Client") -> None:
    s3.restore_object(Bucket="lts", Key=KEY, RestoreRequest={"Days": 1})


def given(s3: "S3Client") -> dict[str, bytes]:
    """The files of the tar that was made."""
    (made,) = tars_of(RUN.run_id) or []
    body = s3.get_object(Bucket="retrieval", Key=made.key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as opened:
        members = {member.name: opened.extractfile(member) for member in opened}
        return {path: member.read() for path, member in members.items() if member and path in FILES}


@pytest.mark.usefixtures("tar")
def test_what_lies_on_tape_is_waited_for() -> None:
    assert extract(RUN, ASKED, long_term_storage(), math.inf) is Extraction.ON_TAPE
    assert tars_of(RUN.run_id) is None


@pytest.mark.usefixtures("tar")
def test_a_call_without_time_goes_on_in_the_next(aws: "S3Client") -> None:
    recall(aws)
    calls = 1
    while extract(RUN, ASKED, long_term_storage(), 0.0) is Extraction.UNFINISHED:
        calls += 1

    assert calls > 1
    assert given(aws) == {path: FILES[path] for path in ASKED}


@pytest.mark.usefixtures("tar")
def test_bytes_of_another_service_are_sent_on_instead_of_copied(
    aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    recall(aws)
    before = metering.moved()
    lts = long_term_storage()
    environment.setattr(lts, "_same_account", False)

    assert extract(RUN, ASKED, lts, math.inf) is Extraction.DONE

    moved = metering.moved() - before
    assert given(aws) == {path: FILES[path] for path in ASKED}
    assert (moved["copied"], moved["sent"] > 24 * MIB, moved["read"] < 26 * MIB) == (0, True, True)


def test_a_proven_copy_is_read_instead_of_tape(aws: "S3Client", tar: bytes) -> None:
    aws.put_object(Bucket="retrieval", Key=KEY, Body=tar, ChecksumAlgorithm="CRC64NVME")

    assert extract(RUN, frozenset({"a.mrc"}), long_term_storage(), math.inf) is Extraction.DONE
    assert given(aws) == {"a.mrc": b"first"}


@pytest.mark.usefixtures("tar")
def test_a_datablock_that_was_lost_is_named(aws: "S3Client") -> None:
    aws.delete_object(Bucket="lts", Key=KEY)

    with pytest.raises(ServiceRefused, match=KEY) as refused:
        extract(RUN, ASKED, long_term_storage(), math.inf)

    assert refused.value.reason.code is Code.CORRUPT_DATABLOCK


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("asked", "files"),
    [
        ([], set()),
        ([JobDataset("any/other", ("x",))], set()),
        ([JobDataset(ANY_PID, ("a", "b"))], {"a", "b"}),
        ([JobDataset(ANY_PID, ("a",)), JobDataset(ANY_PID, ("b",))], {"a", "b"}),
        ([JobDataset(ANY_PID, ("a",)), JobDataset(ANY_PID, ())], set()),
    ],
)
def test_the_files_of_a_run_are_those_that_its_job_names(asked: list[JobDataset], files: set[str]) -> None:
    RunFolder(RUN.job_id).save(REQUEST, Job(RUN.job_id, "retrieve", "any", tuple(asked), None, None, None))

    assert selection_of(RUN) == files


def test_a_run_without_a_request_asks_for_everything(aws: "S3Client") -> None:
    assert aws
    assert extraction.selection_of(RUN) == frozenset()
