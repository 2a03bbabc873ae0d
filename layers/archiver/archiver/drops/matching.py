"""Whether a dropped folder holds what is listed, and what of it the catalogue lacks."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import orjson

from archiver.drops.documents import ListedFile, utc
from archiver.drops.states import ChkAlg
from archiver.errors import Code, DatasetRejected
from archiver.models import CatalogueDataset, CatalogueFile, S3Object, SourceFile
from archiver.names import wrong_path

# What one origdatablock may hold, so that its record stays far below SciCat's 16 MB.
FILES_PER_ORIGDATABLOCK = 10_000
_ORIGDATABLOCK_BYTES = 8_000_000
# A file's record besides its path: size, time, a checksum of 128 digits, and the names of the fields.
_RECORD_BYTES = 300


def lacks(listed: Sequence[ListedFile], uploaded: Iterable[S3Object], prefix: str) -> bool:
    """Whether a listed file is not there (yet)."""
    wanted = {prefix + file.path for file in listed}
    for found in uploaded:
        wanted.discard(found.key)
    return bool(wanted)


def match(
    listed: Sequence[ListedFile] | None, chk_alg: ChkAlg, uploaded: Iterable[S3Object], prefix: str
) -> Iterator[SourceFile]:
    """The drop's files, each as it lies in the bucket; with a list, they must be exactly the listed ones.

    The iterator ends in DatasetRejected (``bad_path``, ``missing_files``, ``size_mismatch``, ``extra_files``,
    ``no_files``), naming the first hundred files and counting all.
    """
    expected = None if listed is None else {file.path: file for file in listed}
    bad_path = [f"{path} {wrong}" for path in expected or () if (wrong := wrong_path(path, prefix))]
    wrong_size: list[str] = []
    extra: list[str] = []
    folders: set[str] = set()
    names: set[str] = set()
    for found in uploaded:
        path = found.key.removeprefix(prefix)
        names.add(path)
        folders.update(str(folder) for folder in PurePosixPath(path).parents)
        entry = None if expected is None else expected.pop(path, None)
        if wrong := _wrong_object(path, prefix):
            bad_path.append(f"{path} {wrong}")
        elif expected is not None and entry is None:
            extra.append(path)
        elif entry is not None and entry.size not in (None, found.size):
            wrong_size.append(f"{path} ({entry.size} bytes listed, {found.size} dropped)")
        else:
            yield _source(path, found, None if entry is None else entry.chk, chk_alg)
    bad_path += [f"{path} is a file and a folder" for path in sorted(folders & names)]
    _refuse(list(dict.fromkeys(bad_path)), Code.BAD_PATH, "paths may not name a file")
    _refuse(sorted(expected or ()), Code.MISSING_FILES, "listed files are not in the folder")
    _refuse(wrong_size, Code.SIZE_MISMATCH, "files do not have the listed size")
    _refuse(extra, Code.EXTRA_FILES, "files in the folder are not listed")
    if not names:
        raise DatasetRejected(Code.NO_FILES, "The folder holds no files.")


def unregistered(registered: Iterable[CatalogueFile], files: Iterable[SourceFile]) -> Iterator[CatalogueFile]:
    """The drop's files that the catalogue does not list yet.

    The iterator ends in DatasetRejected(``catalogue_changed``) when the catalogue lists files that the
    drop does not hold, or holds with another size or checksum: its list cannot be taken back.
    """
    known = {(file.path, file.size, file.chk or None) for file in registered}
    for file in files:
        key = (file.path, file.size, file.chk)
        if key in known:
            known.remove(key)
        else:
            yield CatalogueFile(file.path, file.size, file.time, file.chk, file.chk_alg)
    _refuse(
        sorted(path for path, _, _ in known),
        Code.CATALOGUE_CHANGED,
        "files were registered otherwise by an earlier drop of this dataset; give it another datasetName",
    )


def origdatablocks(files: Iterable[CatalogueFile]) -> Iterator[list[CatalogueFile]]:
    """The files in portions that SciCat takes as one origdatablock each."""
    block: list[CatalogueFile] = []
    size = 0
    for file in files:
        record = len(orjson.dumps(file.path)) + _RECORD_BYTES
        if block and (len(block) == FILES_PER_ORIGDATABLOCK or size + record > _ORIGDATABLOCK_BYTES):
            yield block
            block, size = [], 0
        block.append(file)
        size += record
    if block:
        yield block


def is_archived(dataset: CatalogueDataset) -> bool:
    """Whether there is nothing left to archive. ``retrievable`` alone may have been set by a user."""
    return dataset.lifecycle.get("retrievable") is True and bool(dataset.datablocks)


def _wrong_object(path: str, prefix: str) -> str | None:
    return "ends with '/'" if path.endswith("/") else wrong_path(path, prefix)


def _source(path: str, found: S3Object, chk: str | None, chk_alg: ChkAlg) -> SourceFile:
    return SourceFile(
        path=path,
        size=found.size,
        mtime_ns=int(found.modified.timestamp()) * 10**9,
        etag=found.etag,
        chk=None if chk is None else chk.lower(),
        chk_alg=None if chk is None else chk_alg,
        time=utc(found.modified),
    )


def _refuse(files: list[str], code: Code, sentence: str) -> None:
    if files:
        raise DatasetRejected(code, f"{len(files)} {sentence}.", files)
