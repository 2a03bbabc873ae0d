"""Packaging on LocalStack's S3: its own checksums, its own refusals, and what the work costs."""

import hashlib
import json
import math
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from archiver import packaging
from archiver.aws import clients
from archiver.aws.s3 import Bucket
from archiver.aws.s3_uploads import PinnedRange
from archiver.checksums import crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.models.documents import Document
from archiver.packaging import Packager, SliceProgress, Source
from archiver.settings import MIB
from archiver.tar.layout import Limits
from tests.e2e.conftest import RunningStack
from tests.e2e.packing import uploaded_files
from tests.support.account import ROOT
from tests.support.memory_bucket import MemoryFolder

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PREFIX = "incoming/any dataset ü+%/"


@dataclass(slots=True)
class Zone:
    """Two buckets of their own, and a dataset in one of them."""

    endpoint: str
    client: "S3Client"
    landing: Bucket
    staging: Bucket
    folder: MemoryFolder

    def upload(self, bodies: dict[str, bytes]) -> None:
        for path, body in bodies.items():
            self.client.put_object(Bucket=self.landing.name, Key=PREFIX + path, Body=body)
        self.folder = MemoryFolder(uploaded_files(self.landing, PREFIX))

    def packager(self) -> Packager:
        return Packager(self.folder, Source(self.landing, PREFIX), self.staging, "{}.tar".format, Limits())

    def build(self) -> None:
        self.package()
        self.packager().seal(1)

    def package(self, deadline: float = math.inf) -> None:
        self.packager().plan()
        for work in self.packager().slices():
            while not self.packager().package(work, deadline):
                pass


@pytest.fixture
def zone(stack: RunningStack) -> Iterator[Zone]:
    client = clients.s3_at(stack.aws, "test", "test")
    names = [f"{name}-{uuid.uuid4()}" for name in ("landing", "staging")]
    for name in names:
        client.create_bucket(Bucket=name)
    landing, staging = (Bucket(client, name) for name in names)
    yield Zone(stack.aws, client, landing, staging, MemoryFolder())
    for bucket in (landing, staging):
        for key, upload_id in bucket.uploads(""):
            bucket.abort_upload(key, upload_id)
        bucket.delete(found.key for found in bucket.list(""))
        client.delete_bucket(Bucket=bucket.name)


def any_body(size: int, seed: str = "any") -> bytes:
    return hashlib.shake_128(seed.encode()).digest(size)


def a_big_and_a_small_file() -> dict[str, bytes]:
    return {"big.mrc": any_body(12 * MIB), "small.mrc": any_body(70_000)}


@pytest.mark.parametrize("deadline", [math.inf, 0.0], ids=["in one call", "every call cut short"])
def test_s3_confirms_the_predicted_crc_and_the_tar_holds_the_files(zone: Zone, deadline: float) -> None:
    sizes = [0, 1, 512, 5 * MIB - 512, 5 * MIB, 5 * MIB + 1, 10 * MIB - 1, 10 * MIB, 10 * MIB + 1, 25 * MIB, 3]
    bodies = {f"Ordner {n % 3}/ü {n:02d} 東京+%&.mrc": any_body(size, str(n)) for n, size in enumerate(sizes)}
    zone.upload(bodies)
    zone.package(deadline)
    sealed = zone.packager().seal(1)
    head = zone.staging.head(sealed.key)
    assert head is not None
    assert (head.size, head.crc64nvme) == (sealed.packed_size, sealed.crc64nvme)
    with tempfile.TemporaryFile() as downloaded:
        zone.client.download_fileobj(zone.staging.name, sealed.key, downloaded)
        downloaded.seek(0)
        with tarfile.open(fileobj=downloaded) as tar:
            members = {one.name: body.read() for one in tar if (body := tar.extractfile(one)) is not None}
    members.popitem()  # the manifest is the last
    assert members == bodies


def test_s3_refuses_a_tar_that_is_not_the_predicted_one(zone: Zone) -> None:
    zone.upload(a_big_and_a_small_file())
    zone.package()
    (name,) = (name for name in zone.folder.documents if "/slices/" in name)
    progress = zone.folder.need(Document(name, SliceProgress))
    lie = [
        {"path": fingerprint.path, "size": fingerprint.size, "sha256": fingerprint.sha256, "crc64nvme": 1}
        for fingerprint in progress.fingerprints
    ]
    lying = {"position": progress.position, "fingerprints": lie, "done": True}
    zone.folder.documents[name] = json.dumps(lying).encode()
    with pytest.raises(ServiceRefused) as refused:
        zone.packager().seal(1)
    assert refused.value.reason.code is Code.PACK_DIGEST
    assert zone.staging.head("1.tar") is None


@pytest.mark.parametrize("path", ["big.mrc", "small.mrc"])
def test_s3_refuses_a_source_that_was_replaced(zone: Zone, path: str) -> None:
    zone.upload(a_big_and_a_small_file())
    zone.client.put_object(Bucket=zone.landing.name, Key=PREFIX + path, Body=any_body(12 * MIB, "other"))
    with pytest.raises(DatasetRejected) as refused:
        zone.build()
    assert refused.value.reason.code is Code.CHANGED_AFTER_VALIDATE
    assert refused.value.reason.files == (path,)


