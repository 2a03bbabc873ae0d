"""Building a run's datablocks: S3 copies big files, small ones pass through, and every byte is fingerprinted once.

A slice of a datablock is done in one or several calls, by one worker at a time; other slices may be
done beside it. S3 itself keeps the parts; what was read and hashed lies in the run's folder:

    plan.json                              the datablocks
    datablocks/<number>/upload.json        the multipart upload
    datablocks/<number>/slices/<n>.json    how far a slice is: position, fingerprints, hash state;
                                           <n>-again.json in the second upload, when S3 refused the first
    datablocks/<number>/fingerprints.json  all fingerprints, and
    datablocks/<number>/sealed.json        the sealed datablock, once it is complete
"""

from archiver.packaging.packager import Packager
from archiver.packaging.progress import (
    Folder,
    SliceOfDatablock,
    SliceProgress,
    files_of,
    fingerprints_of,
    planned_datablocks,
    sealed_datablocks,
)
from archiver.packaging.sources import Source

__all__ = [
    "Folder",
    "Packager",
    "SliceOfDatablock",
    "SliceProgress",
    "Source",
    "files_of",
    "fingerprints_of",
    "planned_datablocks",
    "sealed_datablocks",
]
