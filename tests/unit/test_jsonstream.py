"""The elements of a long array, wherever the document is cut into chunks."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.jsonstream import LongDocument

values: Any = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(st.sampled_from('ab"\\[]{}:,é'))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["list", "b"]), inner)),
    max_leaves=8,
)
objects = st.dictionaries(st.text(st.sampled_from('a"\\[]{}'), max_size=3), values, max_size=3)
LIMIT = 10_000


def read(document: bytes, chunk: int = 7) -> list[Any]:
    """The elements of ``list``, read from chunks of so many bytes; the rest of the document has all but them."""
    chunks = (document[start : start + chunk] for start in range(0, len(document), chunk))
    long = LongDocument("list", LIMIT)
    found = [json.loads(element) for element in long.elements(chunks)]
    whole = json.loads(document)
    assert json.loads(long.rest) == whole | ({"list": []} if "list" in whole else {})
    return found


@given(st.lists(objects, max_size=4), values, values, st.integers(1, 40), st.sampled_from([None, 1]))
def test_every_element_is_found_and_nothing_else(
    wanted: list[Any], before: Any, after: Any, chunk: int, indent: int | None
) -> None:
    document = {"before": before, "a": {"list": [{"not": "this"}]}, "list": wanted, "after": after, "b": '"list":[{}]'}
    assert read(json.dumps(document, indent=indent, ensure_ascii=False).encode(), chunk) == wanted


@given(st.lists(objects, min_size=1, max_size=3), st.data())
def test_d10_a_document_that_ends_too_early_is_no_document(wanted: list[Any], data: st.DataObject) -> None:
    document = json.dumps({"list": wanted, "more": {}}).encode()
    with pytest.raises(ValueError, match="not complete"):
        list(LongDocument("list", LIMIT).elements([document[: data.draw(st.integers(0, len(document) - 1))]]))


def test_a_document_without_the_array_has_no_elements() -> None:
    assert read(b'{"other": [{}]}') == []


@pytest.mark.parametrize("document", [b'{"list": [{"a": "' + b"x" * 500, b"x" * 500, b'{"a": "' + b"x" * 500])
def test_an_element_beyond_the_limit_is_not_collected(document: bytes) -> None:
    with pytest.raises(OverflowError):
        list(LongDocument("list", 100).elements([document]))