@pytest.mark.parametrize("etag", ["0" * 32, None], ids=["replaced", "removed"])
def test_s3_refuses_to_copy_from_a_source_that_is_not_the_pinned_one(zone: Zone, etag: str | None) -> None:
    zone.upload(a_big_and_a_small_file())
    upload_id = zone.staging.create_upload("1.tar")
    (file,) = (file for file in zone.folder.files() if file.path == "big.mrc")
    if etag is None:
        zone.landing.delete([PREFIX + file.path])
    source = PinnedRange(zone.landing, PREFIX + file.path, etag or file.etag, 0, 5 * MIB, file.path)
    with pytest.raises(DatasetRejected) as refused:
        zone.staging.copy_part("1.tar", upload_id, 1, source)
    assert refused.value.reason.code is Code.CHANGED_AFTER_VALIDATE


def test_a_source_in_an_archive_class_is_offline(zone: Zone) -> None:
    zone.client.put_object(
        Bucket=zone.landing.name, Key=f"{PREFIX}cold.mrc", Body=any_body(900), StorageClass="GLACIER"
    )
    zone.upload({})
    with pytest.raises(ServiceRefused) as refused:
        zone.build()
    assert refused.value.reason.code is Code.LANDING_OFFLINE


def test_a_tar_is_never_overwritten_and_the_same_tar_is_recognised(zone: Zone) -> None:
    body, other = any_body(100), any_body(100, "other")
    for attempt, expected in ((body, None), (body, None), (other, Code.PACK_DIGEST)):
        upload_id = zone.staging.create_upload("1.tar")
        part = zone.staging.upload_part("1.tar", upload_id, 1, attempt, crc64nvme(attempt))
        crc = crc64nvme_to_base64(crc64nvme(attempt))
        if expected is None:
            zone.staging.complete_upload("1.tar", upload_id, [part], crc)
        else:
            with pytest.raises(ServiceRefused) as refused:
                zone.staging.complete_upload("1.tar", upload_id, [part], crc)
            assert refused.value.reason.code is expected
    assert zone.staging.read("1.tar", 1_000) == body


def test_sealing_twice_changes_nothing(zone: Zone) -> None:
    zone.upload(a_big_and_a_small_file())
    zone.package()
    sealed = zone.packager().seal(1)
    assert zone.packager().seal(1) == sealed
    assert packaging.sealed_datablocks(zone.folder) == [sealed]
    assert list(zone.staging.uploads("")) == []
    assert zone.staging.head(sealed.key) is not None


def test_a_listing_of_many_names_in_many_letters_is_complete_and_in_order(zone: Zone) -> None:
    names = [
        f"{letter} {number:04d}" for letter in ("a", "Z", "ü", "東京", "🐈", "+%&", "~", "!") for number in range(150)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: zone.landing.put(PREFIX + name, b""), names))
    found = [one.key.removeprefix(PREFIX) for one in zone.landing.list(PREFIX)]
    assert found == sorted(names, key=str.encode)


def test_a_lease_is_replaced_only_by_the_one_who_knows_it(zone: Zone) -> None:
    assert zone.staging.put("lease", b"first", only_if_absent=True)
    assert not zone.staging.put("lease", b"second", only_if_absent=True)
    head = zone.staging.head("lease")
    assert head is not None
    assert zone.staging.put_if_match("lease", b"second", head.etag)
    assert not zone.staging.put_if_match("lease", b"third", head.etag)
    assert zone.staging.read("lease", 10) == b"second"


def test_one_gibibyte_in_16_files_is_copied_by_s3_and_needs_little_memory(
    zone: Zone, capsys: pytest.CaptureFixture[str]
) -> None:
    files, size = 16, 64 * MIB
    for number in range(files):
        zone.upload({f"{number:02d}.mrc": any_body(MIB, str(number)) * (size // MIB)})
    took = measured(zone)
    show(capsys, f"{files} files of {size // MIB} MiB", took)
    assert took["read"] == files * size
    assert took["sent"] + took["copied"] == took["packed_size"]
    assert took["sent"] / files <= 6 * MIB
    assert took["peak_rss"] < 300 * MIB


def test_small_files_pass_through_once(zone: Zone, capsys: pytest.CaptureFixture[str]) -> None:
    zone.upload({f"{number // 50:02d}/{number:04d}.tif": any_body(150_000, str(number)) for number in range(400)})
    took = measured(zone)
    show(capsys, "400 files of 150 kB", took)
    assert took["read"] == took["size"] == 400 * 150_000
    assert "copied" not in took
    assert took["peak_rss"] < 300 * MIB


def measured(zone: Zone) -> dict[str, Any]:
    """What packing took, in a process of its own."""
    command = [sys.executable, "-m", "tests.e2e.packing", zone.endpoint, zone.landing.name, zone.staging.name, PREFIX]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/archiver'}", "AWS_DEFAULT_REGION": "us-east-1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(run.stdout)
    return figures


def show(capsys: pytest.CaptureFixture[str], what: str, took: dict[str, Any]) -> None:
    with capsys.disabled():
        print(
            f"\n{what}: {took['size'] / MIB / took['seconds']:.0f} MiB/s;"
            f" through the function {took['read'] / MIB:.1f} MiB read, {took['sent'] / MIB:.1f} MiB sent,"
            f" {took.get('copied', 0) / MIB:.1f} MiB copied by S3; peak memory {took['peak_rss'] / MIB:.0f} MiB"
        )
