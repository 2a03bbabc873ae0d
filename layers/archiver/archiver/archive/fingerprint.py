"""The fingerprint of the catalogue's list of files: has it changed since?"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator

from archiver.models.catalogue import CatalogueFile
from archiver.models.catalogue_entries import kind_of, size_of
from archiver.models.file_modes import Kind


class Fingerprint:
    """256 bits of the catalogue's list, whatever its order: has it changed since? And the sums of its sizes.

    The fingerprint is the sum of the entries' SHA-256, so that no list is held. It detects changes, it does not
    withstand forgers: who may change the list may archive another one anyway.
    """

    def __init__(self) -> None:
        self._sum = 0
        self.sizes: Counter[Kind] = Counter()

    @property
    def hexadecimal(self) -> str:
        """The fingerprint of the entries that went by so far."""
        return f"{self._sum % 2**256:064x}"

    def watch(self, catalogued: Iterable[CatalogueFile]) -> Iterator[CatalogueFile]:
        """The same entries."""
        for entry in catalogued:
            line = json.dumps([entry.path, entry.size, entry.time, entry.chk, entry.chk_alg])
            self._sum += int.from_bytes(hashlib.sha256(line.encode()).digest())
            self.sizes[kind_of(entry)] += size_of(entry)
            yield entry


def fingerprint_of(catalogued: Iterable[CatalogueFile]) -> str:
    """The fingerprint of a whole list."""
    fingerprint = Fingerprint()
    for _ in fingerprint.watch(catalogued):
        pass
    return fingerprint.hexadecimal
