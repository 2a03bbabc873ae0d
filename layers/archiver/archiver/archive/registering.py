"""The record of a datablock in SciCat, and whether SciCat's list is still the one that was archived."""

from archiver.archive import fingerprint
from archiver.errors import Code, DatasetRejected
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile
from archiver.models.datablocks import SealedDatablock
from archiver.models.states import Run, Snapshot
from archiver.scicat import catalogue
from archiver.tar.format import LAYOUT_VERSION


def refuse_changed(run: Run, snapshot: Snapshot) -> None:
    """Raises DatasetRejected(CATALOGUE_CHANGED) when SciCat's list is no longer the one that was archived."""
    if catalogue().files_of(run.pid, fingerprint.fingerprint_of) != snapshot.catalogue:
        raise DatasetRejected(Code.CATALOGUE_CHANGED, "The catalogue's list of files changed during the archiving.")


def record_of(datablock: SealedDatablock, files: tuple[CatalogueFile, ...]) -> CatalogueDatablock:
    """What SciCat is to record of a tar."""
    return CatalogueDatablock(
        archive_id=datablock.key,
        size=datablock.size,
        packed_size=datablock.packed_size,
        chk_alg="sha256",
        version=LAYOUT_VERSION,
        files=files,
    )
