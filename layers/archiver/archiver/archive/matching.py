"""Match what the catalogue says of a dataset with what lies in the bucket. Pure: no requests are made here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from archiver.checksums import known_algorithm
from archiver.errors import MAX_NAMED_FILES, Code, DatasetRejected
from archiver.models.catalogue import CatalogueFile
from archiver.models.catalogue_entries import algorithm_of, is_size, kind_of, needs_bytes, pinned
from archiver.models.file_lists import byte_order
from archiver.models.files import S3Object, SourceFile
from archiver.names import alike, told_apart, wrong_path
from archiver.wording import counted

# So many names of each side are looked at when some are missing: may they be there in another form?
_COMPARED = 10_000


def match(
    catalogued: Iterable[CatalogueFile], uploaded: Iterable[S3Object], prefix: str, *, others_stay: bool = False
) -> Iterator[SourceFile]:
    """The dataset's files, each pinned to the object that holds it, in the order of their paths' UTF-8 bytes.

    Both sides stand in that order, ``uploaded`` being the objects under ``prefix``; neither is held in memory.
    Directories of the catalogue's list have no object. Links need none; where a client followed one and sent what it
    points to, these bytes are a file, of whatever size. So it is with devices, pipes and sockets, unless they are
    said to have bytes. When the two sides differ the iterator ends in DatasetRejected: ``bad_path``, ``bad_size``,
    ``bad_checksum_algorithm``, ``no_files``, ``missing_files``, ``extra_files`` or ``size_mismatch``, naming the
    first hundred and counting all.
    With ``others_stay`` objects that are not in the catalogue's list are passed over.
    """
    list_checks = _ListChecks(prefix)
    objects = iter(uploaded)
    found = next(objects, None)
    missing, extra, wrong_size = _Problem(), _Problem(), _Problem()
    for entry in filter(list_checks.pass_on, catalogued):
        wanted = prefix + entry.path
        while found is not None and found.key < wanted:
            extra.add(found.key.removeprefix(prefix))
            found = next(objects, None)
        if found is None or found.key != wanted:
            if needs_bytes(entry):
                missing.add(entry.path)
            else:
                yield pinned(entry, kind_of(entry), None)
            continue
        if kind_of(entry) == "directory":
            extra.add(f"{entry.path} (a folder in the catalogue)")
        elif needs_bytes(entry) and found.size != entry.size:
            wrong_size.add(f"{entry.path} (size {entry.size} in the catalogue, {found.size} uploaded)")
        else:
            list_checks.has_bytes(entry)
            yield pinned(entry, "file", found)
        found = next(objects, None)
    while found is not None:
        extra.add(found.key.removeprefix(prefix))
        found = next(objects, None)
    list_checks.refuse()
    missing.explain(_other_forms(missing.named, extra.named))
    missing.refuse(
        Code.MISSING_FILES,
        "of the catalogue's files is not in the bucket",
        "of the catalogue's files are not in the bucket",
    )
    wrong_size.refuse(
        Code.SIZE_MISMATCH,
        "file does not have the size that the catalogue says",
        "files do not have the size that the catalogue says",
    )
    extra.refuse(
        Code.EXTRA_FILES,
        "file in the bucket is not in the catalogue",
        "files in the bucket are not in the catalogue",
        tolerated=others_stay,
    )


class _ListChecks:
    """Whether every path, size and checksum algorithm of the catalogue's list may stand, entry by entry."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._bad_path, self._bad_size, self._bad_algorithm = _Problem(), _Problem(), _Problem()
        self._files = 0
        self._last = b""
        # Files before, each of whose paths begins with the one before it: they may turn out to be folders.
        self._beginnings: list[str] = []

    def pass_on(self, entry: CatalogueFile) -> bool:
        """Whether the next entry, in byte order, may be matched. Raises ValueError for one out of order."""
        wrong = self._wrong_path(entry)
        if wrong:
            self._bad_path.add(f"{entry.path} {wrong}")
        else:
            self._note_folders(entry.path)
            if needs_bytes(entry):
                self.has_bytes(entry)
        if not is_size(entry.size):
            self._bad_size.add(f"{entry.path} ({entry.size!r})")
        algorithm = algorithm_of(entry)
        if algorithm and known_algorithm(algorithm) is None:
            self._bad_algorithm.add(f"{entry.path} ({algorithm})")
        return wrong is None

    def has_bytes(self, entry: CatalogueFile) -> None:
        """The entry that was passed on last is a file: no other one may lie below it."""
        if self._beginnings[-1:] != [entry.path]:
            self._files += 1
            self._beginnings.append(entry.path)

    def refuse(self) -> None:
        """Raise DatasetRejected for what did not pass, or when nothing was a file."""
        self._bad_path.refuse(Code.BAD_PATH, "path may not name a file", "paths may not name a file")
        self._bad_size.refuse(
            Code.BAD_SIZE, "size is not a whole number of bytes", "sizes are not whole numbers of bytes"
        )
        self._bad_algorithm.refuse(
            Code.BAD_CHECKSUM_ALGORITHM,
            "checksum is of an unknown algorithm",
            "checksums are of an unknown algorithm",
        )
        if not self._files:
            raise DatasetRejected(Code.NO_FILES, "The catalogue lists no files for this dataset.")

    def _wrong_path(self, entry: CatalogueFile) -> str | None:
        last, self._last = self._last, byte_order(entry)
        if self._last < last:
            raise ValueError("the catalogue's list is not in the order of its paths' bytes")
        wrong = wrong_path(entry.path, self._prefix)
        return "is listed twice" if wrong is None and self._last == last else wrong

    def _note_folders(self, path: str) -> None:
        """Refuse the files that the path uses as folders: in byte order they all stand among its beginnings."""
        while self._beginnings and not path.startswith(self._beginnings[-1]):
            self._beginnings.pop()
        folders = [file for file in self._beginnings if path[len(file)] == "/"]
        for file in folders:
            self._bad_path.add(f"{file} is a file and a folder")
            self._beginnings.remove(file)


def _other_forms(listed: Sequence[str], found: Sequence[str]) -> dict[str, str]:
    """Of files that are not there under their names, what is to be said when they are under a name that looks alike."""
    return {
        path: f"{path} ({told_apart(path)} in the catalogue, {told_apart(other)} uploaded: one name in two forms; "
        "upload the file as it is in the catalogue)"
        for other, path in alike(listed, found).items()
    }


class _Problem:
    """The first files that something is wrong with, and how many there are; a hundred are told."""

    def __init__(self) -> None:
        self.named: list[str] = []
        self._count = 0

    def add(self, file: str) -> None:
        self._count += 1
        if len(self.named) < _COMPARED:
            self.named.append(file)

    def explain(self, sentences: Mapping[str, str]) -> None:
        """Say more of some files, and tell of them first."""
        self.named = [*sentences.values(), *(file for file in self.named if file not in sentences)]

    def refuse(self, code: Code, one: str, many: str, *, tolerated: bool = False) -> None:
        if self._count and not tolerated:
            raise DatasetRejected(
                code, f"{counted(self._count, one, many)}.", self.named[:MAX_NAMED_FILES], self._count
            )
