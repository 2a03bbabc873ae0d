"""An archived dataset: tars in the long-term storage, and their records in SciCat."""

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from archiver.aws import clients
from archiver.checksums import FileFingerprint, crc64nvme, crc64nvme_to_base64
from archiver.models.catalogue import CatalogueFile
from archiver.models.catalogue_entries import packed
from archiver.models.files import SourceFile
from archiver.storage import buckets
from archiver.tar.format import LAYOUT_VERSION, own_members
from archiver.tar.former_format import FORMER_VERSION
from archiver.tar.layout import Layout, Limits, layout_of, plan
from tests.support.catalogue import ANY_TIME, Scicat

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ANY_PID = "20.500.11935/5d73d87c-e2c4-47bc-9266-7da5ece1a7b2"
# What the names begin with that another archiver gave.
FORMER_PREFIX = "elsewhere/"
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
    version: str = LAYOUT_VERSION,
) -> dict[str, bytes]:
    """Archive the files of ``blocks`` as one datablock each, on tape; returns the tars by their archive id.

    They are laid out as this service does, or did in its former version. Of any other version they have names and the
    layout that another archiver might give them; ``FORMER_PREFIX`` must be allowed.
    """
    tars = {archive_id(number, pid): our_tar(files, number) for number, files in enumerate(blocks)}
    if version == FORMER_VERSION:
        tars = {archive_id(number, pid): former_tar(files) for number, files in enumerate(blocks)}
    elif version != LAYOUT_VERSION:
        tars = {f"{FORMER_PREFIX}{pid}/{number}.tar": a_tar(files) for number, files in enumerate(blocks)}
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
    bucket = buckets.retrieval()
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


def our_tar(files: Mapping[str, bytes], number: int = 1, perms: Mapping[str, str] | None = None) -> bytes:
    """The tar that this service would make of these files, as the datablock with this number.

    ``perms`` are the recorded modes of some of them, and of folders.
    """
    return _assembled(number, layout_of(_entries(files, perms or {}), Limits()), files)


def our_tars(files: Mapping[str, bytes], perms: Mapping[str, str], limits: Limits) -> list[bytes]:
    """The tars that this service would make of a dataset within these limits."""
    entries = _entries(files, perms)
    return [
        _assembled(one.number, layout_of(entries[one.first : one.first + one.entries], limits, one.folders), files)
        for one in plan(entries, limits)
    ]


def _entries(files: Mapping[str, bytes], perms: Mapping[str, str]) -> list[SourceFile]:
    return [
        packed(CatalogueFile(path=path, size=len(files.get(path, b"")), time=ANY_TIME, perm=perms.get(path)), None)
        for path in sorted({*files, *perms}, key=str.encode)
    ]


def _assembled(number: int, layout: Layout, files: Mapping[str, bytes]) -> bytes:
    bodies = [files.get(file.path, b"") for file in layout.files]
    members = (one if isinstance(one, bytes) else bodies[one.file] for one in layout.pieces(0, layout.end))
    fingerprints = [
        FileFingerprint(file.path, len(body), hashlib.sha256(body).hexdigest(), crc64nvme(body))
        for file, body in zip(layout.files, bodies, strict=True)
        if file.kind == "file"
    ]
    return b"".join([*members, own_members(str(number), layout.files, fingerprints)])


def former_tar(files: Mapping[str, bytes]) -> bytes:
    """The tar that this service made of these files when its layout was version "1"."""
    listed = "".join(
        f"{'\\' if '\\' in path else ''}{hashlib.sha256(body).hexdigest()}  {path.replace('\\', '\\\\')}\n"
        for path, body in sorted(files.items(), key=lambda file: file[0].encode())
    )
    made = io.BytesIO()
    mtime = int(datetime.fromisoformat(ANY_TIME).timestamp())
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT, bufsize=512) as tar:
        for path in (*sorted(files, key=str.encode), ".datablock/manifest-sha256.txt"):
            body = files.get(path, listed.encode())
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(body), mtime
            tar.addfile(member, io.BytesIO(body))
    return _without_record_padding(made.getvalue())


def _without_record_padding(tar: bytes) -> bytes:
    """The tar with two blocks of zeros at its end, as our own have, in place of as many as make 10,240 bytes full."""
    end = len(tar.rstrip(b"\0"))
    return tar[: end + -end % tarfile.BLOCKSIZE] + bytes(2 * tarfile.BLOCKSIZE)


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
