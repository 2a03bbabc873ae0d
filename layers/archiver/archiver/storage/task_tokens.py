"""Workflows that wait for a datablock, by its archive id."""

from collections.abc import Iterator

from archiver.keys import Keys
from archiver.models.states import Wait
from archiver.storage import buckets


def waits(archive_id: str) -> Iterator[tuple[str, Wait]]:
    """Whoever waits until a datablock is readable: each wait with its key."""
    for found in buckets.staging().list(Keys.waits(archive_id)):
        body = buckets.staging().read(found.key, buckets.DOCUMENT_LIMIT)
        if body is not None:
            yield found.key, Wait.model_validate_json(body)
