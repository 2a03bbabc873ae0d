"""Hashes of bytes that arrive in pieces: saved half way, resumed elsewhere, and CRCs that add up."""

import base64

from awscrt import checksums

CRC64NVME_BYTES = 8


def crc64nvme(data: bytes, previous: int = 0) -> int:
    """The CRC64NVME of ``data``, continuing from ``previous``."""
    return checksums.crc64nvme(data, previous)


def combine_crc64nvme(first: int, second: int, second_length: int) -> int:
    """The CRC64NVME of two byte strings joined, from the CRC of each and the second's length in bytes."""
    return checksums.combine_crc64nvme(first, second, second_length)


def crc64nvme_to_base64(value: int) -> str:
    """As S3 writes it: eight bytes, most significant first, in base64."""
    return base64.b64encode(value.to_bytes(CRC64NVME_BYTES)).decode()


def crc64nvme_from_base64(text: str) -> int:
    """Read S3's notation. Raises ValueError when it is not eight bytes in base64."""
    raw = base64.b64decode(text, validate=True)
    if len(raw) != CRC64NVME_BYTES:
        raise ValueError(f"{text!r} is not a CRC64NVME")
    return int.from_bytes(raw)
