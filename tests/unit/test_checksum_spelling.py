"""However a checksum is written, it is the same one."""

import base64
import hashlib

import pytest

from archiver.checksums import hexadecimal, taken_apart

RAW = hashlib.sha256(b"any").digest()
BASE64 = base64.b64encode(RAW).decode()


@pytest.mark.parametrize(
    "written",
    [RAW.hex(), f" {RAW.hex().upper()}\n", BASE64, f"sha256:{RAW.hex()}", f"SHA-256:{BASE64}", f"sha256-{BASE64}",
     f"SHA2-256:{RAW.hex()}"],
)  # fmt: skip
def test_digits_and_base64_with_the_algorithm_in_front_or_without(written: str) -> None:
    assert hexadecimal(written, "sha256") == RAW.hex()


@pytest.mark.parametrize("written", ["rosUhgp5mIg=", "AE8B14860A799888", "crc64nvme:rosUhgp5mIg="])
def test_a_crc_as_s3_writes_it(written: str) -> None:
    assert hexadecimal(written, "crc64nvme") == "ae8b14860a799888"


OTHERS = ["", RAW.hex()[:-1], RAW.hex()[:-2], BASE64[:-1], f"md5:{RAW.hex()}", "sha256:", "é"]


@pytest.mark.parametrize("written", OTHERS)
def test_what_is_no_checksum_of_the_algorithm(written: str) -> None:
    assert hexadecimal(written, "sha256") is None


def test_the_algorithm_in_front_counts_where_it_is_known() -> None:
    assert taken_apart("MD5:00", "sha256") == ("md5", "00")
    assert taken_apart("sha256:00", None) == ("sha256", "00")
    assert taken_apart("adler:00", "sha256") == ("sha256", "adler:00")
    assert taken_apart("00", None) == (None, "00")
