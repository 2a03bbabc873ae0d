"""What a presigned URL of before brings after the upload was declared complete does no harm, at any time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from archiver.http import ttl_cache
from tests.support.account import LambdaContext
from tests.support.archiver_api import Api
from tests.support.catalogue import Scicat
from tests.support.uploading import PID, PREFIX, User, decoded, send
from tests.workflow.conftest import Workflows

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Files are sent to presigned addresses.
pytestmark = pytest.mark.usefixtures("wire")
FILES = {"a.mrc": b"the right bytes", "grids/b.mrc": b"others"}
WRONG = b"OTHER LIKE BYTES"[: len(FILES["a.mrc"])]


@pytest.fixture
def user1(api: Api, scicat: Scicat) -> User:
    """The owner of a dataset whose files SciCat lists, without checksums; nothing of it is there."""
    scicat.add_dataset(PID, archiveStatusMessage="filesNotYetAvailable", archivable=False)
    user = User(api, scicat, "user1")
    user.lists({path: len(body) for path, body in FILES.items()})
    return user


def upload(user: User) -> dict[str, str]:
    """Upload all files, and declare that complete; returns the URLs."""
    assert user.ask_for_space().status == 201
    urls = {path: decoded(user.presign(path).json["urls"])[0] for path in FILES}
    for path, body in FILES.items():
        send(urls[path], body)
    assert user.finalize(create_archiving_job=True).status == 201
    return urls


def archive(workflows: Workflows, scicat: Scicat) -> dict[str, Any]:
    """Let the job run that was asked for; returns what SciCat says of the dataset then."""
    (job_id,) = (job["id"] for job in scicat.jobs() if job["statusCode"] == "jobSubmitted")
    workflows.run("archive", {"job_id": job_id, "kind": "archive"}, job_id)
    return scicat.lifecycle(PID)


def landing(aws: "S3Client") -> set[str]:
    return {found["Key"].removeprefix(PREFIX) for found in aws.list_objects_v2(Bucket="landing").get("Contents", [])}


def test_before_the_archiving_it_is_refused_and_can_be_mended(
    user1: User, workflows: Workflows, scicat: Scicat, aws: "S3Client", environment: pytest.MonkeyPatch
) -> None:
    send(upload(user1)["a.mrc"], WRONG)

    lifecycle = archive(workflows, scicat)

    assert lifecycle["archiveStatusMessage"] == "missingFilesError"
    told = lifecycle["archiveReturnMessage"]
    assert (told["code"], told["files"]) == ("changed_after_validate", ["a.mrc"])
    assert landing(aws) == set(FILES)

    now = time.monotonic()
    environment.setattr(ttl_cache, "time", SimpleNamespace(monotonic=lambda: now + 60))
    upload(user1)
    assert archive(workflows, scicat)["archiveStatusMessage"] == "datasetOnArchiveDisk"
    assert landing(aws) == set()


@pytest.mark.parametrize("step", ["PackageDatablock", "CleanUpDataset"])
def test_while_it_is_archived_nothing_wrong_is_archived_and_nothing_unread_deleted(
    user1: User, workflows: Workflows, scicat: Scicat, aws: "S3Client", step: str
) -> None:
    urls = upload(user1)
    replaced = replacing(workflows, step, lambda: send(urls["a.mrc"], WRONG))

    lifecycle = archive(workflows, scicat)

    assert replaced
    assert aws.get_object(Bucket="landing", Key=f"{PREFIX}a.mrc")["Body"].read() == WRONG
    if step == "CleanUpDataset":
        assert lifecycle["archiveStatusMessage"] == "datasetOnArchiveDisk"
        assert landing(aws) == {"a.mrc"}
    else:
        assert lifecycle["archiveReturnMessage"]["code"] == "changed_after_validate"
        assert landing(aws) == set(FILES)


def replacing(workflows: Workflows, step: str, act: Callable[[], object]) -> list[bool]:
    """Act once, before a step is called; the list tells that it was."""
    done: list[bool] = []
    handler = workflows.handler(step)

    def act_first(event: Any, context: LambdaContext) -> Any:
        if not done:
            done.append(True)
            act()
        return handler(event, context)

    workflows.replace(step, act_first)
    return done


def test_after_the_archive_it_lies_there_until_it_is_swept(
    user1: User, workflows: Workflows, scicat: Scicat, aws: "S3Client"
) -> None:
    urls = upload(user1)
    assert archive(workflows, scicat)["retrievable"] is True

    send(urls["a.mrc"], WRONG)
    assert user1.give_up().json["code"] == "dataset_locked"

    workflows.run("sweep", {}, "any-sweep-1")
    assert landing(aws) == {"a.mrc"}
    with time_machine.travel(datetime.now(UTC) + timedelta(days=15)):
        workflows.run("sweep", {}, "any-sweep-2")
    assert landing(aws) == set()
    assert scicat.lifecycle(PID)["retrievable"] is True
