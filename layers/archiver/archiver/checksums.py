"""How checksums are written: hexadecimal digits or base64, with the algorithm's name in front of them or without."""

import base64
import binascii
import re

from archiver.digests import digest_bytes, known_algorithm

# sha256:..., SHA-256-...
_NAMED = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9-]*)[:-](?P<rest>.+)")


def algorithm_named(tag: str) -> str | None:
    """The algorithm that BSD's tools (SHA256) or openssl (SHA2-256) mean; None when it is not known."""
    return known_algorithm(re.sub("^sha2-", "sha", tag, flags=re.IGNORECASE))


def taken_apart(written: str, algorithm: str | None) -> tuple[str | None, str]:
    """The algorithm in front of a checksum, where there is one that is known, else ``algorithm``; and the rest."""
    named = _NAMED.fullmatch(written.strip())
    found = algorithm_named(named["name"]) if named else None
    return (found, named["rest"]) if named and found else (algorithm, written.strip())


def hexadecimal(written: str, algorithm: str) -> str | None:
    """A checksum of ``algorithm`` (``known_algorithm``) in small hexadecimal digits; None when it is none of it."""
    found, rest = taken_apart(written, algorithm)
    digits = 2 * digest_bytes(algorithm)
    if found != algorithm:
        return None
    if len(rest) == digits and re.fullmatch("[0-9A-Fa-f]+", rest):
        return rest.lower()
    try:
        decoded = base64.b64decode(rest, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded.hex() if 2 * len(decoded) == digits else None
