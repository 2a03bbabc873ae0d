"""Function processes killed at many of their requests, while datasets are archived on the whole stack."""

import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from archiver.settings import MIB
from local.visitor import Visitor
from tests.e2e.conftest import RunningStack
from tests.e2e.test_archive import drop, end_of, status_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

DATASETS = 2
# At which requests of a function a process dies, counted from the first after it read this.
DEATHS = {
    "ClaimDataset": ("1-before", "2-after"),
    "SnapshotDataset": ("2-before", "4-after"),
    "PlanDatablocks": ("3-after", "6-before"),
    "PackageDatablock": ("5-before", "8-after"),
    "SealDatablock": ("6-before", "9-after"),
    "StoreDatablock": ("4-after", "7-before"),
    "VerifyDatablocks": ("2-after",),
    "RegisterDatablocks": ("5-before", "7-after"),
    "CompleteDataset": ("1-after", "4-before"),
    "CleanUpDataset": ("4-after", "8-after"),
}


def test_e01_datasets_are_archived_once_whenever_a_function_is_killed(
    stack: RunningStack, visitor: Visitor, capsys: pytest.CaptureFixture[str]
) -> None:
    for function, deaths in DEATHS.items():
        (stack.orders / function).mkdir()
        for death in deaths:
            (stack.orders / function / death).touch()
    begun = time.monotonic()
    files = {"big.mrc": os.urandom(11 * MIB), "deep/a.txt": b"small", "empty": b""}
    prefixes = [drop(visitor, f"killed-{number}", files) for number in range(DATASETS)]
    told = [status_of(visitor, prefix) for prefix in prefixes]
    ended = [end_of(visitor, one["job"])["statusCode"] for one in told]
    seconds = time.monotonic() - begun

    assert ended == ["finishedSuccessful"] * DATASETS
    datasets = [visitor.dataset(one["pid"]) for one in told]
    assert {one["datasetlifecycle"]["archiveStatusMessage"] for one in datasets} == {"datasetOnArchiveDisk"}
    registered = [block["archiveId"] for one in datasets for block in one["datablocks"]]
    assert len(registered) == DATASETS
    for prefix in prefixes:
        assert visitor.landing(prefix) == [prefix + "dataset.json", prefix + "dataset.status.json"]
    s3 = stack.clients.s3
    for one in told:
        uploads = f"openem-network/datasets/{one['pid']}/"
        assert set(keys(s3, stack.buckets["lts"], uploads)) <= set(registered)
        assert keys(s3, stack.buckets["staging"], uploads) == []
    assert keys(s3, stack.buckets["staging"], "leases/") == []
    for bucket in ("staging", "lts"):
        assert s3.list_multipart_uploads(Bucket=stack.buckets[bucket]).get("Uploads", []) == []

    killed = [line.split(maxsplit=3) for line in (stack.orders / "killed").read_text().splitlines()]
    by_function = Counter(function for function, *_ in killed)
    with capsys.disabled():
        print(f"\n{len(killed)} processes killed while {DATASETS} datasets were archived in {seconds:.0f} s:")
        print(", ".join(f"{function} {count}" for function, count in by_function.items()))
    assert by_function.keys() == DEATHS.keys()


def keys(s3: "S3Client", bucket: str, prefix: str) -> list[str]:
    """The keys in a bucket under ``prefix``."""
    return [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
