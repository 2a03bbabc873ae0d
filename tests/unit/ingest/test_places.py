"""Where a dataset.json may lie, and what is said of one that lies elsewhere."""

import pytest

from archiver.ingest.places import misplacement


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("Incoming/a/dataset.json", "in small letters: upload the folder to incoming/a/."),
        ("incoming/dataset.json", "upload it and its files to a folder there, incoming/<name>/."),
        ("incoming/a/Dataset.json", "upload it under this name, in small letters, into incoming/a/."),
        ("incoming/a/b/dataset.json", "upload it to incoming/b/; if it is a part of incoming/a/"),
        ("incoming/a//dataset.json", "upload it to incoming/<name>/"),
    ],
)
def test_a_misplaced_document_is_told_its_place(key: str, advice: str) -> None:
    assert advice in misplacement(key)
