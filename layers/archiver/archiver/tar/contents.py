"""What a tar may hold, so that unpacking it writes the files of its dataset and nothing else.

A datablock of ours holds what the catalogue records of it, folders, and the archiver's own documents, each once.
Another archiver's may hold more, and links, as its files were when it packed them; but nothing that would be
written twice, through a link, outside of the folder, or as a device.
"""

import re
import tarfile
from collections.abc import Collection, Iterable
from itertools import accumulate
from typing import Any, Self

from archiver.names import RESERVED_FOLDER
from archiver.tar.format import ATTRIBUTES, MANIFEST

# In layout "1" the manifest had no folder of its own.
_OWN_DOCUMENT = re.compile(rf"{re.escape(RESERVED_FOLDER)}/(?:(?:[0-9]+/)?{MANIFEST}|[0-9]+/{ATTRIBUTES})")
_LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE)


class TarContents:
    """What went by of one tar. ``recorded`` are the files that ours has; None where the tar is another archiver's."""

    def __init__(
        self, recorded: Collection[str] | None, written: Iterable[str] = (), links: Iterable[str] = ()
    ) -> None:
        self._recorded = recorded
        self._written = set(written)  # all but folders, which may come again
        self._links = set(links)

    @classmethod
    def resume(cls, recorded: Collection[str] | None, saved: dict[str, Any]) -> Self:
        """Go on where ``save`` was called."""
        return cls(recorded, saved["written"], saved["links"])

    def save(self) -> dict[str, Any]:
        """The state as JSON has it, for ``resume``."""
        return {"written": list(self._written), "links": list(self._links)}

    def refusal(self, path: str, kind: bytes, link: str) -> str | None:
        """Why the next member may not be there; None when it may.

        ``kind`` is the type in its header, ``link`` the path that a link leads to.
        """
        is_folder = kind == tarfile.DIRTYPE
        path = path.rstrip("/") if is_folder else path
        if path in self._written:
            return "is there twice"
        parts = path.split("/")
        if ".." in parts:
            return "leads out of the folder"
        if self._links and not self._links.isdisjoint(accumulate(parts, "{}/{}".format)):
            return "lies beyond a link"
        if is_folder:
            return None
        return self._refusal_as_file(path, kind, link)

    def _refusal_as_file(self, path: str, kind: bytes, link: str) -> str | None:
        if kind not in (*tarfile.REGULAR_TYPES, *(_LINKS if self._recorded is None else ())):
            return "is no plain file"
        if kind == tarfile.LNKTYPE and (link not in self._written or link in self._links):
            return "has the bytes of a file that is not in the tar"
        self._written.add(path)
        if kind == tarfile.SYMTYPE:
            self._links.add(path)
        return self._unexpected(path)

    def _unexpected(self, path: str) -> str | None:
        if self._recorded is None:
            return "lies in the archiver's own folder" if path.partition("/")[0] == RESERVED_FOLDER else None
        return None if path in self._recorded or _OWN_DOCUMENT.fullmatch(path) else "is not recorded"
