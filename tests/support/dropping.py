"""Builders for drops: folders in the landing bucket with a dataset.json, and the event of its arrival."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archiver.ingest import Drop, DropMatched, DropRead, DropRegistered
from archiver.storage.run_folder import RunFolder
from functions.match_drop.app import handler as match_drop
from functions.read_drop.app import handler as read_drop
from functions.register_dataset.app import handler as register_dataset
from tests.support.account import ROOT, LambdaContext, execution_arn

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

EVENT = ROOT / "events" / "object-created.json"
PREFIX = "incoming/any-drop/"
RUN_ID = "drop-any"
EXECUTION_ARN = execution_arn("ingest", RUN_ID)
# Names that are odd, and legal.
ODD_NAMES = (
    "grid 1/Übersicht 🧊.mrc",
    'it\'s "quoted" & 100%.txt',
    "a+b=c/#1?.dat",
    "%2e%2e/x",
    "日本/ファイル.tif",
    "x~/y:z",
)


def a_document(**changes: Any) -> dict[str, Any]:
    """A sound dataset.json; a change to ``None`` leaves the field out."""
    fields = {
        "ownerGroup": "group1",
        "owner": "Any Owner",
        "contactEmail": "owner@example.org",
        "principalInvestigator": "pi@example.org",
        "creationLocation": "any microscope",
        "creationTime": "2026-11-20T09:30:00+01:00",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def json_of(document: Mapping[str, Any]) -> bytes:
    """A document as it lies in the bucket."""
    return json.dumps(document).encode()


def some_files(count: int = 3) -> dict[str, bytes]:
    """Files by their path, one of them empty."""
    return {f"folder {number % 2}/file-{number}.mrc": b"x" * number for number in range(count)}


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def listed(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """The ``files`` of a dataset.json, with sizes and checksums."""
    return [{"path": path, "size": len(body), "chk": sha256(body)} for path, body in files.items()]


def sha256sums(files: Mapping[str, bytes]) -> bytes:
    """What ``sha256sum`` prints."""
    return "".join(f"{sha256(body)}  {path}\n" for path, body in files.items()).encode()


def drop(
    s3: "S3Client", files: Mapping[str, bytes], document: Mapping[str, Any] | bytes | None = None, prefix: str = PREFIX
) -> None:
    """Put files into a folder of the landing bucket, and its dataset.json last."""
    for path, body in files.items():
        s3.put_object(Bucket="landing", Key=prefix + path, Body=body)
    body = document if isinstance(document, bytes) else json.dumps(document or a_document()).encode()
    s3.put_object(Bucket="landing", Key=f"{prefix}dataset.json", Body=body)


def a_drop(prefix: str = PREFIX, run_id: str = RUN_ID) -> Drop:
    """The state that starts the workflow ``ingest``."""
    return Drop(run_id=run_id, execution_arn=EXECUTION_ARN, prefix=prefix)


def a_read_drop(state: Drop | None = None) -> DropRead:
    """A drop after the step ReadDrop."""
    return DropRead.model_validate(read_drop((state or a_drop()).model_dump(), LambdaContext()))


def a_registered_drop(state: Drop | None = None) -> DropRegistered:
    """A drop after the step RegisterDataset."""
    return DropRegistered.model_validate(register_dataset(a_read_drop(state).model_dump(), LambdaContext()))


def a_matched_drop(state: DropRegistered) -> DropMatched:
    """A registered drop after the step MatchDrop, however long it is waited for."""
    drop = DropMatched.model_validate(match_drop(state.model_dump(), LambdaContext()))
    return a_matched_drop(drop) if drop.waiting.seconds else drop


def an_event(s3: "S3Client", key: str = f"{PREFIX}dataset.json", *, told_key: str | None = None) -> dict[str, Any]:
    """The event that S3 sends for the object ``key``; ``told_key`` is how the event writes it."""
    event: dict[str, Any] = json.loads(EVENT.read_text())
    event["detail"]["bucket"]["name"] = "landing"
    event["detail"]["object"]["key"] = told_key or key
    event["detail"]["object"]["etag"] = s3.head_object(Bucket="landing", Key=key)["ETag"].strip('"')
    return event


def the_status(s3: "S3Client", prefix: str = PREFIX) -> dict[str, Any]:
    """The drop's dataset.status.json."""
    status: dict[str, Any] = json.loads(
        s3.get_object(Bucket="landing", Key=f"{prefix}dataset.status.json")["Body"].read()
    )
    return status


def landing_keys(s3: "S3Client") -> set[str]:
    """All keys of the landing bucket."""
    return {found["Key"] for found in s3.list_objects_v2(Bucket="landing").get("Contents", [])}


def run_folder() -> RunFolder:
    """The folder of ``a_drop``'s run."""
    return RunFolder(RUN_ID)


def an_example(name: str) -> Path:
    """A document of ``docs/examples``."""
    return ROOT / "docs" / "examples" / name
