"""A small tar of just the files that a retrieve job selects, out of its recalled datablocks.

It is packaged like a datablock, with a manifest, only that the bytes of its files are ranges of other
tars: nothing else of these is read. Each file is proven by its checksum in the catalogue on its way.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from archiver.aws.s3 import Bucket
from archiver.aws.s3_uploads import PinnedRange
from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.keys import Keys
from archiver.lts.long_term_storage import LongTermStorage, TapeState
from archiver.models import catalogue_entries
from archiver.models.catalogue import CatalogueDatablock
from archiver.models.datablocks import SealedDatablock, WantedDatablock
from archiver.models.documents import Document
from archiver.models.files import SourceFile
from archiver.models.states import Run
from archiver.packaging import Packager
from archiver.retrieve import documents
from archiver.retrieve.delivery import Delivered, already_delivered
from archiver.retrieve.documents import REQUEST
from archiver.retrieve.selection import locate, selected
from archiver.settings import GIB, MIB
from archiver.storage.buckets import retrieval
from archiver.storage.documents import WANTED
from archiver.storage.run_folder import RunFolder
from archiver.tar import provenance
from archiver.tar.format import END, padding
from archiver.tar.layout import Limits

_SEALED = Document("sealed.json", list[SealedDatablock])
# One tar, however many files; a part that is read to be sent on is held in memory.
_LIMITS = Limits(
    datablock_bytes=5 * 1024 * GIB,
    datablock_files=1_000_000,
    catalogue_bytes=1_000_000_000,
    copy_part=16 * MIB,
    copies_per_file=9_000,
)


class Extraction(StrEnum):
    """How far ``extract`` came."""

    DONE = "done"
    UNFINISHED = "unfinished"
    # A datablock must be recalled (again) first.
    ON_TAPE = "on tape"


@dataclass(frozen=True, slots=True)
class LocatedFile:
    """Where the bytes of a selected file lie: from ``start`` on in the tar ``archive_id``."""

    archive_id: str
    path: str
    start: int


_LOCATED = Document("located.json", list[LocatedFile])


def selection_of(run: Run) -> frozenset[str]:
    """The files of the run's dataset that its job asks for; none means all. A job may name a dataset twice."""
    job = RunFolder(run.job_id).load(REQUEST)
    asked = [dataset.files for dataset in (job.datasets if job else ()) if dataset.pid == run.pid]
    return frozenset(path for files in asked for path in files) if all(asked) else frozenset()


def tars_of(run_id: str) -> list[SealedDatablock] | None:
    """The tars that ``extract`` made in a run; None when it has not."""
    return _folder(run_id).load(_SEALED)


def extract(run: Run, files: frozenset[str], lts: LongTermStorage, deadline: float) -> Extraction:
    """Make the tar of ``files``, as far as ``deadline`` (``time.monotonic()``) allows; the next call goes on.

    Raises ServiceRefused(CORRUPT_DATABLOCK) naming files that are not as recorded.
    """
    folder = _folder(run.run_id)
    wanted = RunFolder(run.run_id).need(WANTED)
    tars = {datablock.archive_id: _readable(run.pid, datablock.archive_id, lts) for datablock in wanted}
    readable = {archive_id: tar for archive_id, tar in tars.items() if tar is not None}
    if len(readable) < len(tars):
        return Extraction.ON_TAPE
    try:
        located = folder.load(_LOCATED) or _locate(run, wanted, files, readable)
        source = _Tars({file.path: file for file in located}, readable)
        packager = Packager(folder, source, retrieval(), partial(Keys.selection, run.pid, run.run_id), _LIMITS)
        if not _package(packager, folder, deadline):
            return Extraction.UNFINISHED
    except DatasetRejected as rejected:
        # What would be the uploader's fault of new files is damage of archived ones.
        message = f"The archive reads back damaged. {rejected.reason.message}"
        raise ServiceRefused(Code.CORRUPT_DATABLOCK, message, rejected.reason.files) from rejected
    except ServiceRefused as refused:
        if refused.reason.code is Code.RECALL_FAILED:
            return Extraction.ON_TAPE
        raise
    _note_delivered(run, wanted)
    return Extraction.DONE


def _package(packager: Packager, folder: RunFolder, deadline: float) -> bool:
    planned = packager.plan()
    if not all(packager.package(piece, deadline) for piece in packager.slices()):
        return False
    folder.save(_SEALED, [packager.seal(one.number) for one in planned])
    return True


def _note_delivered(run: Run, wanted: Iterable[WantedDatablock]) -> None:
    """Say of each datablock that what was wanted of it is handed over."""
    for datablock in wanted:
        RunFolder(run.run_id).save(
            documents.delivered(datablock), Delivered(datablock.archive_id, datablock.packed_size, "")
        )


