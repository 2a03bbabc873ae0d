"""The elements of an array in a JSON document that is too long to be held, one at a time. Pure: bytes in, bytes out."""

import re
from collections.abc import Iterable, Iterator

# Whatever stands before the next bracket. A quotation mark in its place begins a string that is not complete yet.
_NEXT = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+([\[\]{}"])', re.DOTALL)
_OPENING, _STRING = b"[{", b'"'
# Inside the document's own object, and inside the array that is one of its fields.
_DOCUMENT, _ARRAY = 1, 2


class LongDocument:
    """A document that is an object, and its field ``name``, a long array of objects.

    ``rest`` is the document with that array empty, when all of it was read.
    """

    def __init__(self, name: str, limit: int) -> None:
        """``limit``: of how many bytes an element, and the rest, may consist."""
        self._name, self._limit = name, limit
        self._field = re.compile(rb'"%s"\s*:\s*\[\Z' % re.escape(name.encode()))
        self._text = b""
        self._scanned = self._begun = self._depth = 0
        self._inside = self._complete = False
        self.rest = b""

    def elements(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Each element as it is written, of the document that ``chunks`` make up.

        Raises ValueError for a document that ends too early, and OverflowError beyond the limit.
        """
        for chunk in chunks:
            for element in self._read(chunk):
                self._refuse_beyond_the_limit(element)
                yield element
            self._refuse_beyond_the_limit(self._text, self.rest)
        if not self._complete:
            raise ValueError("the document is not complete")

    def _refuse_beyond_the_limit(self, *texts: bytes) -> None:
        if any(len(text) > self._limit for text in texts):
            raise OverflowError(f"{self._name} has an element of more than {self._limit} bytes")

    def _read(self, chunk: bytes) -> Iterator[bytes]:
        """The elements that end in this chunk."""
        self._text += chunk
        while (bracket := _NEXT.match(self._text, self._scanned)) and bracket[1] != _STRING:
            if bracket[1] in _OPENING:
                self._open(bracket)
            elif (element := self._close(bracket)) is not None:
                yield element
            self._scanned, self._complete = bracket.end(), self._depth == 0
        keep = self._begun if self._inside and self._depth > _ARRAY else self._scanned
        self._text = self._text[keep:]
        self._scanned, self._begun = self._scanned - keep, self._begun - keep

    def _open(self, bracket: re.Match[bytes]) -> None:
        self._depth += 1
        if not self._inside:
            self.rest += bracket[0]
            self._inside = self._depth == _ARRAY and self._field.search(bracket[0]) is not None
        elif self._depth == _ARRAY + 1:
            self._begun = bracket.start(1)

    def _close(self, bracket: re.Match[bytes]) -> bytes | None:
        self._depth -= 1
        if self._inside and self._depth == _ARRAY:
            return self._text[self._begun : bracket.end()]
        if self._depth < _ARRAY or not self._inside:
            self._inside = False
            self.rest += bracket[0]
        return None
