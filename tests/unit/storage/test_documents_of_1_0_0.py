"""What the release 1.0.0 wrote is read by this one: runs go on, and archives are proven, across a deployment.

documents_of_1_0_0.json holds a document of each kind as the code of that release wrote it, by its name; N stands for
a number in it and X for a digest.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from archiver.archive import storing
from archiver.checksums import FileFingerprint
from archiver.errors import Code
from archiver.ingest import documents as ingested
from archiver.ingest.states import DropStatus
from archiver.models.catalogue import CatalogueDatablock
from archiver.models.datablocks import SealedDatablock
from archiver.models.files import SourceFile, Upload
from archiver.models.states import JobKind, Lease, Wait
from archiver.packaging.progress import PLAN, OpenUpload, SliceProgress
from archiver.reporting.warnings import WARNINGS, WarningCode
from archiver.retrieve import documents as retrieved
from archiver.retrieve import extraction, links
from archiver.retrieve.delivery import Delivered, Refused
from archiver.storage.documents import JOB, OUTCOME, SNAPSHOT, UNTOLD, VERIFIED, WANTED
from archiver.storage.sweep_notes import AnsweredDrops
from archiver.uploads.quota import Grants
from archiver.uploads.registry import ClientUpload, DatasetUpload

WRITTEN: dict[str, Any] = json.loads(Path(__file__).with_name("documents_of_1_0_0.json").read_text())
PID = "20.500.11935/5e820482-560b-57b6-9d81-f346792ba511"

READ: dict[str, tuple[Any, Callable[[Any], Any], object]] = {
    "datablocks.json": (WANTED.kind, lambda read: [block.number for block in read[:2]], [0, 1]),
    "datablocks/N.json": (CatalogueDatablock, lambda read: (read.size, read.files[0].path), (12582915, "large")),
    "datablocks/N/fingerprints.json": (
        list[FileFingerprint],
        lambda read: (read[0].path, read[0].crc64nvme),
        ("big.mrc", 2428059128800219964),
    ),
    "datablocks/N/sealed.json": (SealedDatablock, lambda read: (read.files, read.crc64nvme), (3, "3xFH5OfckdM=")),
    "datablocks/N/slices/N.json": (SliceProgress, lambda read: (read.position, read.done), (12583424, True)),
    "datablocks/N/upload.json": (OpenUpload, lambda read: (len(read.upload_id), read.again), (58, False)),
    "dataset.status.json": (DropStatus, lambda read: (read.status, read.code), ("failed", "scicat_rejected")),
    "delivered/N.json": (Delivered, lambda read: (read.size, read.crc64nvme), (3072, "0noM1z50stg=")),
    "deliveries/X.json": (Lease, lambda read: read.run_id, "3d82ad9e-a3cc-4fd9-aed6-1ac8ca0af8ca-1"),
    "drop.json": (ingested.DROP.kind, lambda read: (read.pid, read.metadata["ownerGroup"]), (PID, "group1")),
    "files/N.json": (list[SourceFile], lambda read: (read[0].path, read[0].mode), ("a.mrc", 0o644)),
    "grants/granted.json": (Grants, lambda read: list(read.granted), ["20.500.11935/any"]),
    "hand_over/N.json": (storing.Copy, lambda read: (read.proven, "second" in read.key), (False, True)),
    "hand_over/waits/N.json": (storing.Waiting, lambda read: read.since.year, 2026),
    "job.json": (JOB.kind, lambda read: (read.kind, read.runs[1].pid), (JobKind.RETRIEVE, "any/bad")),
    "jobs.json": (ingested.EARLIER_JOBS.kind, lambda read: read, []),
    "leases/X.json": (Lease, lambda read: (read.subject, read.swept_by), ("incoming/any-drop/", "")),
    "leases/X.json of a swept run": (Lease, lambda read: read.worker_arn, "arn:any:sweep"),
    "listed.json": (ingested.LISTED.kind, lambda read: (read[1].path, read[1].size), ("folder 1/file-1.mrc", 1)),
    "matched.json": (ingested.MATCHED.kind, lambda read: (read.files, read.size), (6, 18)),
    "outcome.json": (OUTCOME.kind, lambda read: (read.outcome, read.code), ("pending", "scicat_unavailable")),
    "outcome.json of a drop": (ingested.DROP_OUTCOME.kind, lambda read: read.status, "already_requested"),
    "outcome.json of a failed run": (
        OUTCOME.kind,
        lambda read: (read.outcome, read.code, read.files),
        ("failed", "corrupt_datablock", ("c.mrc",)),
    ),
    "passed_over.json": (retrieved.PASSED_OVER.kind, lambda read: read, 0),
    "plan.json": (PLAN.kind, lambda read: (read[2].first, read[2].parts), (2, 2)),
    "recalls.json": (retrieved.RECALLS.kind, lambda read: set(read.values()), {1}),
    "refused/N.json": (Refused, lambda read: read.reason.code, Code.CORRUPT_DATABLOCK),
    "remarks.json": (WARNINGS.kind, lambda read: read[0].code, WarningCode.CASE_TWINS),
    "request.json": (
        retrieved.REQUEST.kind,
        lambda read: (read.kind, read.owner_user, read.created.year),
        (JobKind.RETRIEVE, "user1", 2026),
    ),
    "revocations/X.json": (links._Revocation, lambda read: read.issued_until.year, 2026),
    "selection/located.json": (list[extraction.LocatedFile], lambda read: read[0].start, 1179136),
    "selection/sealed.json": (list[SealedDatablock], lambda read: read[0].size, 12582912),
    "snapshot.json": (SNAPSHOT.kind, lambda read: (read.prefix, read.entries), ("incoming/any/", 3)),
    "sources/X.json": (Upload, lambda read: read.documents, ("dataset.json", "dataset.status.json")),
    "sources/owners/X.json": (str, lambda read: read, PID),
    "sweeps/drops.json": (AnsweredDrops, lambda read: (read.hour, len(read.prefixes)), ("2026-12-01T04", 1)),
    "sweeps/lease.json": (Lease, lambda read: read.run_id, "sweep-1"),
    "untold.json": (UNTOLD.kind, lambda read: read.status, "finishedSuccessful"),
    "uploads/X/X.json": (ClientUpload, lambda read: (read.parts, read.ended), (10_000, False)),
    "uploads/X/upload.json": (DatasetUpload, lambda read: (read.state, read.listed.files), ("open", 3)),
    "uploads/X/upload.json when finalized": (
        DatasetUpload,
        lambda read: (read.state, read.pinned.size),
        ("finalized", 30),
    ),
    "verified.json": (VERIFIED.kind, lambda read: [block.packed_size for block in read], [12588032]),
    "waits/X.json": (Wait, lambda read: read.token, "any token"),
}


def test_a_document_of_each_kind_is_read() -> None:
    assert READ.keys() == WRITTEN.keys()


@pytest.mark.parametrize("name", READ)
def test_what_the_release_before_wrote_is_read(name: str) -> None:
    kind, said, expected = READ[name]

    read = TypeAdapter(kind).validate_json(json.dumps(WRITTEN[name]))

    assert said(read) == expected