def _folder(run_id: str) -> RunFolder:
    """Where the selection keeps its notes: within those of the run."""
    return RunFolder(f"{run_id}/selection")


@dataclass(frozen=True, slots=True)
class _Tar:
    """A recalled tar that can be read now; ``copies`` says whether S3 can copy from it to our buckets."""

    bucket: Bucket
    key: str
    etag: str
    copies: bool

    def read(self, start: int, length: int) -> bytes:
        """Some of its bytes."""
        return self.bucket.get(self.key, self.etag, start, length)


@dataclass(frozen=True, slots=True)
class _Tars:
    """The selected files as ranges of the tars that hold them."""

    located: Mapping[str, LocatedFile]
    tars: Mapping[str, _Tar]
    # What a storage keeps of a whole tar says nothing of one of its files.
    confirms: bool = False

    @property
    def copies(self) -> bool:
        """Whether S3 can copy from all of them."""
        return all(tar.copies for tar in self.tars.values())

    def pinned(self, file: SourceFile, start: int, length: int) -> PinnedRange:
        """Some bytes of a file."""
        place = self.located[file.path]
        tar = self.tars[place.archive_id]
        return PinnedRange(tar.bucket, tar.key, tar.etag, place.start + start, length, file.path)

    def read(self, file: SourceFile, start: int, length: int) -> bytes:
        """Some bytes of a file."""
        wanted = self.pinned(file, start, length)
        bucket = self.tars[self.located[file.path].archive_id].bucket
        return bucket.get(wanted.key, wanted.etag, wanted.start, wanted.length, wanted.name)

    def stored_checksum(self, file: SourceFile) -> None:
        """There is none of the file alone."""

    def was_read_twice(self, file: SourceFile) -> bool:
        """Each file has the catalogue's checksum to be compared with."""
        del file
        return False

    def label(self, number: int) -> str:
        """The same for the same files, and another for other files and for datablocks."""
        named = "\n".join(sorted(self.located)).encode()
        return f"selection-{hashlib.sha256(named).hexdigest()[:16]}-{number}"


def _readable(pid: str, archive_id: str, lts: LongTermStorage) -> _Tar | None:
    """Where the datablock can be read: a proven copy, or the long-term storage itself; None while it is on tape."""
    stored = lts.stored(archive_id)
    if stored is None:
        raise ServiceRefused(Code.CORRUPT_DATABLOCK, f"{archive_id} is not in the long-term storage.")
    key = Keys.copy(pid, archive_id)
    if already_delivered(pid, stored, retrieval()) and (copy := retrieval().head(key)):
        return _Tar(retrieval(), key, copy.etag, copies=True)
    if stored.state is not TapeState.READABLE:
        return None
    return _Tar(lts.bucket, archive_id, stored.etag, lts.same_account)


def _locate(
    run: Run, wanted: Iterable[WantedDatablock], files: Collection[str], tars: Mapping[str, _Tar]
) -> list[LocatedFile]:
    """Find the files, and write down their list as the packager reads it."""
    folder = _folder(run.run_id)
    located: dict[str, LocatedFile] = {}
    packed: list[SourceFile] = []
    for one in wanted:
        datablock = RunFolder(run.run_id).need(documents.record(one))
        _refuse_unless_stored_for(run.pid, datablock, tars[one.archive_id])
        # A file that was archived twice is given once.
        held = [file for file in selected(datablock, files) if file.path not in located]
        places = locate(datablock, held, tars[one.archive_id].read)
        located |= {path: LocatedFile(one.archive_id, path, place.start) for path, place in places.items()}
        packed += [catalogue_entries.packed(file, datablock.chk_alg) for file in held]
    folder.write_files(sorted(packed, key=lambda file: file.path.encode()))
    folder.save(_LOCATED, list(located.values()))
    return list(located.values())


def _refuse_unless_stored_for(pid: str, datablock: CatalogueDatablock, tar: _Tar) -> None:
    """Raise ServiceRefused(CORRUPT_DATABLOCK) for another dataset's: a tar of ours ends with the list of its files."""
    listed = provenance.manifest_of(pid, datablock)
    if listed is None:
        return
    path, body = listed
    start = datablock.packed_size - len(END) - padding(len(body)) - len(body)
    if start < 0 or (body and tar.read(start, len(body)) != body):
        message = f"{datablock.archive_id} does not have the list of files that is recorded."
        raise ServiceRefused(Code.CORRUPT_DATABLOCK, message, [path])
