"""Archive datasets on the stack while its functions are killed: each is archived once, and nothing is left."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from archiver.settings import MIB
from local.client import Visitor
from tests.e2e.conftest import RunningStack
from tests.e2e.test_archive import drop, end_of, status_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Killed(NamedTuple):
    """A death that happened: of which function, at its how manieth request, before or after it."""

    function: str
    request: int
    when: str


def archive_under_fire(
    stack: RunningStack, visitor: Visitor, deaths: Mapping[str, Sequence[str]], folders: Sequence[str]
) -> list[Killed]:
    """Drop a dataset into each folder, give the functions these deaths to die (see ``dying``), wait for the ends.

    Returns the deaths that happened. Asserts that every dataset is archived once, and that nothing is left of it.
    """
    before = len(_deaths(stack))
    for function, orders in deaths.items():
        (stack.orders / function).mkdir(exist_ok=True)
        for order in orders:
            (stack.orders / function / order).touch()
    files = {"big.mrc": os.urandom(11 * MIB), "deep/a.txt": b"small", "empty": b""}
    prefixes = [drop(visitor, folder, files) for folder in folders]
    told = [status_of(visitor, prefix) for prefix in prefixes]
    ended = [end_of(visitor, one["job"])["statusCode"] for one in told]
    killed = _deaths(stack)[before:]
    assert ended == ["finishedSuccessful"] * len(folders), killed
    _all_is_archived_once(stack, visitor, prefixes, [one["pid"] for one in told])
    return killed


def _deaths(stack: RunningStack) -> list[Killed]:
    written = stack.orders / "killed"
    lines = written.read_text().splitlines() if written.exists() else []
    return [Killed(function, int(request), when) for function, request, when in (line.split()[:3] for line in lines)]


def _all_is_archived_once(stack: RunningStack, visitor: Visitor, prefixes: Sequence[str], pids: Sequence[str]) -> None:
    datasets = [visitor.dataset(pid) for pid in pids]
    assert {dataset["datasetlifecycle"]["archiveStatusMessage"] for dataset in datasets} == {"datasetOnArchiveDisk"}
    registered = [block["archiveId"] for one in datasets for block in one["datablocks"]]
    assert len(registered) == len(pids)
    for prefix in prefixes:
        assert visitor.landing(prefix) == [prefix + "dataset.json", prefix + "dataset.status.json"]
    s3 = stack.clients.s3
    for pid in pids:
        uploads = f"openem-network/datasets/{pid}/"
        assert set(_keys(s3, stack.buckets["lts"], uploads)) <= set(registered)
        assert _keys(s3, stack.buckets["staging"], uploads) == []
    assert _keys(s3, stack.buckets["staging"], "leases/") == []
    for bucket in ("staging", "lts"):
        assert s3.list_multipart_uploads(Bucket=stack.buckets[bucket]).get("Uploads", []) == []


def _keys(s3: "S3Client", bucket: str, prefix: str) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
