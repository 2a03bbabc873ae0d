"""The script with which a user downloads what a retrieve job made ready: POSIX sh, with nothing to install.

What it does stands in ``download.sh``; here the list of its tars is put before that. The list is data in a
quoted here-document, so nothing in it is ever run, whatever a tar is called.
"""

import re
import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, count
from pathlib import Path

from archiver.models.datablocks import Download

_END = "END_OF_LIST"
# A file's name has 255 bytes at most, and an ending is added to it.
_LONGEST_NAME = 200


def rows(downloads: Iterable[Download]) -> str:
    """A line for each tar: bytes, folder, name and link, with tabs between them.

    The folder is one for each dataset, the name one for each of its tars. Raises ValueError for what
    would end a line or a column: no name that the service takes has a control character.
    """
    folders: dict[str, str] = {}
    names: set[tuple[str, str]] = set()
    lines: list[str] = []
    for download in downloads:
        folder = folders.get(download.pid) or _folder(download.pid, folders.values())
        folders[download.pid] = folder
        name = download.name
        # The script's own notes beside the tars are told from what the tars bring by this ending.
        if (folder, name) in names or len(name.encode()) > _LONGEST_NAME or not name.endswith(".tar"):
            name = f"datablock-{len(lines)}.tar"
        names.add((folder, name))
        columns = (str(download.size), folder, name, download.url)
        if any(unicodedata.category(letter) == "Cc" for column in columns for letter in column):
            raise ValueError(f"{download.archive_id!r} cannot stand in a list")
        lines.append("\t".join(columns) + "\n")
    return "".join(lines)


def script(job_id: str, listed: str, tars: int, not_retrieved: Sequence[str]) -> str:
    """The script that brings ``listed``: the rows themselves.

    ``not_retrieved`` are sentences on the datasets that the archive could not give back.
    """
    return _script(job_id, f"list() {{\n    cat > \"$1\" <<'{_END}'\n{listed}{_END}\n}}\n", tars, not_retrieved)


def script_with_link(job_id: str, link: str, tars: int, not_retrieved: Sequence[str]) -> str:
    """The same script for a list so long that it is downloaded too, from ``link``."""
    return _script(job_id, f'list() {{\n    fetch {shlex.quote(link)} "$1"\n}}\n', tars, not_retrieved)


def _script(job_id: str, list_function: str, tars: int, not_retrieved: Sequence[str]) -> str:
    sentences = "".join(f"- {' '.join(sentence.split())}\n" for sentence in not_retrieved)
    return (
        "#!/bin/sh\n"
        f"# Downloads what the retrieve job {job_id} made ready, checks it and unpacks it.\n"
        "# Whoever has this file can download too: its links are like passwords, until they expire.\n\n"
        f"expected_tars={tars}\n\n"
        f"not_retrieved() {{\n    cat <<'{_END}'\n{sentences}{_END}\n}}\n\n"
        f"{list_function}\n{_body()}"
    )


@cache
def _body() -> str:
    return Path(__file__).with_name("download.sh").read_text()


def _folder(pid: str, taken: Iterable[str]) -> str:
    """A folder's name for a dataset, of letters that every file system takes, and also in no other case ``taken``."""
    folder = re.sub(r"[^A-Za-z0-9._-]", "-", pid).lstrip(".-")[:_LONGEST_NAME] or "dataset"
    lower = {one.lower() for one in taken}
    names = chain([folder], (f"{folder}-{number}" for number in count(1)))
    return next(name for name in names if name.lower() not in lower)
