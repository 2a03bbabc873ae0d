"""The bytes of a tar's files, fingerprinted and checked as they pass."""

from collections.abc import Iterable, Iterator
from itertools import chain

from archiver.datablocks import Extent
from archiver.digests import Fingerprinting, known_algorithm, same_checksum
from archiver.errors import Code, DatasetRejected
from archiver.models import FileFingerprint, SourceFile
from archiver.packaging.sources import Tar
from archiver.packaging.transfers import Transfers, chunks


class Bodies:
    """The bytes of files, in the order of the tar: each is fingerprinted, and each file checked, as it passes.

    ``extents`` is all that will be asked for, in this order, so that it can be read ahead.
    """

    def __init__(
        self,
        tar: Tar,
        transfers: Transfers,
        extents: Iterable[Extent],
        reading: Fingerprinting | None = None,
    ) -> None:
        self.fingerprints: list[FileFingerprint] = []
        self.file: SourceFile | None = None  # whose bytes were asked for last
        self.reading = reading  # of that file, until it was read to its end
        self._layout = tar.layout
        self._read = transfers.read(chain.from_iterable(chunks(extent) for extent in extents), tar.read)

    def take(self, extent: Extent) -> Iterator[bytes]:
        """The next bytes, in pieces."""
        file = self.file = self._layout.files[extent.file]
        for _ in chunks(extent):
            data = next(self._read)
            if self.reading is None:
                self.reading = Fingerprinting(_algorithm(file))
            self.reading.update(data)
            if self.reading.position == file.size:
                _check(file, self.reading)
                self.fingerprints.append(self.reading.fingerprint(file.path))
                self.reading = None
            yield data

    def glue(self, start: int, end: int) -> bytes:
        """All that lies between two offsets of the tar: headers, paddings, files."""
        pieces = self._layout.pieces(start, end)
        return b"".join(
            chain.from_iterable((piece,) if isinstance(piece, bytes) else self.take(piece) for piece in pieces)
        )


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


def _check(file: SourceFile, reading: Fingerprinting) -> None:
    if reading.algorithm is None or file.chk is None:
        return
    actual = reading.checksum()
    if not same_checksum(file.chk, actual):
        raise DatasetRejected(
            Code.CHECKSUM_MISMATCH,
            f"{file.path} does not have the given {reading.algorithm}: expected {file.chk}, actual {actual}.",
            [file.path],
        )
