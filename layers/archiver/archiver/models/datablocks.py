"""A datablock on its way to tape, and back."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SealedDatablock:
    """A tar of so many ``files``, complete in staging; ``crc64nvme`` is the prediction that S3 confirmed, in base64.

    ``proven_etag`` is that of the archived object whose bytes were read back and had this CRC, where the
    long-term storage itself reports none. ``read_twice`` counts the files of which S3 keeps no checksum.
    """

    number: int
    key: str
    files: int
    size: int
    packed_size: int
    crc64nvme: str
    proven_etag: str = ""
    read_twice: int = 0


@dataclass(frozen=True, slots=True)
class WantedDatablock:
    """A datablock that a retrieval is about, without its files: these lie in a document for each datablock.

    ``packed_size`` is the size of the tar, ``size`` that of its files, in bytes.
    """

    number: int
    archive_id: str
    packed_size: int
    size: int = 0


@dataclass(frozen=True, slots=True)
class Download:
    """A proven tar that a user may download from ``url`` until ``expires``.

    ``size`` is that of the tar, ``unpacked_size`` that of its files, in bytes; ``crc64nvme`` of the tar in base64.
    """

    pid: str
    archive_id: str
    size: int
    unpacked_size: int
    crc64nvme: str
    url: str
    expires: datetime

    @property
    def name(self) -> str:
        """What the tar is called without its folders."""
        return self.archive_id.rpartition("/")[2]
