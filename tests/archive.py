"""An archived dataset: tars in the long-term storage, and their records in SciCat."""

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archiver import clients, storage
from archiver.datablocks import Limits, layout_of
from archiver.datasets import packed
from archiver.digests import crc64nvme, crc64nvme_to_base64
from archiver.models import CatalogueFile
from archiver.tarlayout import END, LAYOUT_VERSION, manifest_header, manifest_line, padding
from tests.catalogue import ANY_TIME, Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ANY_PID = "20.500.11935/5d73d87c-e2c4-47bc-9266-7da5ece1a7b2"
# The files of each datablock.
ANY_FILES: tuple[Mapping[str, bytes], ...] = (
    {"a.mrc": b"first", "deep/b.mrc": b"second"},
    {"c.mrc": b"third"},
    {"ü.mrc": b"fourth"},
)


def archive_id(number: int, pid: str = ANY_PID) -> str:
    """The key of a dataset's datablock."""
    return f"openem-network/datasets/{pid}/datablocks/any-run/{pid.replace('/', '-')}_{number}.tar"


def an_archived_dataset(
    s3: "S3Client",
    scicat: Scicat,
    pid: str = ANY_PID,
    blocks: tuple[Mapping[str, bytes], ...] = ANY_FILES,
    *,
    version: str = "1.0",
) -> dict[str, bytes]:
    """Archive the files of ``blocks`` as one datablock each, on tape; returns the tars by their archive id.

    Those of version "1" are laid out as this service does, others as any archiver might.
    """
    pack = our_tar if version == LAYOUT_VERSION else a_tar
    tars = {archive_id(number, pid): pack(files) for number, files in enumerate(blocks)}
    for key, tar in tars.items():
        put_on_tape(s3, key, tar)
    records = [
        _record(key, tar, files) | {"version": version} for (key, tar), files in zip(tars.items(), blocks, strict=True)
    ]
    scicat.add_archived_dataset(pid, records)
    return tars


def put_on_tape(s3: "S3Client", key: str, body: bytes, recorded: bytes | None = None) -> None:
    """Write ``body`` where reading needs a recall; ``recorded`` are the bytes that should have been there."""
    checksum = crc64nvme_to_base64(crc64nvme(body if recorded is None else recorded))
    s3.put_object(Bucket="lts", Key=key, Body=body, StorageClass="GLACIER", Metadata={"crc64nvme": checksum})


def deliver(key: str, body: bytes) -> None:
    """Write the copy of a datablock that a retrieval leaves, with its proven checksum."""
    bucket = storage.retrieval()
    upload_id = bucket.create_upload(key)
    part = bucket.upload_part(key, upload_id, 1, body, crc64nvme(body))
    bucket.complete_upload(key, upload_id, [part], crc64nvme_to_base64(crc64nvme(body)))


def let_recalls_take(looks: int) -> None:
    """Let the service see a recalled object become readable after so many looks at it; moto's recalls take no time."""
    seen: Counter[str] = Counter()

    def note_key(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["looked_at"] = params["Key"]

    def tell(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        key = context["looked_at"]
        if "Restore" in parsed and seen[key] < looks:
            seen[key] += 1
            parsed["Restore"] = 'ongoing-request="true"'

    events = clients.s3().meta.events
    events.register("before-parameter-build.s3.HeadObject", note_key)
    events.register("after-call.s3.HeadObject", tell)


def our_tar(files: Mapping[str, bytes]) -> bytes:
    """The tar that this service would make of these files."""
    entries = (CatalogueFile(path=path, size=len(body), time=ANY_TIME) for path, body in files.items())
    layout = layout_of(sorted((packed(one, None) for one in entries), key=lambda file: file.path.encode()), Limits())
    bodies = [files[file.path] for file in layout.files]
    members = (one if isinstance(one, bytes) else bodies[one.file] for one in layout.pieces(0, layout.end))
    digests = (hashlib.sha256(body).hexdigest() for body in bodies)
    listed = b"".join(manifest_line(file.path, digest) for file, digest in zip(layout.files, digests, strict=True))
    newest = max(file.mtime_ns for file in layout.files)
    return b"".join([*members, manifest_header(len(listed), newest), listed, bytes(padding(len(listed))), END])


def flipped(body: bytes, at: int = tarfile.BLOCKSIZE) -> bytes:
    """The same bytes but for one bit: in a tar, the first of its first file."""
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def a_tar(files: Mapping[str, bytes]) -> bytes:
    """A tar of these files, as Python writes it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, body in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return made.getvalue()


class Notes(dict[str, bytes]):
    """A run's folder in memory."""

    def read(self, name: str) -> bytes | None:
        return self.get(name)

    def write(self, name: str, body: bytes) -> None:
        self[name] = body


def _record(key: str, tar: bytes, files: Mapping[str, bytes]) -> dict[str, Any]:
    entries = [
        {"path": path, "size": len(body), "time": ANY_TIME, "chk": hashlib.sha256(body).hexdigest()}
        for path, body in files.items()
    ]
    return {
        "archiveId": key,
        "size": sum(map(len, files.values())),
        "packedSize": len(tar),
        "chkAlg": "sha256",
        "dataFileList": entries,
    }
