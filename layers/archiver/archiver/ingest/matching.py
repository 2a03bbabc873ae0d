"""Whether a dropped folder holds what is listed, and what of it the catalogue lacks."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import orjson

from archiver.errors import Code, DatasetRejected
from archiver.ingest.dataset_json import ListedFile, utc
from archiver.ingest.states import ChkAlg
from archiver.models.catalogue import CatalogueFile
from archiver.models.files import S3Object, SourceFile
from archiver.names import wrong_path
from archiver.wording import counted

# What one origdatablock may hold, so that its record stays far below SciCat's 16 MB.
FILES_PER_ORIGDATABLOCK = 10_000
_ORIGDATABLOCK_BYTES = 8_000_000
# A file's record besides its path: size, time, a checksum of 128 digits, and the names of the fields.
_RECORD_BYTES = 300


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
            wrong_size.append(f"{path} ({counted(entry.size, 'byte')} listed, {found.size:,} dropped)")
        else:
            yield _source(path, found, entry or ListedFile(path=path), chk_alg)
    bad_path += [f"{path} is a file and a folder" for path in sorted(folders & names)]
    for files, code, one, many, remedy in (
        (
            list(dict.fromkeys(bad_path)),
            Code.BAD_PATH,
            "path cannot",
            "paths cannot",
            "be archived: rename and upload again",
        ),
        (sorted(expected or ()), Code.MISSING_FILES, "listed file is", "listed files are", "not in the folder"),
        (
            wrong_size,
            Code.SIZE_MISMATCH,
            "file does",
            "files do",
            "not have the listed size: upload again, or mend the list",
        ),
        (extra, Code.EXTRA_FILES, "file is", "files are", "in the folder and not listed: list them, or take them away"),
    ):
        _refuse(files, code, f"{counted(len(files), one, many)} {remedy}.")
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
            yield CatalogueFile(file.path, file.size, file.time, file.chk, file.chk_alg, perm=file.perm)
    changed = sorted(path for path, _, _ in known)
    were = counted(len(changed), "file was", "files were")
    sentence = f"{were} registered otherwise by an earlier drop of this dataset: give it another datasetName."
    _refuse(changed, Code.CATALOGUE_CHANGED, sentence)


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


def _wrong_object(path: str, prefix: str) -> str | None:
    return "ends with '/'" if path.endswith("/") else wrong_path(path, prefix)


def _source(path: str, found: S3Object, entry: ListedFile, chk_alg: ChkAlg) -> SourceFile:
    return SourceFile(
        path=path,
        size=found.size,
        mtime_ns=int((entry.time or found.modified).timestamp()) * 10**9,
        etag=found.etag,
        chk=None if entry.chk is None else entry.chk.lower(),
        chk_alg=None if entry.chk is None else chk_alg,
        time=utc(entry.time or found.modified),
        perm=entry.perm,
    )


def _refuse(files: list[str], code: Code, sentence: str) -> None:
    if files:
        raise DatasetRejected(code, sentence, files)
