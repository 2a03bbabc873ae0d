"""A dataset to archive: known to SciCat, its files dropped in the landing bucket, and a run to work on it."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.models.files import Upload
from archiver.models.states import Lease
from archiver.scicat import catalogue
from archiver.storage import buckets, leases, sources
from archiver.storage.run_folder import RunFolder
from tests.support.account import LambdaContext
from tests.support.catalogue import ANY_TIME, Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ANY_FILES: Mapping[str, bytes] = {"a.mrc": b"first", "deep/b.mrc": b"second"}


def a_datablock(archive_id: str) -> CatalogueDatablock:
    """A record of one small tar."""
    return CatalogueDatablock(
        archive_id=archive_id,
        size=5,
        packed_size=10_240,
        chk_alg="sha256",
        version="1",
        files=(CatalogueFile(path="a.mrc", size=5, time=ANY_TIME),),
    )


@dataclass(slots=True)
class ADataset:
    """``files`` by path, dropped under ``prefix``; ``run`` is a run's state."""

    s3: "S3Client"
    scicat: Scicat
    files: Mapping[str, bytes] = field(default_factory=lambda: ANY_FILES)
    pid: str = "20.500.11935/any-dataset"
    run_id: str = "any-job-1"
    prefix: str = "incoming/any/"
    run: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.run = {"job_id": "any-job", "run_id": self.run_id, "pid": self.pid, "execution_arn": "arn:any:execution"}
        self.scicat.add_dataset(self.pid)
        if self.files:
            entries = [CatalogueFile(path=path, size=len(body), time=ANY_TIME) for path, body in self.files.items()]
            catalogue().add_origdatablock(self.pid, entries, None)
        sources.record_upload(self.pid, Upload(prefix=self.prefix, documents=("dataset.json", "dataset.status.json")))
        for path, body in {**self.files, "dataset.json": b"{}"}.items():
            self.s3.put_object(Bucket="landing", Key=self.prefix + path, Body=body)

    @property
    def lifecycle(self) -> dict[str, Any]:
        """What SciCat says of it now."""
        return self.scicat.lifecycle(self.pid)

    @property
    def folder(self) -> RunFolder:
        """Where its run keeps notes."""
        return RunFolder(self.run_id)

    def claim(self) -> None:
        """Make its run the one writer."""
        lease = Lease(run_id=self.run_id, execution_arn=self.run["execution_arn"])
        assert leases.take_lease(self.pid, lease, ended=lambda _: False) is None

    def landing(self) -> set[str]:
        """The keys that are left in the landing bucket, without the service's own report."""
        return {found.key for found in buckets.landing().list("")} - {f"{self.prefix}dataset.status.json"}


def do_steps(dataset: ADataset, *steps: str, context: LambdaContext) -> None:
    """Take the run through these functions of ``archive_dataset``, with one lane."""
    lane = {"lane": 0, "lanes": 1}
    for name in steps:
        importlib.import_module(f"functions.{name}.app").handler(dataset.run | lane, context)


TO_SEALED = ("claim_dataset", "snapshot_dataset", "plan_datablocks", "package_datablock", "seal_datablock")
TO_VERIFIED = (*TO_SEALED, "store_datablock", "verify_datablocks")
TO_COMPLETE = (*TO_VERIFIED, "register_datablocks", "complete_dataset")
