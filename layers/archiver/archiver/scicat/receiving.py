"""How the bytes of an answer are read: whole, or a long list block by block; no more than SciCat can have to say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import urllib3

from archiver.errors import Code, ServiceRefused
from archiver.filelist import CompactFiles
from archiver.jsonstream import LongDocument
from archiver.models import CatalogueDataset, CatalogueFile
from archiver.scicat.answers import not_understood
from archiver.scicat.bodies import Json, loaded
from archiver.scicat.records import datablock_of, dataset_of, files_of
from archiver.scicat.retries import UnansweredError
from archiver.settings import MIB

ANSWER_BYTES = 64 * MIB
# MongoDB keeps no document of more than 16 MiB, which is somewhat longer as JSON.
BLOCK_BYTES = 32 * MIB
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
            raise _cut_off(asked) from None
        return None


def streamed_files(response: urllib3.BaseHTTPResponse, asked: str) -> Iterator[CatalogueFile]:
    """The files of an answer's origdatablocks, of which one is in memory at a time."""
    document = LongDocument("origdatablocks", BLOCK_BYTES)
    with _understood(asked):
        for block in document.elements(_chunks(response)):
            yield from files_of(loaded(block))


def streamed_dataset(response: urllib3.BaseHTTPResponse, asked: str) -> CatalogueDataset:
    """A dataset with its datablocks, read one after the other: as JSON all of them would fill the memory."""
    document = LongDocument("datablocks", BLOCK_BYTES)
    with _understood(asked):
        read = (datablock_of(loaded(block)) for block in document.elements(_chunks(response)))
        datablocks = tuple(replace(datablock, files=CompactFiles(datablock.files)) for datablock in read)
        return replace(dataset_of(loaded(document.rest)), datablocks=datablocks)


@contextmanager
def _understood(asked: str) -> Iterator[None]:
    """An answer that breaks off is none; one that says something else, or too much at once, is refused."""
    try:
        yield
    except ValueError:
        raise _cut_off(asked) from None
    except OverflowError:
        raise _too_large(asked, "a block of more than", BLOCK_BYTES) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise not_understood(asked, error) from None


def _bounded(response: urllib3.BaseHTTPResponse, asked: str) -> bytes:
    """The whole answer, decompressed. Raises ServiceRefused when it is larger than anything we ask for."""
    received = bytearray()
    for chunk in _chunks(response):
        received += chunk
        if len(received) > ANSWER_BYTES:
            response.close()
            raise _too_large(asked, "more than", ANSWER_BYTES)
    return bytes(received)


def _chunks(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    return response.stream(CHUNK_BYTES, decode_content=True)


def _cut_off(asked: str) -> UnansweredError:
    return UnansweredError(f"SciCat's answer to {asked} is not complete JSON.")


def _too_large(asked: str, answered: str, limit: int) -> ServiceRefused:
    return ServiceRefused(Code.SCICAT_TOO_LARGE, f"SciCat answered {answered} {limit // MIB} MiB to {asked}.")
