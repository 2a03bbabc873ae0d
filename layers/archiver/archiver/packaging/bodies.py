"""The bytes of a tar's files, fingerprinted and checked as they pass."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from archiver.aws.stored_checksums import Comparison
from archiver.checksums import FileFingerprint, Fingerprinting, hexadecimal, known_algorithm
from archiver.errors import Code, DatasetRejected, ServiceRefused
from archiver.models.files import SourceFile
from archiver.packaging.sources import Tar
from archiver.packaging.transfers import Transfers, chunks
from archiver.tar.layout import Extent

# Characters of a checksum that an error repeats.
_SHOWN = 80


class AlteredError(Exception):
    """The bytes that arrived are not those that lie there, as far as can be told: they may be read once more.

    ``told`` is what it means when it happens again and again.
    """

    def __init__(self, told: DatasetRejected | ServiceRefused) -> None:
        self.told = told
        super().__init__(str(told))


@dataclass(slots=True)
class Reading:
    """A file of which some bytes were read: its fingerprint so far, and the comparison with what is stored of it."""

    hashes: Fingerprinting
    comparison: Comparison | None

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self.hashes.update(data)
        if self.comparison is not None:
            self.comparison.update(data)

    def save(self) -> dict[str, Any]:
        """The state as JSON has it. Only where the hashes are resumable."""
        return self.hashes.save() | {"stored": self.comparison.save() if self.comparison else None}


class Bodies:
    """The bytes of files, in the order of the tar: each is fingerprinted, and each file checked, as it passes.

    ``extents`` is all that will be asked for, in this order, so that it can be read ahead.
    """

    def __init__(
        self,
        tar: Tar,
        transfers: Transfers,
        extents: Iterable[Extent],
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        """``saved`` is a ``Reading`` of the first file, if some of its bytes were read before."""
        self.fingerprints: list[FileFingerprint] = []
        self.file: SourceFile | None = None  # whose bytes were asked for last
        self.reading: Reading | None = None  # of that file, until it was read to its end
        self._saved = saved
        self._layout = tar.layout
        self._source = tar.source
        self._read = transfers.read(chain.from_iterable(chunks(extent) for extent in extents), tar.read)

    def take(self, extent: Extent) -> Iterator[bytes]:
        """The next bytes, in pieces."""
        file = self.file = self._layout.files[extent.file]
        for _ in chunks(extent):
            data = next(self._read)
            if self.reading is None:
                self.reading = self._begin(file, in_one_piece=len(data) == file.size)
            self.reading.update(data)
            if self.reading.hashes.position == file.size:
                self.fingerprints.append(self._finish(file, self.reading))
                self.reading = None
            yield data

    def glue(self, start: int, end: int) -> bytes:
        """All that lies between two offsets of the tar: headers, paddings, files."""
        pieces = self._layout.pieces(start, end)
        return b"".join(
            chain.from_iterable((piece,) if isinstance(piece, bytes) else self.take(piece) for piece in pieces)
        )

    def _begin(self, file: SourceFile, *, in_one_piece: bool) -> Reading:
        stored = None if in_one_piece else self._source.stored_checksum(file)
        saved, self._saved = self._saved, None
        if saved is None:
            return Reading(Fingerprinting(_algorithm(file)), Comparison(stored) if stored else None)
        comparison = Comparison.resume(stored, saved["stored"]) if stored else None
        return Reading(Fingerprinting.resume(saved), comparison)

    def _finish(self, file: SourceFile, reading: Reading) -> FileFingerprint:
        """The file's fingerprint. Raises AlteredError, and DatasetRejected(CHECKSUM_MISMATCH) when that is certain."""
        if reading.comparison is not None and not reading.comparison.agrees():
            message = f"{file.path} was altered on its way from S3, again and again."
            raise AlteredError(ServiceRefused(Code.TRANSPORT_CORRUPTION, message, [file.path]))
        mismatch = _mismatch(file, reading.hashes)
        if mismatch is not None:
            raise mismatch if self._source.confirms else AlteredError(mismatch)
        return reading.hashes.fingerprint(file.path, read_twice=self._source.was_read_twice(file))


def _algorithm(file: SourceFile) -> str | None:
    """The algorithm of the uploader's checksum, if one was given."""
    if not file.chk or not file.chk_alg:
        return None
    algorithm = known_algorithm(file.chk_alg)
    if algorithm is None:
        raise DatasetRejected(
            Code.BAD_CHECKSUM_ALGORITHM,
            f"{file.path} has a checksum by {file.chk_alg}, which is not known.",
            [file.path],
        )
    return algorithm


def _mismatch(file: SourceFile, hashes: Fingerprinting) -> DatasetRejected | None:
    """What to say of a file whose bytes do not have the uploader's checksum; None when they have, or need not."""
    if hashes.algorithm is None or file.chk is None:
        return None
    expected, actual = hexadecimal(file.chk, hashes.algorithm), hashes.checksum()
    if expected == actual:
        return None
    said = f"expected {file.chk}, actual {actual}"
    if expected is None:
        said = f"{file.chk[:_SHOWN]!r} is none, in hexadecimal digits or base64; it is {actual}"
    return DatasetRejected(
        Code.CHECKSUM_MISMATCH, f"{file.path} does not have the given {hashes.algorithm}: {said}.", [file.path]
    )
