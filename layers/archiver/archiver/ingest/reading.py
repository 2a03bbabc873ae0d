"""The list of a drop's files: in dataset.json, or in a file of checksums beside it."""

from dataclasses import dataclass, field

from archiver import ingest
from archiver.ingest import DatasetDocument, ListedFile, drop_folder


@dataclass(slots=True)
class FoundList:
    """A drop's list: the ``name`` of its file of checksums, or the name that is ``awaited``, and the files it lists.

    ``sources`` has the ETag of each file of checksums that was looked for, None where it was not there.
    """

    chk_alg: str
    name: str | None = None
    awaited: str | None = None
    files: list[ListedFile] = field(default_factory=list)
    sources: dict[str, str | None] = field(default_factory=dict)


def list_of(document: DatasetDocument, prefix: str) -> FoundList:
    """Find and read the list that belongs to a dataset.json. Raises DatasetRejected when it cannot be read."""
    found = FoundList(document.chk_alg, awaited=document.checksums, files=document.files or [])
    stated = document.chk_alg if "chk_alg" in document.model_fields_set else None
    for name in ingest.checksum_file_of(document):
        read = drop_folder.read_document(prefix, name, ingest.CHECKSUM_FILE_LIMIT)
        found.sources[name] = None if read is None else read[1]
        if read is not None:
            parsed = ingest.parse_checksums(read[0], name, stated)
            found.name, found.awaited = name, None
            found.chk_alg, found.files = parsed.chk_alg, list(parsed.files)
            break
    return found
