"""How the bytes of an answer are read: as JSON, and no more of it than SciCat can have to say."""

import urllib3

from archiver.errors import Code, ServiceRefused
from archiver.scicat.json_values import Json, loaded
from archiver.scicat.retries import UnansweredError
from archiver.settings import MIB

# A dataset with one block is a document of MongoDB, which holds 16 MiB; as JSON that is somewhat longer.
ANSWER_BYTES = 64 * MIB
CHUNK_BYTES = MIB


def whole(response: urllib3.BaseHTTPResponse, asked: str) -> Json:
    """The answer's JSON. A success that is not JSON was cut off, or comes from something that is not SciCat.

    Raises UnansweredError then, and ServiceRefused when the answer is larger than anything we ask for.
    """
    received = _bounded(response, asked)
    try:
        return loaded(received) if received else None
    except ValueError:
        if response.status < 300:
            raise UnansweredError(f"SciCat's answer to {asked} is not complete JSON.") from None
        return None


def _bounded(response: urllib3.BaseHTTPResponse, asked: str) -> bytes | bytearray:
    """The whole answer, decompressed. Raises ServiceRefused when it is larger than anything we ask for."""
    received = bytearray()
    for chunk in response.stream(CHUNK_BYTES, decode_content=True):
        received += chunk
        if len(received) > ANSWER_BYTES:
            response.close()
            message = f"SciCat answered more than {ANSWER_BYTES // MIB} MiB to {asked}."
            raise ServiceRefused(Code.SCICAT_TOO_LARGE, message)
    return received
