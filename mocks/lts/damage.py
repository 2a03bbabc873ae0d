"""Objects that read back wrong: bytes inverted or missing, while the store's own copy stays whole.

So the recorded checksum is the one of the write, as with bytes that rot on tape.
"""

from collections.abc import AsyncIterator

import httpx
from fastapi import Response
from fastapi.responses import StreamingResponse

from mocks.lts.backend import chunks
from mocks.lts.tape import TapeObject
from mocks.lts.wire import first_byte, refusal


def as_read_back(answer: httpx.Response, headers: dict[str, str], tape_object: TapeObject) -> Response:
    """The answer to a GET or HEAD of ``tape_object``, with its damage."""
    if not answer.is_success or not (tape_object.flipped or tape_object.truncated is not None):
        return StreamingResponse(chunks(answer), answer.status_code, headers)
    start = first_byte(headers.get("content-range"))
    length = int(headers["content-length"])
    if tape_object.truncated is not None:
        length = min(length, max(tape_object.truncated - start, 0))
        headers["content-length"] = str(length)
        if "content-range" in headers:
            headers["content-range"] = f"bytes {start}-{start + length - 1}/{tape_object.truncated}"
            if length == 0:
                return refusal(416, "InvalidRange", "The requested range is not satisfiable", tape_object.key)
    body = _flipped(_cut(chunks(answer), length), tape_object.flipped, start)
    return StreamingResponse(body, answer.status_code, headers)


async def _cut(body: AsyncIterator[bytes], length: int) -> AsyncIterator[bytes]:
    """At most the first ``length`` bytes; the rest is read and dropped."""
    async for chunk in body:
        kept = chunk[:length]
        length -= len(kept)
        yield kept


async def _flipped(body: AsyncIterator[bytes], offsets: list[int], start: int) -> AsyncIterator[bytes]:
    """The bytes at ``offsets`` of the object inverted; the body begins at its byte ``start``."""
    async for chunk in body:
        here = [offset - start for offset in offsets if start <= offset < start + len(chunk)]
        start += len(chunk)
        if here:
            inverted = bytearray(chunk)
            for at in here:
                inverted[at] ^= 0xFF
            yield bytes(inverted)
        else:
            yield chunk
