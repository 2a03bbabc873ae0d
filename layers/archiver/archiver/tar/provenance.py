"""Whose tar is it? Which datablocks are a dataset's own, whatever SciCat's records say.

In SciCat 4.28 and 5.2 any account may record a datablock for any dataset, and an owner may call a dataset retrievable:
a record proves nothing. A datablock is a dataset's when its key says so, which this service chose when it stored it,
and when its tar has the very list of files that is recorded. Another archiver's tars have other keys: an operator
says under which prefixes they lie (``FormerArchivePrefixes``).
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace

from archiver.checksums import FileFingerprint, known_algorithm
from archiver.errors import Code, ServiceRefused
from archiver.keys import Keys
from archiver.models.catalogue import CatalogueDatablock, CatalogueFile, DatablockRecord, RecordedDataset
from archiver.models.catalogue_entries import kind_of
from archiver.models.file_lists import byte_order
from archiver.settings import settings
from archiver.tar.format import LAYOUT_VERSION, MANIFEST, manifest, own_path
from archiver.tar.former_format import FORMER_MANIFEST, FORMER_VERSION, former_manifest

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_TEXT = re.compile("[\ud800-\udfff]")
# In a prefix: the pid of the dataset that is asked for.
_PID = "{pid}"


def counted(dataset: RecordedDataset) -> RecordedDataset:
    """The dataset with the datablocks that may be its own alone; ``others`` are the records that count for nothing."""
    own: list[DatablockRecord] = []
    others = list(dataset.others)
    for record in dataset.datablocks:
        (own if is_stored_for(dataset.pid, record.archive_id) else others).append(record)
    return replace(dataset, datablocks=tuple(own), others=tuple(others))


def is_stored_for(pid: str, archive_id: str) -> bool:
    """Whether the name says that the datablock is this dataset's, or an operator did so of what is named like it."""
    return is_made_for(pid, archive_id) or _is_allowed(pid, archive_id)


def is_made_for(pid: str, archive_id: str) -> bool:
    """Whether a run of this dataset gave the name."""
    made = Keys.made(archive_id)
    return made is not None and made.pid == pid


def may_be_given(pid: str, key: str) -> bool:
    """Whether a link of the dataset may lead to this object of the retrieval bucket; without a pid, to a job's list."""
    if not pid:
        return key.startswith(Keys.RESULTS)
    former = Keys.former(key, pid)
    if former is not None:
        return _is_allowed(pid, former)
    return is_made_for(pid, key) or Keys.is_selection(key, pid)


def own_list(pid: str, datablock: CatalogueDatablock) -> CatalogueFile | None:
    """The list with which a tar of ours ends, as a file of the tar that must be there. Otherwise as ``manifest_of``."""
    listed = manifest_of(pid, datablock)
    if listed is None:
        return None
    path, body = listed
    return CatalogueFile(path, len(body), "", hashlib.sha256(body).hexdigest(), "sha256")


def manifest_of(pid: str, datablock: CatalogueDatablock) -> tuple[str, bytes] | None:
    """Path and body of the list with which a tar of ours ends, as the record has its files; None for another's tar.

    Raises ServiceRefused(CORRUPT_DATABLOCK) for a datablock that is not this dataset's, or that no tar could prove.
    """
    made = Keys.made(datablock.archive_id)
    if made is not None and made.pid == pid:
        fingerprints = list(_fingerprints(datablock))
        if datablock.version == LAYOUT_VERSION:
            return own_path(str(made.number), MANIFEST), manifest(fingerprints)
        if datablock.version == FORMER_VERSION:
            return FORMER_MANIFEST, former_manifest(fingerprints)
        raise _not_ours(datablock)
    if not _is_allowed(pid, datablock.archive_id) or all(kind_of(file) != "file" for file in datablock.files):
        raise _not_ours(datablock)
    return None


def _fingerprints(datablock: CatalogueDatablock) -> Iterator[FileFingerprint]:
    """The files in the order of the list. Raises ServiceRefused for a record that this archiver would not have made."""
    for file in sorted(datablock.files, key=byte_order):
        if kind_of(file) != "file":
            continue
        algorithm = known_algorithm(file.chk_alg or datablock.chk_alg or "")
        if algorithm != "sha256" or not _SHA256.fullmatch(file.chk or "") or _NO_TEXT.search(file.path):
            raise _not_ours(datablock)
        yield FileFingerprint(file.path, file.size, file.chk or "", 0)


def _is_allowed(pid: str, archive_id: str) -> bool:
    # A tar of ours is never another archiver's, whatever an operator allows.
    if Keys.made(archive_id) is not None:
        return False
    return any(archive_id.startswith(prefix.replace(_PID, pid)) for prefix in settings().former_archive_prefixes)


def _not_ours(datablock: CatalogueDatablock) -> ServiceRefused:
    return ServiceRefused(Code.CORRUPT_DATABLOCK, f"{datablock.archive_id} is not recorded as this archiver does it.")
