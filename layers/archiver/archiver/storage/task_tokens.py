"""Workflows that wait for a datablock, by its archive id."""

from collections.abc import Iterator

from archiver.keys import Keys
from archiver.models.states import Wait
from archiver.storage.buckets import DOCUMENT_LIMIT, staging


def waits(archive_id: str) -> Iterator[tuple[str, Wait]]:
    """Whoever waits until a datablock is readable: each wait with its key."""
    for found in staging().list(Keys.waits(archive_id)):
        body = staging().read(found.key, DOCUMENT_LIMIT)
        if body is not None:
            yield found.key, Wait.model_validate_json(body)
